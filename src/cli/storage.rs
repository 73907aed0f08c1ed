//! Opens the store that a command is given, or that the workspace names, and says what there is to know of it.

use std::io::Write;
use std::path::Path;

use super::Failure;
use super::terminal::{CARE, Terminal};
use crate::driver::Vault;
use crate::model::settings::Settings;
use crate::outbound::Secrets;
pub(super) use crate::service::Storage;
use crate::service::storage::{self, StorageError};
use crate::store::{Address, AnyStore};

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let failure = Self::new(error.message);
        match error.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// Where to keep conversations: as the flag says, or else the settings, or else in memory.
pub(super) fn address(flag: Option<&str>, settings: &Settings, root: &Path, secrets: &Secrets) -> Result<Address, Failure> {
    Ok(storage::address(flag, settings, root, secrets, Address::Memory)?)
}

/// A store that is to be looked into is there already, and outlives its program: opening a file that is not there would make it.
pub(super) fn there(address: &Address) -> Result<(), Failure> {
    let name = |why: String| {
        Failure::new(why).help("name it with `--store sqlite:FILE` or `--store postgres://…`, or under `store.url` in `waypost.yaml`")
    };
    match address {
        Address::Memory => Err(name("no store is named, and one in memory is gone with its program".into())),
        Address::Sqlite(path) if !path.is_file() => Err(name(format!("there is no store `{}`", path.display()))),
        Address::Sqlite(_) | Address::Postgres(_) => Ok(()),
    }
}

/// Opens it.
pub(super) fn open(
    address: &Address,
    settings: &Settings,
    secrets: &Secrets,
    executor: &tokio::runtime::Runtime,
    terminal: &mut Terminal,
) -> Result<Storage, Failure> {
    let opened = executor.block_on(storage::open(address, settings, secrets))?;
    if opened.place.is_some() && !opened.sealed {
        let why = "sensitive values that it keeps cannot be read by another process: name a `seal_key` under `store` in `waypost.yaml`";
        writeln!(terminal.err, "{CARE}warning{CARE:#}: {why}")?;
    }
    Ok(opened)
}

/// Opens it, with the workspace's master keys.
pub(super) async fn unlock(address: &Address, settings: &Settings, secrets: &Secrets) -> Result<(AnyStore, Vault), Failure> {
    Ok(storage::unlock(address, settings, secrets).await?)
}
