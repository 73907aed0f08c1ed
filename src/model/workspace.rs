//! The workspace: everything that was declared, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::action::{Action, Integration};
use super::datapoint::Datapoint;
use super::journey::Journey;
use super::settings::Settings;
use crate::source::SourceMap;
use crate::value::Name;

/// SHA-256 of a text, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ContentHash(pub Arc<str>);

/// Everything that was declared.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// `waypost.yaml`.
    pub settings: Arc<Settings>,
    /// By slug.
    pub journeys: BTreeMap<Name, Arc<Journey>>,
    /// By slug.
    pub integrations: BTreeMap<Name, Arc<Integration>>,
    /// By integration and action.
    pub actions: BTreeMap<(Name, Name), Arc<Action>>,
    /// By variable.
    pub datapoints: BTreeMap<Name, Arc<Datapoint>>,
    /// The files.
    pub sources: Arc<SourceMap>,
    /// Digest of all files.
    pub hash: ContentHash,
}

impl Workspace {
    /// The action that `integration.action` names.
    #[must_use]
    pub fn action(&self, reference: &str) -> Option<&Arc<Action>> {
        let (integration, action) = reference.split_once('.')?;
        self.actions.get(&(Name::new(integration), Name::new(action)))
    }

    /// The journey with that slug.
    #[must_use]
    pub fn journey(&self, slug: &str) -> Option<&Arc<Journey>> {
        self.journeys.get(Name::new(slug).as_str())
    }
}
