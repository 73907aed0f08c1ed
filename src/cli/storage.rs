//! Opens the store that a command is given, or that the workspace names.

use std::io::Write;
use std::path::Path;

use secrecy::ExposeSecret;

use super::Failure;
use super::terminal::{CARE, Terminal};
use crate::driver::{Entropy, Vault};
use crate::engine::Keys;
use crate::model::settings::Settings;
use crate::outbound::Secrets;
use crate::store::{self, Address, AnyStore};

/// A store, and what the machine's keys are there.
pub(super) struct Storage {
    pub(super) store: AnyStore,
    pub(super) keys: Keys,
    /// Where it is, as a person may see it; `None`: in memory, gone with the process.
    pub(super) place: Option<String>,
}

/// Where to keep conversations: as the flag says, or else the settings, or else in memory. Paths of a flag are the shell's.
pub(super) fn address(flag: Option<&str>, settings: &Settings, root: &Path, secrets: &Secrets) -> Result<Address, Failure> {
    let parsed = match (flag, &settings.store_url) {
        (Some(flag), _) => Address::parse(flag, Path::new("")),
        (None, Some(url)) => {
            let url = secrets.resolve(url).map_err(|e| Failure::new(format!("`store.url`: {e}")))?;
            Address::parse(url.expose_secret(), root)
        }
        (None, None) => Ok(Address::Memory),
    };
    parsed.map_err(|e| Failure::new(e.to_string()).help("write `sqlite:FILE`, `postgres://USER@HOST/DATABASE` or `memory`"))
}

/// Opens it.
pub(super) fn open(
    address: &Address,
    settings: &Settings,
    secrets: &Secrets,
    executor: &tokio::runtime::Runtime,
    terminal: &mut Terminal,
) -> Result<Storage, Failure> {
    let place = (*address != Address::Memory).then(|| address.to_string());
    let (store, vault) = executor.block_on(unlock(address, settings, secrets))?;
    if place.is_some() && !vault.is_configured() {
        let why = "sensitive values that it keeps cannot be read by another process: name a `seal_key` under `store` in `waypost.yaml`";
        writeln!(terminal.err, "{CARE}warning{CARE:#}: {why}")?;
    }
    let keys = executor.block_on(vault.keys(&store)).map_err(|e| cannot(address, &e))?;
    Ok(Storage { store, keys, place })
}

/// Opens it, with the workspace's master keys.
pub(super) async fn unlock(address: &Address, settings: &Settings, secrets: &Secrets) -> Result<(AnyStore, Vault), Failure> {
    let vault = Vault::new(settings, secrets, Entropy::System).map_err(|e| cannot(address, &e))?;
    let seals = vault.seals().map_err(|e| cannot(address, &e))?;
    let store = store::open(address, seals).await.map_err(|e| cannot(address, &e))?;
    Ok((store, vault))
}

fn cannot(address: &Address, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("cannot open the store `{address}`: {error}"))
}
