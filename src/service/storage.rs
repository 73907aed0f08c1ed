//! Opens the store that a flag or the workspace names, with the keys of the installation.

use std::path::Path;

use secrecy::ExposeSecret;

use crate::driver::{Entropy, Vault};
use crate::engine::Keys;
use crate::model::settings::Settings;
use crate::outbound::Secrets;
use crate::store::{self, Address, AnyStore};

/// A store, and what the machine's keys are there.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Where conversations are kept.
    pub store: AnyStore,
    /// The keys of the installation.
    pub keys: Keys,
    /// Where it is, as a person may see it; `None`: in memory, gone with the process.
    pub place: Option<String>,
    /// Whether another process can read the sensitive values that it keeps.
    pub sealed: bool,
}

/// Why a store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<&'static str>,
}

/// Where to keep conversations: as the flag says, or else the settings, or else `default`. Paths of a flag are the shell's, those of the
/// settings the workspace's.
pub fn address(flag: Option<&str>, settings: &Settings, root: &Path, secrets: &Secrets, default: Address) -> Result<Address, StorageError> {
    let parsed = match (flag, &settings.store_url) {
        (Some(flag), _) => Address::parse(flag, Path::new("")),
        (None, Some(url)) => {
            let url = secrets.resolve(url).map_err(|e| StorageError { message: format!("`store.url`: {e}"), help: None })?;
            Address::parse(url.expose_secret(), root)
        }
        (None, None) => Ok(default),
    };
    let help = "write `sqlite:FILE`, `postgres://USER@HOST/DATABASE` or `memory`";
    parsed.map_err(|e| StorageError { message: e.to_string(), help: Some(help) })
}

/// Opens it, with the keys that are kept there.
pub async fn open(address: &Address, settings: &Settings, secrets: &Secrets) -> Result<Storage, StorageError> {
    let (store, vault) = unlock(address, settings, secrets).await?;
    let keys = vault.keys(&store).await.map_err(|e| cannot(address, &e))?;
    let place = (*address != Address::Memory).then(|| address.to_string());
    Ok(Storage { store, keys, sealed: vault.is_configured(), place })
}

/// Opens it, with the workspace's master keys.
pub async fn unlock(address: &Address, settings: &Settings, secrets: &Secrets) -> Result<(AnyStore, Vault), StorageError> {
    let vault = Vault::new(settings, secrets, Entropy::System).map_err(|e| cannot(address, &e))?;
    let seals = vault.seals().map_err(|e| cannot(address, &e))?;
    let store = store::open(address, seals).await.map_err(|e| cannot(address, &e))?;
    Ok((store, vault))
}

fn cannot(address: &Address, error: &dyn std::fmt::Display) -> StorageError {
    StorageError { message: format!("cannot open the store `{address}`: {error}"), help: None }
}
