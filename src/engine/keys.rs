//! The keys of an installation: all made from one master, each for one use, so that what one shows says nothing of another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::value::hex;

/// The keys of an installation. Never shown.
#[derive(Clone)]
pub struct Keys {
    // With the key taken in already.
    idempotency: Hmac<Sha256>,
    digest: Hmac<Sha256>,
    audit: Hmac<Sha256>,
}

impl Keys {
    /// The keys of that master: the same one gives the same keys.
    #[must_use]
    pub fn derive(master: &[u8]) -> Self {
        Self::of(master, master)
    }

    /// The keys while the master changes: audits with the new one, what has to be known again with the old one.
    #[must_use]
    pub fn of(newest: &[u8], oldest: &[u8]) -> Self {
        let key = |master, label| keyed(&derived(master, label));
        Self { idempotency: key(oldest, "idempotency"), digest: key(oldest, "digest"), audit: key(newest, "audit") }
    }

    /// An idempotency key made of these parts.
    pub(super) fn idempotency_key(&self, parts: &[&[u8]]) -> String {
        hex(&mac(&self.idempotency, parts))
    }

    /// A digest by which these parts are known again, and from which nobody without the key can guess them.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> String {
        hex(&mac(&self.digest, parts))
    }

    /// A code of an audit, that nobody makes without the key.
    #[must_use]
    pub fn audit_code(&self, parts: &[&[u8]]) -> String {
        hex(&mac(&self.audit, parts))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// The key of one use.
#[must_use]
pub fn derived(master: &[u8], label: &str) -> [u8; 32] {
    mac(&keyed(master), &[b"waypost", label.as_bytes()])
}

/// A name for a master by which it is found again, and that says nothing of it.
#[must_use]
pub fn key_id(master: &[u8]) -> String {
    hex(derived(master, "id").get(..4).unwrap_or_default())
}

#[expect(clippy::expect_used, reason = "a key of any length is a key of HMAC")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

/// HMAC-SHA256 over parts, each after its length: no two lists of parts are the same text.
fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
