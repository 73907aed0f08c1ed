//! The versions of the workspace that recordings were made with: from the recording, the directory, or the store. Each is checked as it
//! is when it is loaded to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Args, Came};
use crate::check::{self, Loaded};
use crate::cli::{Failure, record, workspace};
use crate::driver::texts_of;
use crate::model::ContentHash;
use crate::model::workspace::WorkspaceTexts;
use crate::store::AnyStore;
use crate::transcript::record::{Machines, Recording};

/// Machines that are kept ready.
const KEPT: usize = 16;

/// Why a recording is not played.
pub(super) enum Why {
    /// Only its transcript was kept.
    Partial,
    /// It cannot be read, or its version is not here.
    Broken(String),
}

impl From<Came> for Why {
    fn from(came: Came) -> Self {
        match came {
            Came::Partial => Self::Partial,
            Came::Broken(why) => Self::Broken(why),
            Came::Replayed(_) | Came::Tried(_) => Self::Broken("it was played already".into()),
        }
    }
}

pub(super) struct Versions {
    here: Option<Loaded>,
    /// What the directory is, if it is not a workspace that runs.
    not_here: String,
    store: Option<Arc<AnyStore>>,
    machines: BTreeMap<Vec<ContentHash>, Arc<Machines>>,
}

impl Versions {
    pub(super) fn new(args: &Args, store: Option<Arc<AnyStore>>) -> Result<Self, Failure> {
        let (mut here, mut not_here) = (None, format!("`{}` is no workspace", args.workspace.display()));
        let mut store = store;
        if args.against.is_none() && workspace::is_workspace(&args.workspace) {
            let checked = workspace::open(&args.workspace)?;
            here = checked.loaded();
            not_here = match &here {
                Some(loaded) => format!("`{}` is the version {}", args.workspace.display(), short(&loaded.workspace().hash)),
                None => format!("`{}` does not pass the checker", args.workspace.display()),
            };
            // The store of the workspace has the versions that its conversations stand on.
            if store.is_none() && checked.workspace.settings.store_url.is_some() {
                let executor = crate::cli::chat::session::executor()?;
                store = executor.block_on(record::open(None, &args.workspace)).ok().map(|(store, _)| Arc::new(store));
            }
        }
        Ok(Self { here, not_here, store, machines: BTreeMap::new() })
    }

    /// Each recording with the machines that play it.
    pub(super) fn ready(
        &mut self,
        read: Vec<Result<Recording, Came>>,
        executor: &tokio::runtime::Runtime,
    ) -> Vec<Result<(Recording, Arc<Machines>), Why>> {
        read.into_iter()
            .map(|one| {
                let recording = one.map_err(Why::from)?;
                if recording.header.partial {
                    return Err(Why::Partial);
                }
                let machines = self.of(&recording, executor).map_err(Why::Broken)?;
                Ok((recording, machines))
            })
            .collect()
    }

    fn of(&mut self, recording: &Recording, executor: &tokio::runtime::Runtime) -> Result<Arc<Machines>, String> {
        let mut hashes: Vec<ContentHash> = recording.workspaces().cloned().collect();
        hashes.sort_unstable();
        hashes.dedup();
        if let Some(known) = self.machines.get(&hashes) {
            return Ok(known.clone());
        }
        let loaded: Result<Vec<Loaded>, String> =
            hashes.iter().map(|hash| self.version(hash, &recording.header.bundle, executor)).collect();
        let machines = Arc::new(Machines::new(&loaded?));
        if self.machines.len() >= KEPT {
            self.machines.pop_first();
        }
        self.machines.insert(hashes, machines.clone());
        Ok(machines)
    }

    fn version(&self, hash: &ContentHash, bundle: &[WorkspaceTexts], executor: &tokio::runtime::Runtime) -> Result<Loaded, String> {
        if let Some(texts) = bundle.iter().find(|t| t.hash == *hash) {
            return load(texts, "the texts in the recording");
        }
        if let Some(here) = self.here.as_ref().filter(|l| l.workspace().hash == *hash) {
            return Ok(here.clone());
        }
        let stored = match &self.store {
            Some(store) => executor.block_on(texts_of(&**store, hash)).map_err(|e| e.to_string())?,
            None => None,
        };
        if let Some(texts) = stored {
            return load(&texts, "the texts in the store");
        }
        let store = if self.store.is_some() { ", and the store has it no more" } else { "" };
        Err(format!("it was made with the version {} of its workspace; {}{store}", short(hash), self.not_here))
    }
}

/// A version from its texts, if they are those that its hash was made of and pass the checker.
fn load(texts: &WorkspaceTexts, which: &str) -> Result<Loaded, String> {
    let checked = check::load(texts.files.clone());
    if checked.workspace.hash != texts.hash {
        return Err(format!(
            "{which} are not those of the version {}: their hash is {}",
            short(&texts.hash),
            short(&checked.workspace.hash)
        ));
    }
    checked.loaded().ok_or_else(|| format!("{which} do not pass the checker"))
}

fn short(hash: &ContentHash) -> String {
    format!("`{}`", hash.0.get(..12).unwrap_or(&hash.0))
}
