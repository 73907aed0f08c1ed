//! The workspace: everything that was declared, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::action::{Action, Integration};
use super::datapoint::Datapoint;
use super::journey::Journey;
use super::settings::Settings;
use crate::registry::{ActionDefinition, ConditionDefinition, Declared};
use crate::source::{Diagnostics, SourceMap, Span};
use crate::syntax::Allow;
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
    /// Conditions, in order of id and version.
    pub conditions: Vec<WrittenCondition>,
    /// Triggered actions, in order of id and version.
    pub triggered: Vec<WrittenAction>,
    /// The files.
    pub sources: Arc<SourceMap>,
    /// Suppressions written in the files.
    pub allows: Vec<Allow>,
    /// Digest of all files.
    pub hash: ContentHash,
}

/// A condition of a file.
#[derive(Debug, Clone)]
pub struct WrittenCondition {
    /// It.
    pub definition: Arc<ConditionDefinition>,
    /// Its file.
    pub file: Arc<str>,
    /// Where it is named.
    pub span: Span,
}

/// A triggered action of a file.
#[derive(Debug, Clone)]
pub struct WrittenAction {
    /// It.
    pub definition: Arc<ActionDefinition>,
    /// Its file.
    pub file: Arc<str>,
    /// Where it is named.
    pub span: Span,
}

/// The files of a workspace, under the digest of them: what a store keeps while a run needs it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WorkspaceTexts {
    /// [`Workspace::hash`].
    pub hash: ContentHash,
    /// Names and texts, sorted by name.
    pub files: Vec<(String, Arc<str>)>,
}

impl WorkspaceTexts {
    /// Builds the workspace again; `None` if the files are not those that the digest was made of.
    #[must_use]
    pub fn build(&self) -> Option<(Workspace, Diagnostics)> {
        let (workspace, diagnostics) = super::build(self.files.clone());
        (workspace.hash == self.hash).then_some((workspace, diagnostics))
    }
}

impl Workspace {
    /// Its files, to be kept and built again.
    #[must_use]
    pub fn texts(&self) -> WorkspaceTexts {
        let files = self.sources.files().map(|(_, f)| (f.name.to_string(), Arc::clone(&f.text))).collect();
        WorkspaceTexts { hash: self.hash.clone(), files }
    }

    /// The roles that its rules of approval name.
    #[must_use]
    pub fn roles(&self) -> Vec<Arc<str>> {
        let mut roles: Vec<Arc<str>> = self.actions.values().filter_map(|a| Some(a.safety.approval.as_ref()?.role.clone())).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// The action that `integration.action` names.
    #[must_use]
    pub fn action(&self, reference: &str) -> Option<&Arc<Action>> {
        let (integration, action) = reference.split_once('.')?;
        self.actions.get(&(Name::new(integration), Name::new(action)))
    }

    /// What it declares that triggered actions may name.
    #[must_use]
    pub fn declared(&self) -> Declared {
        let Settings { channels, workflows, secrets, .. } = &*self.settings;
        Declared::new(channels.clone(), workflows.clone(), self.journeys.keys().cloned().collect(), secrets.clone())
    }

    /// The journey with that slug.
    #[must_use]
    pub fn journey(&self, slug: &str) -> Option<&Arc<Journey>> {
        self.journeys.get(Name::new(slug).as_str())
    }
}
