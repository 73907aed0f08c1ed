//! Digests of texts.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::model::ContentHash;
use crate::value::hex;

/// A digest of several texts; each with its length before it, so that none can take from the next.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    pub fn add(&mut self, text: &str) -> &mut Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
        self
    }

    pub fn finish(self) -> ContentHash {
        ContentHash(Arc::from(hex(&self.0.finalize())))
    }
}
