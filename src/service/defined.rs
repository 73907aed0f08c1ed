//! What the files of a workspace define: registered when it is served, as versions that never change.

use std::sync::Arc;

use super::Service;
use super::conditions::new_condition;
use super::error::ServiceError;
use super::trigger::new_action;
use crate::check::Loaded;
use crate::driver::DriverError;
use crate::store::StoreError;
use crate::store::records::{Records, Registered, SHARED};

/// Why the definitions of files are not taken.
#[derive(Debug, thiserror::Error)]
pub enum DefinedError {
    /// A version was registered before, and its file says something else now.
    #[error("{file}: the {what} `{id}` of version `{version}` was registered as something else, and never changes: raise its version")]
    Changed {
        /// What it is.
        what: &'static str,
        /// The file.
        file: Arc<str>,
        /// Its id.
        id: Arc<str>,
        /// Its version.
        version: Arc<str>,
    },
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DefinedError> for ServiceError {
    fn from(error: DefinedError) -> Self {
        match error {
            DefinedError::Store(error) => DriverError::Store(error).into(),
            changed @ DefinedError::Changed { .. } => Self::Taken(changed.to_string()),
        }
    }
}

impl Service {
    /// Registers what the files of the workspace define. What they define no more is bound to nothing from now on.
    pub async fn define_files(&self) -> Result<(), DefinedError> {
        let loaded = self.runtime().loaded();
        self.define(&loaded).await
    }

    /// The same with another version of the workspace.
    pub(super) async fn define(&self, loaded: &Loaded) -> Result<(), DefinedError> {
        let (store, now) = (self.runtime().store(), self.runtime().clock().now());
        let mut seqs = Vec::new();
        for written in &loaded.workspace().conditions {
            let definition = &written.definition;
            let new = new_condition(&SHARED.into(), definition, now);
            match store.register(new).await? {
                Registered::New(seq) | Registered::Same(seq) => seqs.push(seq),
                Registered::Taken => {
                    let (id, version) = (definition.condition_id.clone(), definition.version.clone());
                    return Err(DefinedError::Changed { what: "condition", file: written.file.clone(), id, version });
                }
            }
        }
        for written in &loaded.workspace().triggered {
            let definition = &written.definition;
            let new = new_action(&SHARED.into(), definition, now).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            match store.register(new).await? {
                Registered::New(seq) | Registered::Same(seq) => seqs.push(seq),
                Registered::Taken => {
                    let (id, version) = (definition.action_id.clone(), definition.version.clone());
                    return Err(DefinedError::Changed { what: "action", file: written.file.clone(), id, version });
                }
            }
        }
        store.bind_files(seqs).await?;
        Ok(())
    }
}
