//! What is wrong with a resolved workspace: one file a rule, data-flow over the step graph, witness paths.
//!
//! [`load`] is the one way to a [`Loaded`] workspace, the only kind that is ever run. Knows no run-time types.

mod again;
mod assigned;
mod called;
mod changes;
mod fills;
pub mod flow;
mod gates;
mod levels;
mod lineage;
mod parts;
mod poison;
mod reads;
mod rules;
mod secrecy;
mod subject;
mod types;
mod variables;
mod verified;

use std::ops::Deref;
use std::sync::Arc;

use crate::model::{self, Workspace};
use crate::policy::{self, Policies};
use crate::source::render::Report;
use crate::source::{Diagnostic, Diagnostics, Severity};

/// A workspace that was looked at.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The workspace, as far as it could be built.
    pub workspace: Arc<Workspace>,
    policies: Option<Arc<Policies>>,
    /// All that was found, in order of file and place.
    pub diagnostics: Diagnostics,
}

/// A workspace without errors. Only [`Checked::loaded`] makes one.
#[derive(Debug, Clone)]
pub struct Loaded {
    workspace: Arc<Workspace>,
    policies: Option<Arc<Policies>>,
}

/// Builds and checks a workspace from its files: names relative to it, with `/`, and their texts.
#[must_use]
pub fn load(files: Vec<(String, Arc<str>)>) -> Checked {
    let (workspace, found) = model::build(files);
    check(workspace, found)
}

/// Checks a workspace that was built; `found` is what building it found.
#[must_use]
pub fn check(workspace: Workspace, found: Diagnostics) -> Checked {
    check_with(workspace, found, Proofs::All)
}

/// What is proved beside what every workspace is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proofs {
    /// All that supervision asks for: confirmation, identity, freshness, privacy.
    All,
    /// Nothing. Such a workspace is not for running: it is there to measure what proving costs.
    None,
}

/// The same with or without the proofs.
#[must_use]
pub fn check_with(workspace: Workspace, found: Diagnostics, proofs: Proofs) -> Checked {
    let poison = poison::Poison::of(&found, &workspace.sources);
    let levels = levels::Levels::of(&workspace);
    // An action that could not be built is not what is wrong with the policy that names it.
    let whole = !found.0.iter().any(|d| d.severity == Severity::Error && !is_journey(&workspace, d));
    let (policies, of_policies) = policy::load(&workspace, whole);
    let mut diagnostics = levels.apply(found);
    diagnostics.extend(levels.apply(of_policies));
    let proving = (proofs == Proofs::All).then(|| (verified::Levels::of(&workspace), secrecy::Secrecy::of(&workspace)));
    let waiting = rules::journeys_that_wait(&workspace);
    let mut of_actions = Vec::new();
    for action in workspace.actions.values() {
        let mut found = Diagnostics::default();
        rules::check_action(action, &mut found);
        diagnostics.extend(levels.apply(found));
        let mut found = Diagnostics::default();
        if proving.is_some() {
            rules::prove_action(action, &mut found);
        }
        of_actions.extend(levels.apply(found).0.into_iter().map(|d| (&action.id, d)));
    }
    let mut called = called::Called::of(of_actions.iter().map(|(id, _)| *id));
    for journey in workspace.journeys.values() {
        let mut found = Diagnostics::default();
        let subject = subject::Subject::new(journey, &workspace.settings, &poison, &waiting);
        rules::check_journey(&subject, &mut found);
        if let Some((identities, secrecy)) = &proving {
            rules::prove_journey(&subject, identities, secrecy, &mut found);
        }
        called.look(&subject);
        diagnostics.extend(levels.apply(found));
    }
    for (id, d) in of_actions {
        diagnostics.push(called.told(id, d));
    }
    diagnostics.sort();
    Checked { workspace: Arc::new(workspace), policies: policies.map(Arc::new), diagnostics }
}

/// Whether a finding is about a journey's file.
fn is_journey(workspace: &Workspace, d: &Diagnostic) -> bool {
    workspace.sources.file(d.span.file).is_some_and(|f| f.name.starts_with("journeys/"))
}

impl Checked {
    /// The workspace, if nothing keeps it from being run.
    #[must_use]
    pub fn loaded(&self) -> Option<Loaded> {
        let (workspace, policies) = (self.workspace.clone(), self.policies.clone());
        (!self.diagnostics.has_errors()).then_some(Loaded { workspace, policies })
    }

    /// What was found, ready to be shown.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report {
            diagnostics: &self.diagnostics,
            sources: &self.workspace.sources,
            journeys: self.workspace.journeys.len(),
            integrations: self.workspace.integrations.len(),
        }
    }
}

impl Loaded {
    /// The workspace, shared.
    #[must_use]
    pub fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    /// Its policies, if it has any.
    #[must_use]
    pub fn policies(&self) -> Option<&Arc<Policies>> {
        self.policies.as_ref()
    }
}

impl Deref for Loaded {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}
