//! How surely it is known who speaks, whatever way a run came (supervision, 4): the least level of identity at each place.
//!
//! Identity belongs to the conversation, so it goes into a journey that is run and comes out of it: a summary for each journey, for the
//! level that it begins with, says what its outcomes imply. No more is followed than runs may stand on each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::flow::{self, Analysis, Edge, Graph, Node, Way};
use crate::expr::{Conjunct, Program, Relation, Root};
use crate::model::graph::EdgeKind;
use crate::model::step::{Run, StepKind};
use crate::model::{Journey, Workspace};
use crate::value::Name;

/// Runs that may stand on each other.
const DEPTH: usize = 16;

/// A level of identity; 0: nobody is known.
pub type Level = u32;

/// What a run of a journey implies when it is over.
#[derive(Debug, Default)]
struct Summary {
    /// For each outcome that its steps give.
    outcomes: BTreeMap<Name, Level>,
    /// Wherever it ends.
    least: Level,
}

/// The levels of a workspace's journeys.
pub struct Levels<'w> {
    workspace: &'w Workspace,
    summaries: RefCell<BTreeMap<(Name, Level), Rc<Summary>>>,
    entries: RefCell<BTreeMap<Name, Level>>,
    /// By journey, level and depth.
    leasts: RefCell<BTreeMap<(Name, Level, usize), Level>>,
    /// By whom a journey is run.
    callers: BTreeMap<Name, Vec<&'w Arc<Journey>>>,
}

impl<'w> Levels<'w> {
    /// Of this workspace. Computed as they are asked for.
    #[must_use]
    pub fn of(workspace: &'w Workspace) -> Self {
        let mut callers: BTreeMap<Name, Vec<&'w Arc<Journey>>> = BTreeMap::new();
        for journey in workspace.journeys.values() {
            for callee in journey.steps.iter().filter_map(|s| callee(&s.kind)) {
                callers.entry(callee.slug.name.clone()).or_default().push(journey);
            }
        }
        Self { workspace, summaries: RefCell::default(), entries: RefCell::default(), leasts: RefCell::default(), callers }
    }

    /// The level that a run of the journey begins with for certain: for one that only others run, the least at their steps.
    #[must_use]
    pub fn entry(&self, journey: &Journey) -> Level {
        self.entry_within(journey, DEPTH)
    }

    fn entry_within(&self, journey: &Journey, depth: usize) -> Level {
        let name = &journey.slug.name;
        let verifies = self.workspace.settings.identity_journey.as_ref() == Some(name);
        let Some(callers) = self.callers.get(name).filter(|_| journey.trigger.is_none() && !verifies && depth > 0) else { return 0 };
        if let Some(level) = self.entries.borrow().get(name) {
            return *level;
        }
        let mut least = None;
        for caller in callers {
            let graph = Graph::new(caller);
            let levels = self.solve(&graph, self.entry_within(caller, depth - 1), depth - 1);
            let at = caller.iter().filter(|(_, s)| callee(&s.kind).is_some_and(|j| j.slug.name == *name));
            for level in at.filter_map(|(id, _)| levels.get(id.0 as usize).copied().flatten()) {
                least = Some(least.map_or(level, |l: Level| l.min(level)));
            }
        }
        let level = least.unwrap_or(0);
        self.entries.borrow_mut().insert(name.clone(), level);
        level
    }

    /// The level before each place of a journey that begins with that one; `None` where no run comes.
    #[must_use]
    pub fn of_journey(&self, graph: &Graph<'_>, entry: Level) -> Vec<Option<Level>> {
        self.solve(graph, entry, DEPTH)
    }

    fn solve(&self, graph: &Graph<'_>, entry: Level, depth: usize) -> Vec<Option<Level>> {
        flow::solve(graph, &Known { levels: self, graph, entry, depth })
    }

    /// What a way makes of a level.
    #[must_use]
    pub fn along(&self, graph: &Graph<'_>, edge: &Edge, level: Level) -> Level {
        self.along_within(graph, edge, level, DEPTH)
    }

    fn along_within(&self, graph: &Graph<'_>, edge: &Edge, level: Level, depth: usize) -> Level {
        let Some(step) = graph.step(edge.from) else { return level };
        match (&step.kind, &edge.way) {
            // Whoever goes back may have been verified less surely in between.
            (_, Way::Correction) => self.least(graph.journey, level, depth),
            (StepKind::Verify(verify), Way::Written(EdgeKind::Verified)) => verify.level,
            (StepKind::If(branch), Way::Written(EdgeKind::Then)) => level.max(proved(&branch.condition)),
            (StepKind::If(branch), Way::Written(EdgeKind::Else)) => {
                let not = branch.condition.true_unless().is_some_and(|(root, keys)| is_verified(root, &keys));
                level.max(Level::from(not))
            }
            (StepKind::Run(run), way) => self.after_run(run, way, level, depth),
            _ => level,
        }
    }

