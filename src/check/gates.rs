//! Where a run has a live yes for each action that needs one (supervision, 3), whatever way it came.
//!
//! A yes is followed by the action that it is for: it is there after a `confirm` that shows all that the action sends, and gone after
//! whatever ends a grant at run time. That a confirm shows too little is a mistake of its own, so sources that none shows are left out.
//!
//! One yes is followed for each call: of two confirms that show different things, what ends one yes counts as the end of both. So more
//! is refused than would be denied, and never less.

use std::collections::{BTreeMap, BTreeSet};

use super::fills::by_steps;
use super::flow::{self, Analysis, Bits, Edge, Node, Way};
use super::lineage::{self, Lineage, Path, Source};
use super::parts;
use super::subject::Subject;
use super::variables::Var;
use crate::expr::Root;
use crate::model::action::Effects;
use crate::model::graph::EdgeKind;
use crate::model::step::{Call, StepKind, Verify};
use crate::model::{Action, ActionId};
use crate::source::Span;
use crate::value::Name;

/// Outcomes of a run that end the yes of its caller too.
const ENDING: [&str; 2] = ["declined", "cancelled"];

/// A place where an action is called that needs a yes.
pub struct Need<'a> {
    /// The step.
    pub node: Node,
    /// The action.
    pub action: &'a Action,
    /// Where a finding points.
    pub span: Span,
    /// Whether the call uses the yes up at this step.
    pub uses: bool,
    /// What it sends.
    pub sources: Vec<Source>,
    /// Its inputs that a model gives while it investigates.
    pub by_model: Vec<Name>,
    /// The kinds of confirms that may come before it and are for it.
    pub before: Bits,
    /// Those of them that show all that any of them shows of its sources.
    pub covered_by: Bits,
    /// What none of them shows, as the first that it sends says.
    pub unshown: Vec<(Source, Path)>,
}

/// Confirms that show the same for the same actions.
pub struct Asking<'a> {
    /// The actions that they are for; empty: any.
    pub actions: Vec<&'a ActionId>,
    /// What they show.
    pub shown: Vec<Path>,
}

/// What ends a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The call at that step used it.
    Used,
    /// A step assigns the variable.
    Assigned(Var),
    /// Somebody may give some variable another value.
    Filled,
    /// A no.
    No,
    /// The same question is put again.
    PutAgain,
    /// Somebody wants something changed.
    Changed,
    /// The run pauses.
    Paused,
    /// Another subject may be verified.
    Subject,
    /// A no, or a cancel, in a journey that was run.
    Inside,
    /// A field of that collect is corrected, while the run stands at another step.
    Corrected,
}

/// All of a journey.
pub struct Gates<'a> {
    /// The calls that need a yes.
    pub needs: Vec<Need<'a>>,
    /// The kinds of confirms.
    pub askings: Vec<Asking<'a>>,
    /// Which kind stands at a place.
    kind_at: BTreeMap<Node, usize>,
    /// The needs whose yes is used up at a place.
    used_at: BTreeMap<Node, Bits>,
    /// All needs.
    all: Bits,
    /// For each kind of confirm: the needs that a yes to it covers.
    gains: Vec<Bits>,
    lineage: Lineage,
    /// For each edge: the needs whose yes it ends.
    ends: Vec<Option<Bits>>,
    /// For each variable: the needs whose yes its assignment ends.
    dependents: Vec<Bits>,
    /// The needs whose yes ends by the assignment of any variable.
    changed: Bits,
    /// The needs whose yes may end while the run waits at a place, by a value that is given there.
    filled: Vec<Option<Bits>>,
    /// The needs that have a yes before each place.
    pub alive: Vec<Option<Bits>>,
}

impl<'a> Gates<'a> {
    /// Finds them; `None` if no step of the journey calls an action that needs a yes.
    #[must_use]
    pub fn of(subject: &Subject<'a>) -> Option<Self> {
        let needs = needs(subject);
        if needs.is_empty() {
            return None;
        }
        let mut used_at: BTreeMap<Node, Bits> = BTreeMap::new();
        for (n, need) in needs.iter().enumerate().filter(|(_, need)| need.uses) {
            used_at.entry(need.node).or_insert_with(|| Bits::new(needs.len())).insert(n);
        }
        let (askings, kind_at) = askings(subject);
        let lineage = Lineage::of(subject.journey, &subject.variables);
        let mut gates = Self {
            all: Bits::all(needs.len()),
            needs,
            askings,
            kind_at,
            used_at,
            gains: Vec::new(),
            lineage,
            ends: Vec::new(),
            dependents: Vec::new(),
            changed: Bits::default(),
            filled: Vec::new(),
            alive: Vec::new(),
        };
        gates.cover(subject);
        gates.find_dependents(subject);
        gates.find_filled(subject);
        gates.find_ends(subject);
        gates.alive = flow::solve(&subject.graph, &Alive { gates: &gates });
        Some(gates)
    }

