//! What is kept of conditions and triggered actions: definitions, primitives, histories, decisions, deliveries, and events that
//! conditions are owed.
//!
//! Knows the forms of definitions and decisions, and nothing of how they are evaluated or delivered.

mod memory;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Store, StoreError};
use crate::registry::{ActionResult, Decision, PrimitiveId, Sample, Series};
use crate::value::Json;

pub(super) use memory::Kept;

/// The tenant of what the files of a workspace define: every tenant sees it.
pub const SHARED: &str = "";

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defines {
    /// A condition, bound to events by their names.
    Condition,
    /// A triggered action, bound to a condition ([`bound_to`]).
    Action,
}

impl Defines {
    /// As a database has it.
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Condition => 0,
            Self::Action => 1,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Action => "action",
        }
    }
}

/// What an action is bound to: a version of a condition.
#[must_use]
pub fn bound_to(condition: &str, version: &str) -> Arc<str> {
    format!("{condition}@{version}").into()
}

/// A definition to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDefinition {
    /// Whose; [`SHARED`] for those of files.
    pub tenant: Arc<str>,
    /// What it defines.
    pub defines: Defines,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// It, as JSON.
    pub body: Arc<str>,
    /// What it is bound to.
    pub bound: Vec<Arc<str>>,
    /// When.
    pub at: Timestamp,
}

/// A registered definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its number: later ones have higher numbers.
    pub seq: u64,
    /// Whose; [`SHARED`] for those of files.
    pub tenant: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// It, as JSON.
    pub body: Arc<str>,
    /// When it was registered.
    pub at: Timestamp,
}

/// What came of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is there now, under this number.
    New(u64),
    /// It was there already, word for word.
    Same(u64),
    /// Something else has its id and version.
    Taken,
}

/// What came of registering what files define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// All of it is there now, and bound.
    Whole,
    /// Something else has the id and the version of the one in this place: nothing was registered, and what was bound still is.
    Taken(usize),
}

/// Which definition is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefinitionOf<'a> {
    /// What it defines.
    pub defines: Defines,
    /// Its id.
    pub id: &'a str,
    /// Its version; `None`: the one that was registered last.
    pub version: Option<&'a str>,
    /// In which namespaces it is looked for.
    pub namespaces: &'a Namespaces,
}

/// Which definitions or decisions are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces(pub Option<Vec<Arc<str>>>);

impl Namespaces {
    /// Whether it is one of them.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|n| **n == *namespace))
    }
}

/// A value of a primitive.
#[derive(Debug, Clone, PartialEq)]
pub struct PrimitiveWrite {
    /// Which.
    pub primitive: PrimitiveId,
    /// Of what.
    pub entity: Arc<str>,
    /// Since when.
    pub at: Timestamp,
    /// The value.
    pub value: Json,
    /// The decision that wrote it, if one did.
    pub by: Option<Arc<str>>,
}

/// An action that is to be done after its decision is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// For which decision.
    pub decision: Arc<str>,
    /// The place of its result among the decision's actions.
    pub n: u32,
    /// Which action.
    pub action_id: Arc<str>,
    /// Which version of it.
    pub action_version: Arc<str>,
    /// When whoever comes may take it up: until then it is the recorder's own.
    pub due: Timestamp,
}

impl NewDelivery {
    /// It as it is kept, under a number.
    #[must_use]
    pub fn kept(self, id: u64, tenant: Arc<str>) -> Delivery {
        let Self { decision, n, action_id, action_version, due } = self;
        Delivery { id, tenant, decision, n, action_id, action_version, due, tries: 0, dead: false, error: None }
    }
}

/// An action that is still to be done, or that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub tenant: Arc<str>,
    /// For which decision.
    pub decision: Arc<str>,
    /// The place of its result among the decision's actions.
    pub n: u32,
    /// Which action.
    pub action_id: Arc<str>,
    /// Which version of it.
    pub action_version: Arc<str>,
    /// When it is to be done.
    pub due: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// Whether it was given up.
    pub dead: bool,
    /// Why the last try failed.
    pub error: Option<Arc<str>>,
}

