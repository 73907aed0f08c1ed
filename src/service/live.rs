//! What of a workspace's settings is in force, and how another version of the workspace takes its place: whole or not at all.

use std::sync::{Arc, PoisonError, RwLock};

use super::Service;
use super::access::{Access, AccessError};
use super::defined::DefinedError;
use super::token::Tokens;
use crate::check::{self, Checked, Loaded};
use crate::driver::DriverError;
use crate::outbound::Secrets;

/// What the settings of a workspace say of its callers.
#[derive(Debug)]
pub struct Live {
    /// Who may call.
    pub access: Access,
    /// Whose signed word of who a user is counts.
    pub tokens: Option<Tokens>,
}

/// Why another version of the workspace was not taken: the one before stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It has errors.
    #[error("the workspace has errors")]
    Findings(Box<Checked>),
    /// Its keys cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It has no keys, and the one before had.
    #[error("the keys are gone from `waypost.yaml`: nobody is let in without one until the next start")]
    Opened,
    /// A version that is registered is another than its file says.
    #[error(transparent)]
    Defined(#[from] DefinedError),
    /// The store's.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

impl ReloadError {
    /// Whether only the store was in the way: the same files may be taken later.
    #[must_use]
    pub const fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Driver(DriverError::Store(_)) | Self::Defined(DefinedError::Store(_)))
    }
}

impl Live {
    pub(super) fn new(loaded: &Loaded, secrets: &Secrets) -> Result<Self, AccessError> {
        let access = Access::new(&loaded.settings, secrets)?;
        let tokens = loaded.settings.jwt.as_ref().map(|jwt| Tokens::new(jwt, secrets)).transpose()?;
        Ok(Self { access, tokens })
    }
}

#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<Live>>);

impl Current {
    pub(super) fn new(live: Live) -> Self {
        Self(RwLock::new(Arc::new(live)))
    }

    pub(super) fn get(&self) -> Arc<Live> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, live: Live) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }
}

impl Service {
    /// Takes the workspace anew from these files; whether it is another one. What does not check is refused, and the one before stays.
    pub async fn reload(&self, files: Vec<(String, Arc<str>)>) -> Result<bool, ReloadError> {
        let checked = check::load(files);
        let Some(loaded) = checked.loaded() else { return Err(ReloadError::Findings(Box::new(checked))) };
        if loaded.workspace().hash == self.workspace().hash {
            return Ok(false);
        }
        let live = Live::new(&loaded, &self.0.secrets)?;
        if live.access.is_open() && !self.is_open() {
            return Err(ReloadError::Opened);
        }
        self.0.runtime.reload(loaded.clone(), async { self.define(&loaded).await.map_err(ReloadError::from) }).await?;
        self.0.calls.replace(&loaded, &self.0.secrets);
        self.0.current.set(live);
        Ok(true)
    }
}