    fn after_run(&self, run: &Run, way: &Way, level: Level, depth: usize) -> Level {
        let Some(journey) = &run.journey else { return 0 };
        let summary = self.summary(journey, level, depth);
        let (Way::Written(EdgeKind::Outcome(outcome) | EdgeKind::Unlisted(outcome)), Some(summary)) = (way, summary) else { return 0 };
        summary.outcomes.get(&outcome.name).copied().unwrap_or(summary.least)
    }

    fn summary(&self, journey: &Arc<Journey>, entry: Level, depth: usize) -> Option<Rc<Summary>> {
        let depth = depth.checked_sub(1)?;
        let key = (journey.slug.name.clone(), entry);
        if let Some(known) = self.summaries.borrow().get(&key) {
            return Some(Rc::clone(known));
        }
        let graph = Graph::new(journey);
        let levels = self.solve(&graph, entry, depth);
        let mut summary = Summary { outcomes: BTreeMap::new(), least: levels.iter().flatten().copied().min().unwrap_or(0) };
        let done = crate::value::Slug::new("done").name;
        for (n, level) in levels.iter().enumerate().filter_map(|(n, l)| Some((n, (*l)?))) {
            let outcome = match journey.steps.get(n).map(|s| &s.kind) {
                Some(StepKind::Done(end)) => &end.outcome.name,
                None if n == graph.end().index() => &done,
                _ => continue,
            };
            let least = summary.outcomes.entry(outcome.clone()).or_insert(level);
            *least = level.min(*least);
        }
        // The engine's own outcomes can come anywhere.
        for name in super::changes::ENGINE_OUTCOMES {
            summary.outcomes.insert(Name::new(name), summary.least);
        }
        let summary = Rc::new(summary);
        self.summaries.borrow_mut().insert(key, Rc::clone(&summary));
        Some(summary)
    }

    /// The least of a level and of all that the journey verifies.
    fn least(&self, journey: &Journey, level: Level, depth: usize) -> Level {
        let Some(inner) = depth.checked_sub(1) else { return 0 };
        let key = (journey.slug.name.clone(), level, depth);
        if let Some(least) = self.leasts.borrow().get(&key) {
            return *least;
        }
        let least = journey.steps.iter().fold(level, |least, step| match &step.kind {
            StepKind::Verify(verify) => least.min(verify.level),
            StepKind::Run(Run { journey: Some(callee), .. }) => self.summary(callee, level, inner).map_or(0, |s| least.min(s.least)),
            _ => least,
        });
        self.leasts.borrow_mut().insert(key, least);
        least
    }
}

fn callee(kind: &StepKind) -> Option<&Arc<Journey>> {
    match kind {
        StepKind::Run(run) => run.journey.as_ref(),
        _ => None,
    }
}

fn is_verified(root: Root, keys: &[Arc<str>]) -> bool {
    root == Root::Conversation && keys.iter().map(|k| &**k).eq(["identity", "verified"])
}

/// The level that the true branch of a condition proves.
fn proved(condition: &Program) -> Level {
    let (mut verified, mut level) = (false, 1);
    for part in condition.conjuncts() {
        match part {
            Conjunct::Truth { root, keys } => verified |= is_verified(root, &keys),
            Conjunct::Compare { root, keys, relation, value } => {
                if is_verified(root, &keys) {
                    verified |= relation == Relation::Equal && value == true;
                } else if root == Root::Conversation && keys.iter().map(|k| &**k).eq(["identity", "level"]) {
                    let number = value.as_u64().and_then(|n| Level::try_from(n).ok()).unwrap_or(0);
                    level = level.max(match relation {
                        Relation::Equal | Relation::GreaterEqual => number,
                        Relation::Greater => number.saturating_add(1),
                        Relation::NotEqual | Relation::Less | Relation::LessEqual => 0,
                    });
                }
            }
            Conjunct::Other => {}
        }
    }
    if verified { level } else { 0 }
}

struct Known<'a, 'w> {
    levels: &'a Levels<'w>,
    graph: &'a Graph<'a>,
    entry: Level,
    depth: usize,
}

impl Analysis for Known<'_, '_> {
    type Fact = Level;

    fn entry(&self) -> Level {
        self.entry
    }

    fn along(&self, _: usize, edge: &Edge, level: &mut Level) {
        *level = self.levels.along_within(self.graph, edge, *level, self.depth);
    }

    fn meet(&self, level: &mut Level, other: &Level) -> bool {
        let less = *other < *level;
        *level = (*level).min(*other);
        less
    }
}

/// Where a place lies in a graph of a journey: for rules that ask for one level only.
#[must_use]
pub fn at(levels: &[Option<Level>], node: Node) -> Option<Level> {
    levels.get(node.index()).copied().flatten()
}