    /// Says which confirms cover which calls.
    fn cover(&mut self, subject: &Subject<'a>) {
        let before = flow::solve(&subject.graph, &Before { gates: self });
        let variables = &subject.variables;
        let kinds = Kinds::of(&self.askings);
        let mut gains = vec![Bits::new(self.needs.len()); self.askings.len()];
        for (n, need) in self.needs.iter_mut().enumerate() {
            let Some(Some(before)) = before.get(need.node.index()) else { continue };
            need.before.clone_from(before);
            need.before.intersect(&kinds.for_action(&need.action.id));
            let mut covered_by = need.before.clone();
            for source in &need.sources {
                let Some(path) = self.lineage.uncovered(source, &[], variables) else { continue };
                let mut showing = Bits::new(self.askings.len());
                let mut near = kinds.near(&self.lineage.paths(source, variables));
                near.intersect(&need.before);
                for kind in near.iter() {
                    let shown = self.askings.get(kind).map_or(&[][..], |a| &a.shown);
                    if self.lineage.uncovered(source, shown, variables).is_none() {
                        showing.insert(kind);
                    }
                }
                if showing.is_empty() {
                    need.unshown.push((source.clone(), path));
                } else {
                    covered_by.intersect(&showing);
                }
            }
            for kind in covered_by.iter() {
                gains.get_mut(kind).map(|g| g.insert(n));
            }
            need.covered_by = covered_by;
        }
        self.gains = gains;
    }

    /// The kind of confirm at a place.
    #[must_use]
    pub fn asking(&self, node: Node) -> Option<usize> {
        self.kind_at.get(&node).copied()
    }

    /// The needs that a yes at a place covers.
    fn gains(&self, node: Node) -> Option<&Bits> {
        self.gains.get(self.asking(node)?)
    }

    fn gained(&self, edge: &Edge) -> Option<&Bits> {
        if edge.way == Way::Written(EdgeKind::Confirmed) { self.gains(edge.from) } else { None }
    }

