//! What people may do to the fields of a run while it waits: give one that has no value yet, and correct one that has.
//!
//! A value for a field that a collect has asked for is a correction: the run goes back to that collect, and what steps assigned since
//! then is unset (language, 3.9). A field that has no value, or that no collect has asked for yet, takes it where the run stands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::again::Again;
use super::changes::{Change, Changes};
use super::flow::{Analysis, Bits, Edge, Graph, Node, Way, back, holders, solve};
use super::parts;
use super::variables::{Var, Variables};
use crate::model::graph::EdgeKind;
use crate::model::step::{Call, Collect, Step, StepKind};

/// At what steps of the workspace's journeys somebody may be waited for, beside those that ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waits {
    /// An action that wants an identity runs the journey that verifies first.
    pub identity_journey: bool,
}

impl Waits {
    fn at(self, step: &Step) -> bool {
        let held = |call: &Call| {
            let safety = call.action.as_ref().map(|a| &a.safety);
            safety.is_some_and(|s| s.approval.is_some() || (self.identity_journey && s.identity.is_some()))
        };
        match &step.kind {
            StepKind::Choice(_) | StepKind::Confirm(_) | StepKind::Guide(_) | StepKind::Investigate(_) | StepKind::Run(_) => true,
            StepKind::Action(call) => held(call),
            StepKind::Verify(verify) => held(&verify.call),
            StepKind::Collect(_)
            | StepKind::Say(_)
            | StepKind::If(_)
            | StepKind::Set(_)
            | StepKind::Goto(_)
            | StepKind::Done(_)
            | StepKind::Escalate(_)
            | StepKind::Broken => false,
        }
    }
}

/// How a run may wait at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It does not.
    No,
    /// Only as long as this field has no value.
    For(Var),
    /// With any field set.
    Any,
}

/// What may be filled where.
#[derive(Debug)]
pub struct Fills {
    /// How many variables there are.
    size: usize,
    /// Fields that somebody may give.
    fillable: Bits,
    /// What has a value for certain and was asked for, before each place: to be changed only by a correction.
    settled: Vec<Bits>,
    waits: Vec<Wait>,
    /// For a collect of which a field can be corrected later on: what steps may have assigned since, or people given.
    corrections: Vec<Option<Bits>>,
    /// What a `goto` may clear behind each place.
    cleared: Vec<Bits>,
    again: Again,
}

impl Fills {
    /// Finds them. `set` is what has a value before each place.
    #[must_use]
    pub fn of(graph: &Graph<'_>, variables: &Variables, changes: &Changes, set: &[Option<Bits>], waits: Waits) -> Self {
        let size = variables.len();
        let mut fillable = Bits::new(size);
        let mut by_step = Bits::new(size);
        for input in graph.journey.inputs.iter().filter(|i| i.from_caller) {
            variables.var(&input.name).map(|v| fillable.insert(v));
        }
        for field in graph.journey.steps.iter().flat_map(parts::fields) {
            variables.var(&field.name).map(|v| fillable.insert(v));
        }
        for number in 0..graph.edges().len() {
            by_steps(graph, changes, number, &mut |v| {
                by_step.insert(v);
            });
        }
        let empty = Bits::new(size);
        let again = Again::of(graph);
        let mut found = Self {
            size,
            fillable,
            settled: Vec::new(),
            waits: Vec::new(),
            corrections: vec![None; graph.len()],
            cleared: Vec::new(),
            again,
        };
        found.waits = (0..graph.len())
            .map(|n| match graph.journey.steps.get(n) {
                Some(Step { kind: StepKind::Collect(c), .. }) => {
                    let set = set.get(n).and_then(Option::as_ref).unwrap_or(&empty);
                    waits_for(c, variables, &|v| set.contains(v) && !by_step.contains(v))
                }
                Some(step) if waits.at(step) => Wait::Any,
                _ => Wait::No,
            })
            .collect();
        let behind = found.asked_behind(graph, variables);
        let asked = solve(graph, &Asked { graph, changes, behind: &behind, size });
        let settled = set.iter().zip(asked).map(|(set, asked)| match (set, asked) {
            (Some(set), Some(mut asked)) => {
                asked.intersect(set);
                asked
            }
            _ => empty.clone(),
        });
        found.settled = settled.collect();
        found.find_corrections(graph, variables, changes);
        found
    }

