//! The master keys of an installation: configured as `store.seal_key`, or else made at start, and what is made of them.

use secrecy::{ExposeSecret, SecretString};

use super::audit::{Chain, Chains};
use super::{DriverError, Entropy};
use crate::engine::Keys;
use crate::model::settings::Settings;
use crate::outbound::{SecretError, Secrets};
use crate::store::{Seals, Store};

/// Characters that a master key has at least.
const SHORTEST: usize = 32;
/// The name of the key that a store keeps where none is configured.
const INSTALLATION: &str = "installation";

/// The master keys of an installation.
#[derive(Debug, Clone)]
pub struct Vault {
    configured: Vec<SecretString>,
    entropy: Entropy,
}

/// Why there are no master keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A variable or a file cannot be read.
    #[error("`seal_key`: {0}")]
    Secret(#[from] SecretError),
    /// Anybody could guess it.
    #[error("`seal_key` has fewer than {SHORTEST} characters")]
    Short,
    /// The machine has no randomness to give.
    #[error("the machine has no randomness to give")]
    NoEntropy,
}

impl Vault {
    /// The keys that the settings name. None: sensitive values are sealed with one that is gone with the process.
    pub fn new(settings: &Settings, secrets: &Secrets, entropy: Entropy) -> Result<Self, VaultError> {
        let mut configured = Vec::new();
        for text in &settings.seal_keys {
            let key = secrets.resolve(&text.value)?;
            if key.expose_secret().chars().count() < SHORTEST {
                return Err(VaultError::Short);
            }
            configured.push(key);
        }
        Ok(Self { configured, entropy })
    }

    /// Whether sensitive values outlive the process.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.configured.is_empty()
    }

    /// What seals at a store's edge.
    pub fn seals(&self) -> Result<Seals, VaultError> {
        let drawn = self.entropy.draw().ok_or(VaultError::NoEntropy)?;
        let mut random = [0; 16];
        for (to, from) in random.iter_mut().zip(drawn) {
            *to = from;
        }
        let mut masters = self.configured.iter().map(|k| k.expose_secret().as_bytes());
        match masters.next() {
            Some(first) => Ok(Seals::new(first, &masters.collect::<Vec<_>>(), random)),
            None => Ok(Seals::new(&self.entropy.draw().ok_or(VaultError::NoEntropy)?, &[], random)),
        }
    }

    /// The keys of the machine. They outlive the process: without a configured one they come from the store. While keys are
    /// changed, digests stay those of the oldest, so that a doubtful write is known again, and audits are made with the newest.
    pub async fn keys<S: Store>(&self, store: &S) -> Result<Keys, DriverError> {
        match self.configured.as_slice() {
            [newest, .., oldest] => Ok(Keys::of(newest.expose_secret().as_bytes(), oldest.expose_secret().as_bytes())),
            [only] => Ok(Keys::derive(only.expose_secret().as_bytes())),
            [] => Ok(Keys::derive(&self.installation(store).await?)),
        }
    }

    /// What the audits of a store may be made with.
    pub async fn chains<S: Store>(&self, store: &S) -> Result<Chains, DriverError> {
        let configured = self.configured.iter().map(|k| Chain::new(Keys::derive(k.expose_secret().as_bytes()))).collect();
        Ok(Chains { configured, stored: Chain::new(Keys::derive(&self.installation(store).await?)) })
    }

    async fn installation<S: Store>(&self, store: &S) -> Result<[u8; 32], DriverError> {
        let fresh = self.entropy.draw().ok_or(DriverError::Broken("the machine has no randomness to give"))?;
        Ok(store.secret(INSTALLATION, fresh).await?)
    }
}
