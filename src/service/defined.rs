//! What the files of a workspace define: registered when it is served, as versions that never change.

use std::sync::Arc;

use super::Service;
use super::conditions::new_condition;
use super::error::ServiceError;
use super::trigger::new_action;
use crate::check::Loaded;
use crate::driver::DriverError;
use crate::registry::{is_name, is_version};
use crate::store::StoreError;
use crate::store::records::{Defined, Defines, Definition, DefinitionOf, NewDefinition, Records, SHARED};

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

/// What files define, where it is only looked at: with what each is bound to.
#[derive(Debug)]
pub(super) struct Drafts(Vec<(Defines, Vec<Arc<str>>, Definition)>);

/// A definition of a file, and which file that is.
type Written = (Arc<str>, NewDefinition);

impl Service {
    /// Registers what the files of the workspace define. What they define no more is bound to nothing from now on.
    pub async fn define_files(&self) -> Result<(), DefinedError> {
        let loaded = self.runtime().loaded();
        self.define(&loaded).await
    }

    /// Takes what the files of the workspace define for looking at: nothing of it is registered.
    pub fn draft_files(&self) -> Result<(), DefinedError> {
        let written = self.written(&self.runtime().loaded())?;
        let numbers = (0..).map(|n| u64::MAX - n);
        let draft = |((_, new), seq): (Written, u64)| {
            let NewDefinition { tenant, defines, namespace, id, version, body, bound, at } = new;
            (defines, bound, Definition { seq, tenant, namespace, id, version, body, at })
        };
        // Taken once: the files are those of the workspace that the service was opened with.
        let _ = self.0.drafts.set(Drafts(written.into_iter().zip(numbers).map(draft).collect()));
        Ok(())
    }

    /// The same with another version of the workspace.
    pub(super) async fn define(&self, loaded: &Loaded) -> Result<(), DefinedError> {
        let (files, all): (Vec<_>, Vec<_>) = self.written(loaded)?.into_iter().unzip();
        let names: Vec<_> = all.iter().map(|new: &NewDefinition| (new.defines.as_str(), new.id.clone(), new.version.clone())).collect();
        match self.runtime().store().define_files(all).await? {
            Defined::Whole => Ok(()),
            Defined::Taken(at) => {
                let taken = files.into_iter().zip(names).nth(at);
                let (file, (what, id, version)) = taken.ok_or_else(|| StoreError::Corrupt("a definition that was not asked for".into()))?;
                Err(DefinedError::Changed { what, file, id, version })
            }
        }
    }

    fn written(&self, loaded: &Loaded) -> Result<Vec<Written>, DefinedError> {
        let (tenant, now) = (SHARED.into(), self.runtime().clock().now());
        let workspace = loaded.workspace();
        let mut written: Vec<Written> =
            workspace.conditions.iter().map(|c| (c.file.clone(), new_condition(&tenant, &c.definition, now))).collect();
        for action in &workspace.triggered {
            let new = new_action(&tenant, &action.definition, now).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            written.push((action.file.clone(), new));
        }
        Ok(written)
    }

    /// A definition of some namespaces that a tenant sees, a draft too. What names none is none.
    pub(super) async fn defined(&self, tenant: &str, of: DefinitionOf<'_>) -> Result<Option<Definition>, StoreError> {
        let DefinitionOf { defines, id, version, namespaces } = of;
        if !is_name(id) || !version.is_none_or(is_version) {
            return Ok(None);
        }
        let found = self.runtime().store().definition(tenant, of).await?;
        let Some(Drafts(drafts)) = self.0.drafts.get() else { return Ok(found) };
        let meant = |d: &Definition| *d.id == *id && version.is_none_or(|v| *d.version == *v) && namespaces.has(&d.namespace);
        let draft = || drafts.iter().find(|(what, _, d)| *what == defines && meant(d)).map(|(_, _, d)| d.clone());
        Ok(found.filter(|d| &*d.tenant != SHARED).or_else(draft))
    }

    /// The definitions that are bound to something, oldest first: of files the drafts, if there are any.
    pub(super) async fn bound(&self, tenant: &str, defines: Defines, to: &str) -> Result<Vec<Definition>, StoreError> {
        let mut bound = self.runtime().store().bound(tenant, defines, to).await?;
        if let Some(Drafts(drafts)) = self.0.drafts.get() {
            bound.retain(|d| &*d.tenant != SHARED);
            let to_it = drafts.iter().filter(|(what, keys, _)| *what == defines && keys.iter().any(|k| **k == *to));
            bound.extend(to_it.map(|(_, _, d)| d.clone()));
        }
        Ok(bound)
    }
}