    /// What is asked for behind each place, before a step that waits.
    fn asked_behind(&self, graph: &Graph<'_>, variables: &Variables) -> Vec<Bits> {
        // Behind the variables, one more: that a step waits.
        back(
            graph,
            self.size + 1,
            |node, behind| {
                if self.waits(node) {
                    behind.insert(self.size);
                }
            },
            |_, edge, after, behind| {
                if edge.way == Way::Correction {
                    return;
                }
                behind.unite(after);
                let asked = graph.step(edge.to).filter(|_| after.contains(self.size)).map(parts::fields).unwrap_or_default();
                asked.iter().filter_map(|f| variables.var(&f.name)).for_each(|v| {
                    behind.insert(v);
                });
            },
        )
    }

    /// For each collect: whether one of its fields may have a value at a step that waits later on, and what steps assign until there.
    fn find_corrections(&mut self, graph: &Graph<'_>, variables: &Variables, changes: &Changes) {
        let size = self.size;
        let collects: Vec<(usize, Vec<Var>)> = graph
            .journey
            .steps
            .iter()
            .enumerate()
            .filter(|(n, s)| matches!(s.kind, StepKind::Collect(_)) && graph.is_reached(node(*n)))
            .map(|(n, s)| (n, parts::fields(s).iter().filter_map(|f| variables.var(&f.name)).collect()))
            .collect();
        if collects.is_empty() {
            return;
        }
        // Behind the variables, one more: that a step waits whatever is set.
        let later = back(
            graph,
            size + 1,
            |n, later| self.tag(n, later),
            |_, edge, after, later| {
                if edge.way != Way::Correction {
                    later.unite(after);
                }
            },
        );
        self.cleared = back(
            graph,
            size,
            |_, _| {},
            |_, edge, after, cleared| {
                cleared.unite(after);
                Again::by(graph, variables, edge).for_each(|(v, _)| {
                    cleared.insert(v);
                });
            },
        );
        let correctable = |n: usize, fields: &[Var]| {
            later.get(n).is_some_and(|tags| tags.contains(size) || tags.iter().any(|tag| fields.iter().any(|f| *f != tag)))
        };
        let waits_later = |n: Node| later.get(n.index()).is_some_and(|tags| !tags.is_empty());
        let assigned = back(
            graph,
            size,
            |node, assigned| {
                // Whoever corrects one thing may have given or corrected another before.
                self.in_place(node).map(|given| assigned.unite(&given));
                let asked = graph.step(node).filter(|_| waits_later(node)).map(parts::fields).unwrap_or_default();
                asked.iter().filter_map(|f| variables.var(&f.name)).for_each(|v| {
                    assigned.insert(v);
                });
            },
            |number, edge, after, assigned| {
                if edge.way != Way::Correction && waits_later(edge.to) {
                    assigned.unite(after);
                    by_steps(graph, changes, number, &mut |v| {
                        assigned.insert(v);
                    });
                }
            },
        );
        for (n, fields) in collects {
            if correctable(n, &fields)
                && let (Some(slot), Some(assigned)) = (self.corrections.get_mut(n), assigned.get(n))
            {
                *slot = Some(assigned.clone());
            }
        }
    }

    fn tag(&self, node: Node, tags: &mut Bits) {
        match self.waits.get(node.index()) {
            Some(Wait::Any) => {
                tags.insert(self.size);
            }
            Some(Wait::For(v)) => {
                tags.insert(*v);
            }
            Some(Wait::No) | None => {}
        }
    }

    /// Whether somebody may be waited for at a place with a value for one of these fields.
    #[must_use]
    pub fn waits_with(&self, node: Node, fields: &[Var]) -> bool {
        match self.waits.get(node.index()) {
            Some(Wait::Any) => true,
            Some(Wait::For(v)) => fields.iter().any(|f| f != v),
            Some(Wait::No) | None => false,
        }
    }

