//! The machine: a workspace that was checked, and the keys of its installation.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::answer::{Answer, Expects};
use super::effect::Progress;
use super::event::Event;
use super::expects;
use super::input::{Actor, Input, Principal};
use super::keys::Keys;
use super::present;
use super::recall::{Hidden, Recall, known_by};
use super::schema::Schemas;
use super::state::{Run, State};
use super::turn::Turn;
use crate::check::Loaded;
use crate::model::step::{Field, StepKind};
use crate::model::{ContentHash, Datapoint, Journey, StepId, Workspace};
use crate::policy::Policies;
use crate::understand::{Locale, Router};
use crate::value::Name;

/// The interpreter of a workspace. Shared by all conversations.
#[derive(Debug)]
pub struct Machine {
    pub(super) workspace: Arc<Workspace>,
    pub(super) keys: Keys,
    pub(super) router: Router,
    pub(super) locale: Locale,
    /// What the values of messages are read by, as text.
    pub(super) reads: String,
    /// A digest of all that decides which word or wish a message is.
    pub(super) hears: String,
    /// Today's, whatever version a run is pinned to.
    pub(super) policies: Option<Arc<Policies>>,
    /// Whether any field is sensitive: a message that waits may be meant for it.
    pub(super) asks_for_sensitive: bool,
    plans: BTreeMap<ContentHash, Arc<Plan>>,
    pub(super) schemas: Schemas,
}

/// A journey and what can be known of it beforehand.
#[derive(Debug)]
pub(super) struct Plan {
    pub journey: Arc<Journey>,
    /// The version of the workspace that it is of.
    pub workspace: Arc<Workspace>,
    /// Fields that its collects ask for, in order.
    pub fields: Vec<(Name, Arc<Datapoint>, StepId)>,
}

impl Plan {
    fn new(journey: Arc<Journey>, workspace: Arc<Workspace>) -> Self {
        let mut fields: Vec<(Name, Arc<Datapoint>, StepId)> = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        for (id, step) in journey.iter() {
            if let StepKind::Collect(collect) = &step.kind {
                let sets = collect.any_of.iter().flat_map(|s| &s.fields);
                let all = collect.fields.iter().chain(&collect.optional).chain(sets);
                let new = all.filter(|f: &&Field| known.insert(f.name.clone()));
                fields.extend(new.map(|f| (f.name.clone(), f.datapoint.clone(), id)));
            }
        }
        Self { journey, workspace, fields }
    }

    /// What types a field that a collect asks for.
    pub fn field(&self, name: &Name) -> Option<&Arc<Datapoint>> {
        self.fields.iter().find(|(n, ..)| n == name).map(|(_, d, _)| d)
    }
}

/// What the values of messages are read by, and a digest of that and of what else they are held against: words and triggers.
fn heard_by(workspace: &Workspace) -> (String, String) {
    let settings = &workspace.settings;
    let reads = format!("{:?}", (&settings.locale, &settings.timezone, settings.phone_region.to_uppercase(), &settings.words));
    let wishes = workspace.journeys.values().filter_map(|journey| {
        let trigger = journey.trigger.as_ref()?;
        let requires: Vec<String> = trigger.requires.iter().map(crate::expr::Program::print).collect();
        let said = (&journey.slug, &journey.name, &trigger.goal, &trigger.examples, trigger.priority.to_bits(), requires);
        Some(format!("{said:?}"))
    });
    let all: Vec<String> = std::iter::once(reads.clone()).chain(wishes).collect();
    (reads, known_by("heard", &all))
}

impl Machine {
    /// A machine for a workspace that has no errors.
    #[must_use]
    pub fn new(loaded: Loaded, keys: Keys) -> Self {
        let workspace = loaded.workspace().clone();
        let plans = workspace.journeys.values().map(|j| (j.hash.clone(), Arc::new(Plan::new(j.clone(), workspace.clone())))).collect();
        let router = Router::new(&workspace);
        let locale = Locale::new(&workspace.settings);
        let (reads, hears) = heard_by(&workspace);
        let policies = loaded.policies().cloned();
        let asks_for_sensitive = workspace.datapoints.values().any(|d| d.sensitive);
        Self { workspace, keys, router, locale, reads, hears, policies, asks_for_sensitive, plans, schemas: Schemas::default() }
    }

    /// Keeps the journeys of another version of the workspace, for the runs that are pinned to them.
    #[must_use]
    pub fn with_older(mut self, loaded: &Loaded) -> Self {
        for journey in loaded.workspace().journeys.values() {
            self.plans.entry(journey.hash.clone()).or_insert_with(|| Arc::new(Plan::new(journey.clone(), loaded.workspace().clone())));
        }
        self.asks_for_sensitive |= loaded.workspace().datapoints.values().any(|d| d.sensitive);
        self
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    /// Handles one input. Pure: the same state and input give the same progress.
    pub fn handle(&self, state: &State, input: Input) -> Progress {
        Turn::new(self, state.clone(), input).run()
    }

    /// Handles an input again as it was recorded: what stood on values that may not be shown is taken from what happened then, and told.
    pub fn replay(&self, state: &State, input: Input, recorded: Arc<[Event]>) -> (Progress, Hidden) {
        let mut turn = Turn::new(self, state.clone(), input);
        turn.recall = Recall::of(recorded);
        turn.ran()
    }

    /// What may come next from that actor, by that credential.
    #[must_use]
    pub fn expects(&self, state: &State, actor: Actor, principal: &Principal) -> Expects {
        expects::expects(self, state, actor, principal)
    }

    /// Whether it has that version of a journey.
    #[must_use]
    pub fn holds(&self, hash: &ContentHash) -> bool {
        self.plans.contains_key(hash)
    }

    /// Where a conversation stands, as that actor may see it: what its last answer would say again.
    #[must_use]
    pub fn present(&self, state: &State, actor: Actor, now: Timestamp) -> Answer {
        present::standing(self, state, actor, now, None)
    }

    pub(super) fn plan_of(&self, journey: &Journey) -> Option<&Arc<Plan>> {
        self.plans.get(&journey.hash)
    }

    pub(super) fn plan(&self, run: &Run) -> Option<&Arc<Plan>> {
        self.plans.get(&run.hash)
    }
}
