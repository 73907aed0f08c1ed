//! The texts of workspaces in the store, so that a run goes on with the version of its journey that it began with.
//!
//! A journey's hash leads to the hash of its workspace, that to the list of its files, and each of these to a text.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard};

use super::DriverError;
use super::clock::later;
use crate::check::{self, Loaded};
use crate::model::workspace::WorkspaceTexts;
use crate::model::{ContentHash, Workspace};
use crate::store::{Store, StoreError, Version};
use crate::value::hex;

/// How often the workspace's texts are put into the store again.
const SAVE_EVERY: Duration = Duration::from_hours(12);

/// Until when what was put into the store counts as being there. Every input asks, so it is read without waiting for anybody.
#[derive(Debug)]
pub(super) struct Saved {
    // In milliseconds.
    until: AtomicI64,
    one: AsyncMutex<()>,
}

impl Default for Saved {
    fn default() -> Self {
        Self { until: AtomicI64::new(i64::MIN), one: AsyncMutex::default() }
    }
}

impl Saved {
    /// Whether the texts need not be saved yet.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        now.as_millisecond() < self.until.load(Ordering::Acquire)
    }

    /// Leave to save them, for one at a time.
    pub(super) async fn begin(&self) -> Saving<'_> {
        Saving { until: &self.until, _one: self.one.lock().await }
    }
}

/// Leave to save the texts.
#[derive(Debug)]
pub(super) struct Saving<'a> {
    until: &'a AtomicI64,
    _one: AsyncGuard<'a, ()>,
}

impl Saving<'_> {
    /// They were saved then.
    pub(super) fn done(self, at: Timestamp) {
        self.until.store(later(at, SAVE_EVERY).as_millisecond(), Ordering::Release);
    }
}

/// Everything that a workspace's runs need to be loaded again.
pub(super) async fn save<S: Store>(store: &S, workspace: &Workspace, at: Timestamp) -> Result<(), DriverError> {
    let mut texts = Vec::new();
    let mut files = Vec::new();
    for (_, file) in workspace.sources.files() {
        let hash = hash(&file.text);
        files.push((file.name.clone(), hash.clone()));
        texts.push((hash, file.text.clone()));
    }
    let list = serde_json::to_string(&files).map_err(|e| DriverError::Unrunnable(e.to_string()))?;
    texts.push((workspace.hash.clone(), list.into()));
    texts.extend(workspace.journeys.values().map(|j| (j.hash.clone(), workspace.hash.0.clone())));
    Ok(store.put_texts(Version { hash: workspace.hash.clone(), at, texts }).await?)
}

/// The workspace that holds the journey with that hash.
pub(super) async fn load<S: Store>(store: &S, journey: &ContentHash) -> Result<Loaded, DriverError> {
    let lost = |what: &str| DriverError::Unrunnable(format!("{what} of a run that began with an older version is not in the store"));
    let workspace = store.text(journey).await?.ok_or_else(|| lost("the journey"))?;
    let list = store.text(&ContentHash(workspace)).await?.ok_or_else(|| lost("the workspace"))?;
    let list: Vec<(String, ContentHash)> = serde_json::from_str(&list).map_err(|_| lost("the list of files"))?;
    let mut files = Vec::with_capacity(list.len());
    for (name, hash) in list {
        files.push((name, store.text(&hash).await?.ok_or_else(|| lost("a file"))?));
    }
    let checked = check::load(files);
    checked
        .loaded()
        .ok_or_else(|| DriverError::Unrunnable("a run began with an older version that does not pass the checker any more".into()))
}

/// The texts of that version of a workspace, if the store has them still.
pub async fn texts_of<S: Store>(store: &S, workspace: &ContentHash) -> Result<Option<WorkspaceTexts>, StoreError> {
    let Some(list) = store.text(workspace).await? else { return Ok(None) };
    let Ok(list) = serde_json::from_str::<Vec<(String, ContentHash)>>(&list) else { return Ok(None) };
    let mut files = Vec::with_capacity(list.len());
    for (name, hash) in list {
        let Some(text) = store.text(&hash).await? else { return Ok(None) };
        files.push((name, text));
    }
    Ok(Some(WorkspaceTexts { hash: workspace.clone(), files }))
}

/// SHA-256 of a text.
pub(super) fn hash(text: &str) -> ContentHash {
    ContentHash(Arc::from(hex(&Sha256::digest(text.as_bytes()))))
}