    /// Whether somebody may be waited for at a place.
    #[must_use]
    pub fn waits(&self, node: Node) -> bool {
        self.waits.get(node.index()).is_some_and(|w| *w != Wait::No)
    }

    /// What may be given a value while the run waits at a place, without leaving it; `None` where it does not wait.
    #[must_use]
    pub fn in_place(&self, node: Node) -> Option<Bits> {
        let settled = self.settled.get(node.index()).filter(|_| self.waits(node))?;
        Some(self.fillable.without(settled))
    }

    /// What anybody may give a value.
    #[must_use]
    pub fn givable(&self) -> &Bits {
        &self.fillable
    }

    /// Whether anybody may give it a value.
    #[must_use]
    pub fn can_be_given(&self, var: Var) -> bool {
        self.fillable.contains(var)
    }

    /// If a field of the collect at that place can be corrected: what steps may assign, or people give, from there to where that is done.
    #[must_use]
    pub fn correction(&self, node: Node) -> Option<&Bits> {
        self.corrections.get(node.index())?.as_ref()
    }

    /// What a `goto` may clear behind a place.
    #[must_use]
    pub fn cleared(&self, node: Node) -> Option<&Bits> {
        self.cleared.get(node.index())
    }

    /// For each of these collects with its fields, of what is set before it: the same, and what a `goto` cleared on the way; without
    /// what lies behind the collect's being asked once more, which is later than what a correction goes back to.
    #[must_use]
    pub fn unset_by_corrections(
        &self,
        graph: &Graph<'_>,
        variables: &Variables,
        changes: &Changes,
        set: &[Option<Bits>],
        collects: &[(Node, Vec<Var>)],
    ) -> Vec<Bits> {
        let size = collects.len();
        let none = Bits::new(self.size);
        let set: Vec<&Bits> = collects.iter().map(|(n, _)| set.get(n.index()).and_then(Option::as_ref).unwrap_or(&none)).collect();
        // Before which collects a variable is set, and which ask after each that is asked again.
        let (set_before, asked_before) = (holders(&set, self.size), self.again.coming_before(collects.iter().map(|(n, _)| *n)));
        let asking = Asking::of(graph, variables, collects);
        let within = solve(graph, &asking);
        // Of which collects a step that waits comes later, before they ask again.
        let waiting = back(
            graph,
            size,
            |node, waiting| {
                if let Some(of) = self.waiting_at(node, &asking) {
                    waiting.unite(&of);
                }
            },
            |_, edge, after, waiting| {
                if edge.way != Way::Correction {
                    waiting.unite(&asking.unless_again(after, edge.to));
                }
            },
        );
        let inside = |edge: &Edge| {
            let mut inside = within.get(edge.from.index()).cloned().flatten()?;
            asking.own.get(&edge.from).map(|own| inside.unite(own));
            (edge.way != Way::Correction).then_some(inside)
        };
        // Where a run comes in there otherwise than to be asked again.
        let mut entered: BTreeMap<Node, Bits> = BTreeMap::new();
        for edge in graph.edges().iter().filter(|e| self.again.is_target(e.to) && e.way != Way::Written(EdgeKind::Goto)) {
            if let Some(inside) = inside(edge) {
                entered.entry(edge.to).or_insert_with(|| Bits::new(size)).unite(&inside);
            }
        }
        let mut found = vec![none; size];
        let mut unset = |v: Var, of: &Bits| {
            let Some(mut before) = set_before.get(v).cloned() else { return };
            before.intersect(of);
            for n in before.iter() {
                found.get_mut(n).map(|found| found.insert(v));
            }
        };
        for (number, edge) in graph.edges().iter().enumerate() {
            let mut own = Vec::new();
            by_steps(graph, changes, number, &mut |v| own.push(v));
            let cleared: Vec<(Var, bool)> = Again::by(graph, variables, edge).collect();
            if own.is_empty() && cleared.is_empty() {
                continue;
            }
            let (Some(inside), Some(waiting)) = (inside(edge), waiting.get(edge.to.index())) else { continue };
            let mut of = asking.unless_again(&inside, edge.to).into_owned();
            of.intersect(waiting);
            for v in own {
                unset(v, &of);
            }
            if cleared.is_empty() {
                continue;
            }
            if let Some(before) = asked_before.get(&edge.to) {
                let forgotten = entered.get(&edge.to).map_or_else(|| before.clone(), |entered| before.without(entered));
                of.subtract(&forgotten);
            }
            // What has to be given before the run leaves that collect is unset only as long as it stands there.
            let mut standing = self.waiting_at(edge.to, &asking).unwrap_or_else(|| Bits::new(size));
            standing.intersect(&of);
            for (v, required) in cleared {
                unset(v, if required { &standing } else { &of });
            }
        }
        found
    }