/// What becomes of a delivery after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It is done with.
    Gone,
    /// It is tried again.
    Again {
        /// When.
        due: Timestamp,
        /// How often it was tried.
        tries: u32,
        /// Why the last try failed.
        error: Arc<str>,
    },
    /// It is given up, and kept.
    Dead {
        /// How often it was tried.
        tries: u32,
        /// Why the last try failed.
        error: Arc<str>,
    },
}

/// What an event of a conversation owes to conditions; kept only if one is bound to it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOwed {
    /// Its name.
    pub event: &'static str,
    /// The event, redacted, as JSON.
    pub data: Arc<str>,
    /// How many decisions led to it.
    pub depth: u32,
}

/// What the events of a commit owe to conditions. Most are owed nothing: what there is to know of them is put together only where a
/// condition is bound to one.
#[derive(Clone)]
pub struct Owing {
    events: Vec<&'static str>,
    tell: Arc<dyn Fn() -> Vec<NewOwed> + Send + Sync>,
}

impl std::fmt::Debug for Owing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owing").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Default for Owing {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new)
    }
}

impl From<Vec<NewOwed>> for Owing {
    fn from(owed: Vec<NewOwed>) -> Self {
        Self::new(owed.iter().map(|o| o.event).collect(), move || owed.clone())
    }
}

impl Owing {
    /// What `tell` tells, which is of no events but these. It may be asked more than once.
    #[must_use]
    pub fn new(mut events: Vec<&'static str>, tell: impl Fn() -> Vec<NewOwed> + Send + Sync + 'static) -> Self {
        events.sort_unstable();
        events.dedup();
        Self { events, tell: Arc::new(tell) }
    }

    /// The kinds of events of which something may be owed.
    #[must_use]
    pub fn events(&self) -> &[&'static str] {
        &self.events
    }

    /// Whether nothing can be owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// All of it.
    #[must_use]
    pub fn told(&self) -> Vec<NewOwed> {
        if self.events.is_empty() { Vec::new() } else { (self.tell)() }
    }

    /// What is owed of the events to which a condition is bound.
    pub fn told_where<E>(&self, mut is_bound: impl FnMut(&'static str) -> Result<bool, E>) -> Result<Vec<NewOwed>, E> {
        let mut bound = Vec::new();
        for event in &self.events {
            if is_bound(event)? {
                bound.push(*event);
            }
        }
        if bound.is_empty() {
            return Ok(Vec::new());
        }
        let mut owed = (self.tell)();
        owed.retain(|o| bound.contains(&o.event));
        Ok(owed)
    }
}

/// An event that conditions are owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub tenant: Arc<str>,
    /// Of which conversation.
    pub conversation: Arc<str>,
    /// Its name.
    pub event: Arc<str>,
    /// When it happened.
    pub at: Timestamp,
    /// The event, redacted, as JSON.
    pub data: Arc<str>,
    /// How many decisions led to it.
    pub depth: u32,
}

/// One transaction of what evaluations and deliveries leave. All of it or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose.
    pub tenant: Arc<str>,
    /// When.
    pub now: Timestamp,
    /// What was decided.
    pub decisions: Vec<Decision>,
    /// What is history from now on: series, entity, and when.
    pub samples: Vec<(Arc<str>, Arc<str>, Sample)>,
    /// Values of primitives.
    pub primitives: Vec<PrimitiveWrite>,
    /// Actions that are still to be done.
    pub deliveries: Vec<NewDelivery>,
    /// What actions of earlier decisions came to: the decision, and the place in it.
    pub results: Vec<(Arc<str>, u32, ActionResult)>,
    /// What becomes of deliveries.
    pub delivered: Vec<(u64, After)>,
    /// The event that it settles: if somebody else has, nothing of this is done.
    pub settles: Option<u64>,
}

impl Record {
    /// A transaction in which nothing happens, to be filled.
    #[must_use]
    pub fn new(tenant: Arc<str>, now: Timestamp) -> Self {
        Self {
            tenant,
            now,
            decisions: Vec::new(),
            samples: Vec::new(),
            primitives: Vec::new(),
            deliveries: Vec::new(),
            results: Vec::new(),
            delivered: Vec::new(),
            settles: None,
        }
    }
}

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is durable; the numbers of its deliveries, in order.
    Done {
        /// They.
        deliveries: Vec<u64>,
    },
    /// Somebody else settled the event: nothing was done.
    Settled,
}

