//! The keys of an installation: all made from one master, each for one use, so that what one shows says nothing of another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::turn::hex;

/// The keys of an installation. Never shown.
#[derive(Clone)]
pub struct Keys {
    idempotency: [u8; 32],
    digest: [u8; 32],
    audit: [u8; 32],
}

impl Keys {
    /// The keys of that master: the same one gives the same keys.
    #[must_use]
    pub fn derive(master: &[u8]) -> Self {
        let key = |label: &str| derived(master, label);
        Self { idempotency: key("idempotency"), digest: key("digest"), audit: key("audit") }
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

    /// What binds these parts of an audit entry to those before it.
    #[must_use]
    pub fn audit_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.audit, parts)
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
    mac(master, &[b"waypost", label.as_bytes()])
}

/// HMAC-SHA256 over parts, each after its length: no two lists of parts are the same text.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "a key of any length is a key of HMAC")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