    /// With a value for a field of which collects somebody may be waited for at a place.
    fn waiting_at(&self, node: Node, asking: &Asking) -> Option<Bits> {
        let mut of = asking.all.clone();
        match self.waits.get(node.index()) {
            Some(Wait::Any) => {}
            Some(Wait::For(v)) => asking.alone.get(v).into_iter().for_each(|alone| of.subtract(alone)),
            Some(Wait::No) | None => return None,
        }
        Some(of)
    }
}

/// Collects, a bit for each, and from where on they were left and did not ask again: neither they nor a later one that asks for the
/// same, which is where a correction goes back to then.
struct Asking {
    none: Bits,
    all: Bits,
    /// The collect at a place.
    own: BTreeMap<Node, Bits>,
    /// Those that ask again at a place.
    again: BTreeMap<Node, Bits>,
    /// Those that ask for nothing but that.
    alone: BTreeMap<Var, Bits>,
}

impl Asking {
    fn of(graph: &Graph<'_>, variables: &Variables, collects: &[(Node, Vec<Var>)]) -> Self {
        let size = collects.len();
        let mut found =
            Self { none: Bits::new(size), all: Bits::all(size), own: BTreeMap::new(), again: BTreeMap::new(), alone: BTreeMap::new() };
        let mut by_first: BTreeMap<Var, Vec<(usize, &[Var])>> = BTreeMap::new();
        for (n, (node, fields)) in collects.iter().enumerate() {
            found.own.entry(*node).or_insert_with(|| Bits::new(size)).insert(n);
            let Some((first, rest)) = fields.split_first() else { continue };
            by_first.entry(*first).or_default().push((n, rest));
            if rest.iter().all(|f| f == first) {
                found.alone.entry(*first).or_insert_with(|| Bits::new(size)).insert(n);
            }
        }
        for (id, step) in graph.journey.iter().filter(|(_, s)| matches!(s.kind, StepKind::Collect(_))) {
            let own: Vec<Var> = parts::fields(step).iter().filter_map(|f| variables.var(&f.name)).collect();
            let among = own.iter().filter_map(|f| by_first.get(f)).flatten();
            let among = among.filter(|(_, rest)| rest.iter().all(|f| own.contains(f)));
            let mut again = Bits::new(size);
            among.for_each(|(n, _)| {
                again.insert(*n);
            });
            found.again.insert(Node(id.0), again);
        }
        found
    }

    /// Without those that ask again at a place.
    fn unless_again<'b>(&self, collects: &'b Bits, node: Node) -> Cow<'b, Bits> {
        self.again.get(&node).map_or(Cow::Borrowed(collects), |again| Cow::Owned(collects.without(again)))
    }
}

impl Analysis for Asking {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        self.none.clone()
    }

    fn along(&self, _: usize, edge: &Edge, left: &mut Bits) {
        if edge.way == Way::Correction {
            left.clone_from(&self.none);
            return;
        }
        if let Some(own) = self.own.get(&edge.from) {
            left.unite(own);
        }
        if let Some(again) = self.again.get(&edge.to) {
            left.subtract(again);
        }
    }

    fn meet(&self, left: &mut Bits, other: &Bits) -> bool {
        left.unite(other)
    }
}