    /// For each need: the kinds of confirms that are for it and show its sources, wherever they stand; but for what none before it shows.
    #[must_use]
    pub fn showing(&self, subject: &Subject<'_>) -> Vec<Bits> {
        let kinds = Kinds::of(&self.askings);
        let showing = |need: &Need<'_>| {
            let mut all = kinds.for_action(&need.action.id);
            for source in need.sources.iter().filter(|s| !need.unshown.iter().any(|(u, _)| u.path == s.path)) {
                let mut near = kinds.near(&self.lineage.paths(source, &subject.variables));
                near.intersect(&all);
                let shows = |kind: &usize| {
                    let shown = self.askings.get(*kind).map_or(&[][..], |a| &a.shown);
                    self.lineage.uncovered(source, shown, &subject.variables).is_none()
                };
                if self.lineage.uncovered(source, &[], &subject.variables).is_some() {
                    all = Bits::new(self.askings.len());
                    near.iter().filter(shows).for_each(|kind| {
                        all.insert(kind);
                    });
                }
            }
            all
        };
        self.needs.iter().map(showing).collect()
    }

    /// What of a call's sources that confirm does not show, though another does.
    #[must_use]
    pub fn lacks(&self, subject: &Subject<'_>, need: &Need<'_>, asking: usize) -> Option<Path> {
        let shown = self.askings.get(asking).map(|a| &*a.shown)?;
        let never = |s: &Source| need.unshown.iter().any(|(u, _)| u.path == s.path);
        need.sources.iter().filter(|s| !never(s)).find_map(|s| self.lineage.uncovered(s, shown, &subject.variables))
    }

    fn find_dependents(&mut self, subject: &Subject<'a>) {
        let variables = &subject.variables;
        let mut dependents = vec![Bits::new(self.needs.len()); variables.len()];
        for (n, need) in self.needs.iter().enumerate() {
            let mut ends = |v: Var| {
                if let Some(set) = dependents.get_mut(v) {
                    set.insert(n);
                }
            };
            for asking in need.covered_by.iter().filter_map(|k| self.askings.get(k)) {
                asking.shown.iter().filter_map(|p| p.var(variables)).for_each(&mut ends);
                // What no confirm shows is a mistake of its own, whenever it is assigned. What a source comes from may be assigned:
                // then it is computed anew before the call, or reads an older value there.
                for source in need.sources.iter().filter(|s| !need.unshown.iter().any(|(u, _)| u.path == s.path)) {
                    source.path.var(variables).into_iter().for_each(&mut ends);
                }
            }
        }
        self.changed = Bits::new(self.needs.len());
        for needs in &dependents {
            self.changed.unite(needs);
        }
        self.dependents = dependents;
    }

    fn find_filled(&mut self, subject: &Subject<'a>) {
        let mut shown = Bits::new(subject.variables.len());
        for (v, _) in self.dependents.iter().enumerate().filter(|(_, needs)| !needs.is_empty()) {
            shown.insert(v);
        }
        // How much of what may be given ends the yes of each need: from one place to the next, little of it differs.
        let mut counts = vec![0_usize; self.needs.len()];
        let (mut before, mut needs) = (Bits::new(subject.variables.len()), Bits::new(self.needs.len()));
        let found = (0..subject.graph.len()).map(|n| {
            let mut given = subject.fills.in_place(Node(u32::try_from(n).ok()?))?;
            given.intersect(&shown);
            for v in given.unlike(&before) {
                for need in self.dependents.get(v).into_iter().flat_map(Bits::iter) {
                    let Some(count) = counts.get_mut(need) else { continue };
                    *count = if given.contains(v) { *count + 1 } else { count.saturating_sub(1) };
                    if *count == 0 {
                        needs.remove(need);
                    } else {
                        needs.insert(need);
                    }
                }
            }
            before = given;
            Some(needs.clone())
        });
        self.filled = found.collect();
    }

    /// What may be given a value at a place that ends the yes of a need.
    #[must_use]
    pub fn given(&self, subject: &Subject<'_>, need: usize, node: Node) -> Option<Var> {
        let ends = |v: &Var| self.dependents.get(*v).is_some_and(|needs| needs.contains(need));
        subject.fills.in_place(node)?.iter().find(ends)
    }

    fn find_ends(&mut self, subject: &Subject<'a>) {
        let graph = &subject.graph;
        let size = self.needs.len();
        let mut ends: Vec<Option<Bits>> = (0..graph.edges().len())
            .map(|number| {
                let mut found = Bits::new(size);
                self.each_end(subject, number, &mut |needs, _| {
                    found.unite(needs);
                });
                (!found.is_empty()).then_some(found)
            })
            .collect();
        // Whether a run comes to a step that waits, there or later.
        let waits = flow::back(
            graph,
            1,
            |node, waits| {
                if subject.fills.waits(node) {
                    waits.insert(0);
                }
            },
            |_, edge, after, waits| {
                if edge.way != Way::Correction {
                    waits.unite(after);
                }
            },
        );
        // Which yeses that are there before a place may be gone while the run waits, so that a correction goes back without them.
        let gone = flow::back(
            graph,
            size,
            |node, gone| {
                if let (true, Some(gains)) = (subject.fills.waits(node), self.gains(node)) {
                    gone.unite(gains);
                }
                self.filled.get(node.index()).into_iter().flatten().for_each(|given| {
                    gone.unite(given);
                });
            },
            |number, edge, after, gone| {
                if edge.way == Way::Correction {
                    // Somebody may correct that first, and something before it then.
                    ends.get(number).into_iter().flatten().for_each(|ended| {
                        gone.unite(ended);
                    });
                    return;
                }
                let mut lost = ends.get(number).cloned().flatten().unwrap_or_else(|| Bits::new(size));
                if let Some(gained) = self.gained(edge) {
                    lost.subtract(gained);
                }
                gone.unite(&after.without(&lost));
                if waits.get(edge.to.index()).is_some_and(|w| !w.is_empty()) {
                    gone.unite(&lost);
                }
            },
        );
        for (number, edge) in graph.edges().iter().enumerate().filter(|(_, e)| e.way == Way::Correction) {
            if let (Some(_), Some(gone), Some(slot)) =
                (subject.fills.correction(edge.from), gone.get(edge.from.index()), ends.get_mut(number))
            {
                slot.get_or_insert_with(|| Bits::new(size)).unite(gone);
            }
        }
        self.ends = ends;
    }

    /// Calls `see` with the needs whose yes ends along an edge, and why; corrections that go past its end apart.
    fn each_end(&self, subject: &Subject<'_>, number: usize, see: &mut dyn FnMut(&Bits, End)) {
        let graph = &subject.graph;
        let Some(edge) = graph.edges().get(number) else { return };
        let of_var = |v: Var, end: End, see: &mut dyn FnMut(&Bits, End)| {
            self.dependents.get(v).into_iter().for_each(|needs| see(needs, end));
        };
        if edge.way == Way::Correction {
            if subject.fills.correction(edge.from).is_none() {
                return;
            }
            // What steps assigned since then, which it unsets, ended what it ends when they did.
            let fields = graph.step(edge.from).map(parts::fields).unwrap_or_default();
            fields.iter().filter_map(|f| subject.variables.var(&f.name)).for_each(|v| of_var(v, End::Corrected, see));
            return;
        }
        self.used_at.get(&edge.from).into_iter().for_each(|needs| see(needs, End::Used));
        by_steps(graph, &subject.changes, number, &mut |v| of_var(v, End::Assigned(v), see));
        self.filled.get(edge.from.index()).into_iter().flatten().for_each(|needs| see(needs, End::Filled));
        match &edge.way {
            Way::Written(EdgeKind::Reject) => see(&self.all, End::No),
            Way::Written(EdgeKind::Resume) => see(&self.all, End::Paused),
            Way::Written(EdgeKind::Change) => see(&self.changed, End::Changed),
            Way::Written(_) | Way::Fallback | Way::Ended | Way::Correction => {}
        }
        if let (Some(StepKind::Run(_)), Way::Written(EdgeKind::Outcome(o) | EdgeKind::Unlisted(o))) =
            (graph.step(edge.from).map(|s| &s.kind), &edge.way)
            && ENDING.contains(&o.name.as_str())
        {
            see(&self.all, End::Inside);
        }
        if subject.settings.identity_allow_switch && graph.step(edge.from).is_some_and(|s| verifies(&s.kind)) {
            see(&self.all, End::Subject);
        }
        if edge.way != Way::Written(EdgeKind::Confirmed) {
            self.gains(edge.from).into_iter().for_each(|needs| see(needs, End::PutAgain));
        }
    }

    /// Why the yes of a need ends along an edge.
    #[must_use]
    pub fn why(&self, subject: &Subject<'_>, need: usize, number: usize) -> End {
        self.ends_by_itself(subject, need, number).unwrap_or(End::Corrected)
    }

    /// Why an edge, a correction among them, ends the yes of a need whatever came before it.
    #[must_use]
    pub fn ends_by_itself(&self, subject: &Subject<'_>, need: usize, number: usize) -> Option<End> {
        let mut why = None;
        self.each_end(subject, number, &mut |needs, end| {
            if needs.contains(need) {
                why.get_or_insert(end);
            }
        });
        why
    }

    /// All confirms.
    pub fn confirms(&self) -> impl Iterator<Item = Node> + '_ {
        self.kind_at.keys().copied()
    }

    /// Whether the yes of such a confirm is meant for any action that it covers.
    #[must_use]
    pub fn is_for_any(&self, asking: usize) -> bool {
        self.askings.get(asking).is_some_and(|a| a.actions.is_empty())
    }

    /// Whether the yes of such a confirm is meant for other actions.
    #[must_use]
    pub fn is_for_others(&self, need: &Need<'_>, asking: usize) -> bool {
        self.askings.get(asking).is_some_and(|a| !a.actions.is_empty() && !a.actions.contains(&&need.action.id))
    }

    /// What an edge does to the yes of a need: `Some(true)`, it is there; `Some(false)`, it is gone.
    #[must_use]
    pub fn turn(&self, need: usize, number: usize, edge: &Edge) -> Option<bool> {
        if self.gained(edge).is_some_and(|g| g.contains(need)) {
            return Some(true);
        }
        self.ends.get(number).and_then(Option::as_ref).filter(|e| e.contains(need)).map(|_| false)
    }
}

