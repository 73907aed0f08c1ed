//! What is wrong with a resolved workspace: one file a rule, data-flow over the step graph, witness paths.
//!
//! [`load`] is the one way to a [`Loaded`] workspace, the only kind that is ever run. Knows no run-time types.

mod assigned;
mod changes;
pub mod flow;
mod levels;
mod parts;
mod poison;
mod reads;
mod rules;
mod subject;
mod types;
mod variables;

use std::ops::Deref;
use std::sync::Arc;

use crate::model::{self, Workspace};
use crate::source::Diagnostics;
use crate::source::render::Report;

/// A workspace that was looked at.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The workspace, as far as it could be built.
    pub workspace: Arc<Workspace>,
    /// All that was found, in order of file and place.
    pub diagnostics: Diagnostics,
}

/// A workspace without errors. Only [`Checked::loaded`] makes one.
#[derive(Debug, Clone)]
pub struct Loaded(Arc<Workspace>);

/// Builds and checks a workspace from its files: names relative to it, with `/`, and their texts.
#[must_use]
pub fn load(files: Vec<(String, Arc<str>)>) -> Checked {
    let (workspace, found) = model::build(files);
    check(workspace, found)
}

/// Checks a workspace that was built; `found` is what building it found.
#[must_use]
pub fn check(workspace: Workspace, found: Diagnostics) -> Checked {
    let poison = poison::Poison::of(&found, &workspace.sources);
    let levels = levels::Levels::of(&workspace);
    let mut diagnostics = levels.apply(found);
    let waiting = rules::journeys_that_wait(&workspace);
    for action in workspace.actions.values() {
        let mut found = Diagnostics::default();
        rules::check_action(action, &mut found);
        diagnostics.extend(levels.apply(found));
    }
    for journey in workspace.journeys.values() {
        let mut found = Diagnostics::default();
        let subject = subject::Subject::new(journey, &poison, &waiting);
        rules::check_journey(&subject, &mut found);
        diagnostics.extend(levels.apply(found));
    }
    diagnostics.sort();
    Checked { workspace: Arc::new(workspace), diagnostics }
}

impl Checked {
    /// The workspace, if nothing keeps it from being run.
    #[must_use]
    pub fn loaded(&self) -> Option<Loaded> {
        (!self.diagnostics.has_errors()).then(|| Loaded(Arc::clone(&self.workspace)))
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
        &self.0
    }
}

impl Deref for Loaded {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.0
    }
}