/// When a collect waits: for a field that may be missing.
fn waits_for(collect: &Collect, variables: &Variables, set: &dyn Fn(Var) -> bool) -> Wait {
    let sets = collect.any_of.iter().flat_map(|s| &s.fields);
    let mut open: Vec<Var> =
        collect.fields.iter().chain(&collect.optional).chain(sets).filter_map(|f| variables.var(&f.name)).filter(|v| !set(*v)).collect();
    open.sort_unstable();
    open.dedup();
    let complete = collect.any_of.iter().any(|s| s.fields.iter().filter_map(|f| variables.var(&f.name)).all(set));
    // One of several will do: each of them has no value there, or is asked for by this collect, which it then goes back to.
    open.first().filter(|_| !complete).map_or(Wait::No, |v| Wait::For(*v))
}

/// Calls `see` for what the step that a way leaves may assign or unset: not by asking for it.
pub fn by_steps(graph: &Graph<'_>, changes: &Changes, number: usize, see: &mut dyn FnMut(Var)) {
    let Some(edge) = graph.edges().get(number) else { return };
    let asks = graph.step(edge.from).is_none_or(|s| matches!(s.kind, StepKind::Collect(_)));
    if asks || edge.way == Way::Written(EdgeKind::Goto) {
        return;
    }
    for change in changes.along(graph, number) {
        match change {
            Change::Set(v) | Change::MaybeSet(v) | Change::Unset(v) => see(v),
            Change::Assumed(_) => {}
        }
    }
}

/// What steps may have assigned before each place since anything was asked for.
#[must_use]
pub fn since_asked(graph: &Graph<'_>, changes: &Changes, size: usize) -> Vec<Option<Bits>> {
    let mut found = solve(graph, &Since { graph, changes, size });
    found.iter_mut().flatten().for_each(|since| since.remove(size));
    found
}

/// Behind the variables, one more: that something was asked for.
struct Since<'a> {
    graph: &'a Graph<'a>,
    changes: &'a Changes,
    size: usize,
}

impl Analysis for Since<'_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.size + 1)
    }

    fn along(&self, number: usize, edge: &Edge, since: &mut Bits) {
        if matches!(self.graph.step(edge.from), Some(Step { kind: StepKind::Collect(_), .. })) {
            since.insert(self.size);
        } else if since.contains(self.size) {
            by_steps(self.graph, self.changes, number, &mut |v| {
                since.insert(v);
            });
        }
    }

    fn meet(&self, since: &mut Bits, other: &Bits) -> bool {
        since.unite(other)
    }
}

/// What was asked for, whatever way a run came.
///
/// That a `goto` back to a collect makes what was asked since count as not asked needs no rule of its own: whatever was asked between
/// the two lies behind the collect, which waits when it is gone to, and a correction there forgets it just so.
struct Asked<'a> {
    graph: &'a Graph<'a>,
    changes: &'a Changes,
    /// What is asked for behind each place.
    behind: &'a [Bits],
    size: usize,
}

impl Analysis for Asked<'_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.size)
    }

    fn along(&self, number: usize, edge: &Edge, asked: &mut Bits) {
        // What was asked for after what is changed or corrected counts as not asked, wherever the run goes then.
        if edge.way == Way::Written(EdgeKind::Change) {
            *asked = self.entry();
        }
        if let (Way::Correction, Some(behind)) = (&edge.way, self.behind.get(edge.from.index())) {
            asked.subtract(behind);
        }
        let Some(Step { kind: StepKind::Collect(_), .. }) = self.graph.step(edge.from) else { return };
        for change in self.changes.along(self.graph, number) {
            if let Change::Set(v) = change {
                asked.insert(v);
            }
        }
    }

    fn meet(&self, asked: &mut Bits, other: &Bits) -> bool {
        asked.intersect(other)
    }
}

fn node(n: usize) -> Node {
    Node(u32::try_from(n).unwrap_or(u32::MAX))
}