/// Which decisions are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionsOf {
    /// For what.
    pub entity: Option<Arc<str>>,
    /// Of which condition.
    pub condition_id: Option<Arc<str>>,
    /// In which namespaces.
    pub namespaces: Namespaces,
}

/// Keeps what is registered and what is decided. Every method is one transaction.
pub trait Records: Store {
    /// Registers a definition. Its id and version are its own in its tenant, and no tenant takes those of a file.
    fn register(&self, new: NewDefinition) -> impl Future<Output = Result<Registered, StoreError>> + Send;

    /// Registers what files define, all of it or nothing; of what files define exactly this is bound to anything from now on.
    fn define_files(&self, files: Vec<NewDefinition>) -> impl Future<Output = Result<Defined, StoreError>> + Send;

    /// A definition of those namespaces that a tenant sees: of that version, or the one that was registered last. Its own goes before a
    /// file's.
    fn definition(&self, tenant: &str, of: DefinitionOf<'_>) -> impl Future<Output = Result<Option<Definition>, StoreError>> + Send;

    /// The definitions that a tenant sees, newest first, below a number; and how many there are in all.
    fn definitions(
        &self,
        tenant: &str,
        defines: Defines,
        of: &Namespaces,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<(Vec<Definition>, u64), StoreError>> + Send;

    /// The definitions that are bound to something, for a tenant, oldest first.
    fn bound(&self, tenant: &str, defines: Defines, to: &str) -> impl Future<Output = Result<Vec<Definition>, StoreError>> + Send;

    /// The value that a primitive of an entity had, and since when, and what wrote it.
    fn primitive(
        &self,
        tenant: &str,
        primitive: &PrimitiveId,
        entity: &str,
        as_of: Timestamp,
    ) -> impl Future<Output = Result<Option<PrimitiveWrite>, StoreError>> + Send;

    /// The numbers of an entity's history from one time to another, both included: the last `limit`, earliest first. Of values of one time
    /// the last counts, and none where that is no number.
    fn history(
        &self,
        tenant: &str,
        series: &Series,
        entity: &str,
        between: (Timestamp, Timestamp),
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Sample>, StoreError>> + Send;

    /// Keeps what evaluations and deliveries leave.
    fn record(&self, record: Record) -> impl Future<Output = Result<Recorded, StoreError>> + Send;

    /// A tenant's decision of that id.
    fn decision(&self, tenant: &str, id: &str) -> impl Future<Output = Result<Option<Decision>, StoreError>> + Send;

    /// A tenant's decisions, newest first, below a number, each with its own.
    fn decisions(
        &self,
        tenant: &str,
        of: &DecisionsOf,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(u64, Decision)>, StoreError>> + Send;

    /// Events that conditions are owed and nobody is at, earliest first: until `lease` they are the caller's.
    fn claim_owed(&self, now: Timestamp, lease: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Owed>, StoreError>> + Send;

    /// Deliveries that are due: until `lease` they are the caller's.
    fn claim_deliveries(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// A tenant's deliveries, newest first, below a number; only those that were given up, or only others.
    fn deliveries(
        &self,
        tenant: &str,
        dead: bool,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// A tenant's delivery of that number.
    fn delivery(&self, tenant: &str, id: u64) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send;

    /// A tenant's delivery that was given up is given up no more, has all its tries before it, and is due then; `None`: there is none that
    /// was, or somebody else was faster.
    fn revive(&self, tenant: &str, id: u64, due: Timestamp) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send;
}

/// A decision as it is kept: its body, with what its actions came to since.
pub(super) fn decision_of(body: &str, results: impl IntoIterator<Item = (u32, String)>) -> Result<Decision, StoreError> {
    let mut decision: Decision = json(body)?;
    for (n, result) in results {
        decision.place(n, json(&result)?);
    }
    Ok(decision)
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(e.to_string()))
}

pub(super) fn text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(e.to_string()))
}