/// Whether somebody may be verified there: by the step, or in a journey that it runs, however deep.
fn verifies(kind: &StepKind) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![kind];
    while let Some(kind) = open.pop() {
        match kind {
            StepKind::Verify(_) => return true,
            StepKind::Run(run) => {
                let new = run.journey.iter().filter(|j| seen.insert(j.slug.name.clone()));
                open.extend(new.flat_map(|j| &j.steps).map(|s| &s.kind));
            }
            _ => {}
        }
    }
    false
}

fn needs<'a>(subject: &Subject<'a>) -> Vec<Need<'a>> {
    let mut found = Vec::new();
    for (id, step) in subject.journey.iter() {
        let node = Node(id.0);
        if !subject.graph.is_reached(node) {
            continue;
        }
        let set = subject.set.get(node.index()).and_then(Option::as_ref);
        let sources = |action, call: Option<&Call>| lineage::of_action(action, call, subject.journey, &subject.variables, set, step.span);
        let mut add = |action: &'a Action, span, uses, sources, by_model| {
            let none = || Bits::new(0);
            found.push(Need { node, action, span, uses, sources, by_model, before: none(), covered_by: none(), unshown: Vec::new() });
        };
        match &step.kind {
            StepKind::Action(call) | StepKind::Verify(Verify { call, .. }) => {
                if let Some(action) = call.action.as_ref().filter(|a| a.safety.requires_confirmation) {
                    add(action, call.call_span, true, sources(action, Some(call)), Vec::new());
                }
            }
            StepKind::Investigate(search) => {
                for (action, span) in search.using.iter().filter_map(|(a, s)| Some((a.as_deref()?, *s))) {
                    // A write has no place there at all.
                    if action.safety.requires_confirmation && action.effects == Effects::Read {
                        let by_model = action.inputs.iter().map(|i| i.name.clone()).collect();
                        add(action, span, false, sources(action, None), by_model);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn askings<'a>(subject: &Subject<'a>) -> (Vec<Asking<'a>>, BTreeMap<Node, usize>) {
    let (mut askings, mut kind_at, mut known) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (id, step) in subject.journey.iter() {
        let StepKind::Confirm(confirm) = &step.kind else { continue };
        let mut shown = lineage::shown(confirm);
        shown.sort();
        let actions: Vec<&ActionId> = confirm.for_actions.iter().map(|(a, _)| a).collect();
        let kind = *known.entry((shown.clone(), actions.clone())).or_insert_with(|| {
            askings.push(Asking { actions, shown });
            askings.len() - 1
        });
        kind_at.insert(Node(id.0), kind);
    }
    (askings, kind_at)
}

/// The kinds of confirms by what they are for and what they show.
struct Kinds<'k> {
    size: usize,
    any: Bits,
    actions: BTreeMap<&'k ActionId, Bits>,
    /// By root and first key; without a key, all of that root.
    shown: BTreeMap<(Root, Option<&'k str>), Bits>,
}

impl<'k> Kinds<'k> {
    fn of(askings: &'k [Asking<'_>]) -> Self {
        let size = askings.len();
        let mut found = Self { size, any: Bits::new(size), actions: BTreeMap::new(), shown: BTreeMap::new() };
        for (kind, asking) in askings.iter().enumerate() {
            if asking.actions.is_empty() {
                found.any.insert(kind);
            }
            for action in &asking.actions {
                found.actions.entry(*action).or_insert_with(|| Bits::new(size)).insert(kind);
            }
            for path in &asking.shown {
                let first = path.keys.first().map(|k| &**k);
                // What the caller is said to be may stand elsewhere than where it is read.
                let keys = if path.root == Root::User { None } else { first };
                found.shown.entry((path.root, keys)).or_insert_with(|| Bits::new(size)).insert(kind);
            }
        }
        found
    }

    /// Those that may be for an action.
    fn for_action(&self, action: &ActionId) -> Bits {
        let mut found = self.any.clone();
        self.actions.get(action).map(|own| found.unite(own));
        found
    }

    /// Those that show something of what may hold one of these.
    fn near(&self, paths: &[&Path]) -> Bits {
        let mut found = Bits::new(self.size);
        for path in paths {
            for keys in [None, path.keys.first().map(|k| &**k)] {
                self.shown.get(&(path.root, keys)).map(|own| found.unite(own));
            }
        }
        found
    }
}

/// Which needs have their yes.
struct Alive<'g, 'a> {
    gates: &'g Gates<'a>,
}

impl Analysis for Alive<'_, '_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.gates.needs.len())
    }

    fn along(&self, number: usize, edge: &Edge, alive: &mut Bits) {
        if let Some(Some(ended)) = self.gates.ends.get(number) {
            alive.subtract(ended);
        }
        if let Some(gained) = self.gates.gained(edge) {
            alive.unite(gained);
        }
    }

    fn meet(&self, alive: &mut Bits, other: &Bits) -> bool {
        alive.intersect(other)
    }
}

/// Which kinds of confirms were said yes to on some way.
struct Before<'g, 'a> {
    gates: &'g Gates<'a>,
}

impl Analysis for Before<'_, '_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.gates.askings.len())
    }

    fn along(&self, _: usize, edge: &Edge, before: &mut Bits) {
        if edge.way == Way::Written(EdgeKind::Confirmed) {
            self.gates.asking(edge.from).map(|n| before.insert(n));
        }
    }

    fn meet(&self, before: &mut Bits, other: &Bits) -> bool {
        before.unite(other)
    }
}
