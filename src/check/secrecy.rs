//! What may hold something sensitive (supervision, 6), before anything runs: the taint of every variable of every journey.
//!
//! Sensitive are fields whose datapoint says so and what an action's `redact_fields` name; from there it goes on through `set`, `with`,
//! results and answers. Which paths of a variable it may be in does not depend on the way that a run came; whether it is in there at all
//! does, and is for [`Exposed`] to find out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fills::Fills;
use super::flow::{Analysis, Bits, Edge, Graph, Node, Way};
use super::parts::{self, Given};
use super::subject::Subject;
use super::variables::{Var, Variables};
use crate::expr::Root;
use crate::model::action::{FieldType, RedactPath};
use crate::model::graph::EdgeKind;
use crate::model::step::{Call, Operand, Step, StepKind};
use crate::model::{Action, Journey, Workspace};
use crate::template::Template;
use crate::value::{Name, Secrets, Segment};

/// How often a journey is gone through until nothing new comes: assignments against the order of steps need one more each.
const ROUNDS: usize = 64;

/// What a root's member may hold.
pub type Of<'f> = &'f dyn Fn(Root, Option<&str>) -> Secrets;

/// The secrets of a workspace's journeys.
#[derive(Debug, Default)]
pub struct Secrecy {
    journeys: BTreeMap<Name, Arc<[Secrets]>>,
    results: BTreeMap<Name, Secrets>,
}

impl Secrecy {
    /// Finds them.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        let mut found = Self::default();
        let sensitive = workspace.actions.values().any(|a| !a.safety.redact.is_empty())
            || workspace.journeys.values().any(|j| j.steps.iter().flat_map(parts::fields).any(|f| f.datapoint.sensitive))
            || workspace.journeys.values().any(|j| j.inputs.iter().any(|i| i.datapoint.sensitive));
        if !sensitive {
            return found;
        }
        let mut inputs: BTreeMap<Name, BTreeMap<Name, Secrets>> = BTreeMap::new();
        let mut callers: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (name, journey) in &workspace.journeys {
            for callee in journey.steps.iter().filter_map(|s| callee(&s.kind)) {
                callers.entry(callee.slug.name.clone()).or_default().insert(name.clone());
            }
        }
        let mut open: BTreeSet<Name> = workspace.journeys.keys().cloned().collect();
        // INVARIANT: what a journey is passed and what it gives back only grows, and is bounded, so this ends.
        while let Some(name) = open.pop_first() {
            let Some(journey) = workspace.journeys.get(&name) else { continue };
            let variables = Variables::of(journey);
            let given = inputs.get(&name).cloned().unwrap_or_default();
            let own = found.solve(journey, &variables, &given);
            let of = |root: Root, key: Option<&str>| member(&variables, &own, root, key, &|_| true);
            let result = result(journey, &of);
            for step in &journey.steps {
                let StepKind::Run(run) = &step.kind else { continue };
                let Some(callee) = &run.journey else { continue };
                for input in &run.with {
                    let passed = of_operand(&input.value, &of);
                    let slot = inputs.entry(callee.slug.name.clone()).or_default().entry(input.name.clone()).or_default();
                    let joined = slot.join(&passed);
                    if joined != *slot {
                        *slot = joined;
                        open.insert(callee.slug.name.clone());
                    }
                }
            }
            found.journeys.insert(name.clone(), own.into());
            if found.results.get(&name) != Some(&result) {
                found.results.insert(name.clone(), result);
                open.extend(callers.get(&name).into_iter().flatten().cloned());
            }
        }
        found
    }

    /// The secrets that each variable may hold somewhere; `None` if none holds any.
    #[must_use]
    pub fn of_journey(&self, journey: &Journey) -> Option<&Arc<[Secrets]>> {
        self.journeys.get(&journey.slug.name).filter(|all| all.iter().any(|s| !s.is_clean()))
    }

    fn solve(&self, journey: &Journey, variables: &Variables, given: &BTreeMap<Name, Secrets>) -> Vec<Secrets> {
        let mut own = vec![Secrets::default(); variables.len()];
        let add = |name: &Name, secrets: &Secrets, own: &mut Vec<Secrets>| {
            let Some(slot) = variables.var(name).and_then(|v| own.get_mut(v)) else { return false };
            let joined = slot.join(secrets);
            let new = joined != *slot;
            *slot = joined;
            new
        };
        for input in &journey.inputs {
            let passed = given.get(&input.name).cloned().unwrap_or_default();
            add(&input.name, &if input.datapoint.sensitive { Secrets::whole() } else { passed }, &mut own);
        }
        for field in journey.steps.iter().flat_map(parts::fields).filter(|f| f.datapoint.sensitive) {
            add(&field.name, &Secrets::whole(), &mut own);
        }
        for _ in 0..ROUNDS {
            let mut new = false;
            for step in &journey.steps {
                let mut here = Vec::new();
                let of = |root: Root, key: Option<&str>| member(variables, &own, root, key, &|_| true);
                self.assigned(step, &of, &mut |name, secrets| {
                    if !secrets.is_clean() {
                        here.push((name, secrets));
                    }
                });
                for (name, secrets) in &here {
                    new |= add(name, secrets, &mut own);
                }
            }
            if !new {
                return own;
            }
        }
        own.iter().map(|s| if s.is_clean() { Secrets::default() } else { Secrets::whole() }).collect()
    }

    /// Calls `see` for what a step assigns, in order, with what of it is sensitive; what it asks for apart.
    pub fn assigned<'s>(&self, step: &'s Step, of: Of<'_>, see: &mut dyn FnMut(&'s Name, Secrets)) {
        parts::given(step, &mut |name, _, given| {
            let secrets = match given {
                Given::Field(..) | Given::Said => return,
                Given::Computed(assign) => assign.value.as_ref().map(|v| of_operand(v, of)),
                Given::Result(call) | Given::Kept(call) => {
                    let answer = call.action.as_deref().map(answer);
                    if call.each.is_some() { answer.map(|a| a.under(None)) } else { answer }
                }
                Given::Findings(search) => {
                    let all = search.using.iter().filter_map(|(a, _)| a.as_deref());
                    Some(all.fold(Secrets::default(), |all, a| all.join(&answer(a).under(Some(&a.id.to_string())))))
                }
                Given::Returned(run) => run.journey.as_ref().and_then(|j| self.results.get(&j.slug.name)).cloned(),
                Given::Picked(_) => None,
            };
            see(name, secrets.unwrap_or_default());
        });
    }
}

fn callee(kind: &StepKind) -> Option<&Arc<Journey>> {
    match kind {
        StepKind::Run(run) => run.journey.as_ref(),
        _ => None,
    }
}

/// What a root's member may hold, if `holds` says which variables hold anything.
pub fn member(variables: &Variables, own: &[Secrets], root: Root, key: Option<&str>, holds: &dyn Fn(Var) -> bool) -> Secrets {
    let of = |v: Var| own.get(v).filter(|_| holds(v)).cloned().unwrap_or_default();
    match (root, key) {
        (Root::Variables, Some(key)) => variables.named(key).map(of).unwrap_or_default(),
        (Root::Variables, None) => (0..variables.len()).fold(Secrets::default(), |all, v| all.join(&of(v).under(Some(variables.name(v))))),
        _ => Secrets::default(),
    }
}

fn result(journey: &Journey, of: Of<'_>) -> Secrets {
    let results = journey.steps.iter().filter_map(|s| match &s.kind {
        StepKind::Done(done) => Some(&done.result),
        _ => None,
    });
    results.flatten().fold(Secrets::default(), |all, (key, value)| all.join(&of_operand(value, of).under(Some(key))))
}

/// What of an operand's value may be sensitive.
pub fn of_operand(operand: &Operand, of: Of<'_>) -> Secrets {
    match operand {
        Operand::Literal(_) => Secrets::default(),
        Operand::Expr(program) => program.secrets(of),
        Operand::Template(template) => {
            if said(template, of).is_empty() {
                Secrets::default()
            } else {
                Secrets::whole()
            }
        }
        Operand::List(items) => items.iter().fold(Secrets::default(), |all, i| all.join(&of_operand(i, of).under(None))),
        Operand::Map(all) => all.iter().fold(Secrets::default(), |found, (k, o)| found.join(&of_operand(o, of).under(Some(k)))),
    }
}

/// The sensitive reads that a template puts into its text unmasked: where the tag stands, and the first key.
pub fn said<'t>(template: &'t Template, of: Of<'_>) -> Vec<(usize, Root, Option<&'t Arc<str>>)> {
    let mut found = Vec::new();
    for (start, root, path) in template.says() {
        let (key, rest) = match path.split_first() {
            Some((Segment::Key(key), rest)) => (Some(key), rest),
            _ => (None, path),
        };
        let whole = of(root, key.map(|k| &**k));
        let last = rest.len().saturating_sub(1);
        let secrets = rest.iter().enumerate().fold(whole, |s, (i, segment)| match segment {
            Segment::Key(key) => s.member(key),
            Segment::Any if i == last => s.any_member(),
            Segment::Any => s.element(),
        });
        if secrets.is_certain() {
            found.push((start, root, key));
        }
    }
    found
}

/// What of an action's answer is sensitive, cut to its fields.
pub fn answer(action: &Action) -> Secrets {
    let all = action.safety.redact.iter().fold(Secrets::default(), |all, path| match path {
        RedactPath::Response(path) => all.join(&Secrets::at(path)),
        RedactPath::Anywhere(name) => all.join(&Secrets::named(name)),
        RedactPath::Inputs(_) => all,
    });
    if action.output.is_empty() || all.is_clean() {
        return all;
    }
    let plain = |kind: FieldType| !matches!(kind, FieldType::Object | FieldType::Array | FieldType::Any);
    let fields: Vec<(&str, bool)> = action.output.iter().map(|f| (&*f.name, plain(f.kind))).collect();
    all.cut(&fields)
}

/// What of an action's inputs it says itself to be sensitive.
pub fn declared(action: &Action) -> Secrets {
    action.safety.redact.iter().fold(Secrets::default(), |all, path| match path {
        RedactPath::Inputs(path) => all.join(&Secrets::at(path)),
        RedactPath::Anywhere(name) => all.join(&Secrets::named(name)),
        RedactPath::Response(_) => all,
    })
}

/// The inputs of a call that are given, mapped or found by name, with what of them is sensitive.
pub fn inputs<'a>(action: &'a Action, call: &'a Call, variables: &Variables, of: Of<'_>) -> Vec<(&'a Name, Secrets)> {
    let each = call.each.as_ref().map(|p| p.secrets(of).element()).unwrap_or_default();
    let of = |root: Root, key: Option<&str>| match (root, key) {
        (Root::Each, Some(key)) => each.member(key),
        (Root::Each, None) => each.clone(),
        _ => of(root, key),
    };
    let mut found: Vec<(&Name, Secrets)> = call.inputs.iter().map(|i| (&i.name, of_operand(&i.value, &of))).collect();
    for (name, _) in super::reads::inputs(action).filter(|(n, _)| !call.inputs.iter().any(|i| i.name == **n)) {
        let mapped = action.input_mappings.iter().find(|(n, _)| n == name).map(|(_, o)| of_operand(o, &of));
        let by_name = || if variables.var(name).is_some() { of(Root::Variables, Some(name.as_str())) } else { Secrets::default() };
        found.push((name, mapped.unwrap_or_else(by_name)));
    }
    found
}

/// Which variables may hold something sensitive, on some way.
pub struct Exposed<'a> {
    graph: &'a Graph<'a>,
    variables: &'a Variables,
    secrecy: &'a Secrecy,
    /// What each variable may hold.
    pub own: &'a [Secrets],
    fills: &'a Fills,
    /// The fields that are sensitive.
    fields: Bits,
}

impl<'a> Exposed<'a> {
    /// Of a journey.
    #[must_use]
    pub fn of(subject: &'a Subject<'_>, secrecy: &'a Secrecy, own: &'a [Secrets]) -> Self {
        let Subject { graph, variables, fills, .. } = subject;
        let mut fields = Bits::new(variables.len());
        for field in graph.journey.steps.iter().flat_map(parts::fields).filter(|f| f.datapoint.sensitive) {
            variables.var(&field.name).map(|v| fields.insert(v));
        }
        Self { graph, variables, secrecy, own, fills, fields }
    }

    /// What is sensitive and may be given while the run waits at a place: before it is asked for, too.
    #[must_use]
    pub fn given(&self, node: Node) -> Bits {
        let mut given = self.fills.in_place(node).unwrap_or_else(|| Bits::new(self.variables.len()));
        given.intersect(&self.fields);
        given
    }

    /// Calls `see` for each variable that a way assigns, in order, with whether it holds something sensitive then.
    pub fn moves(&self, edge: &Edge, held: &Bits, see: &mut dyn FnMut(Var, bool)) {
        let Some(step) = self.graph.step(edge.from) else { return };
        self.given(edge.from).iter().for_each(|v| see(v, true));
        if let StepKind::Collect(_) = &step.kind {
            for field in parts::fields(step).iter().filter(|f| f.datapoint.sensitive) {
                self.variables.var(&field.name).into_iter().for_each(|v| see(v, true));
            }
            return;
        }
        let answered = matches!(
            edge.way,
            Way::Written(EdgeKind::Continue | EdgeKind::Outcome(_) | EdgeKind::Unlisted(_) | EdgeKind::Verified | EdgeKind::NotVerified)
        );
        let calls = matches!(step.kind, StepKind::Action(_) | StepKind::Verify(_));
        if calls && !answered {
            return;
        }
        // Keys of one `set` see the earlier ones; what they hold by then is among what they may hold at all.
        let mut now = held.clone();
        if let StepKind::Set(all) = &step.kind {
            for assign in all {
                let of = |root: Root, key: Option<&str>| self.member(&now, root, key);
                let secret = assign.value.as_ref().is_some_and(|v| !of_operand(v, &of).is_clean());
                if let Some(v) = self.variables.var(&assign.name) {
                    if secret {
                        now.insert(v);
                    } else {
                        now.remove(v);
                    }
                    see(v, secret);
                }
            }
            return;
        }
        let of = |root: Root, key: Option<&str>| self.member(held, root, key);
        self.secrecy.assigned(step, &of, &mut |name, secrets| {
            if let Some(v) = self.variables.var(name) {
                see(v, !secrets.is_clean());
            }
        });
    }

    /// What a root's member may hold where these variables hold something.
    #[must_use]
    pub fn member(&self, held: &Bits, root: Root, key: Option<&str>) -> Secrets {
        member(self.variables, self.own, root, key, &|v| held.contains(v))
    }
}

impl Analysis for Exposed<'_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        // Whoever starts it may give any field.
        let mut held = self.fields.clone();
        for input in &self.graph.journey.inputs {
            if let Some(v) = self.variables.var(&input.name).filter(|v| self.own.get(*v).is_some_and(|s| !s.is_clean())) {
                held.insert(v);
            }
        }
        held
    }

    fn along(&self, _: usize, edge: &Edge, held: &mut Bits) {
        let before = held.clone();
        self.moves(edge, &before, &mut |v, secret| {
            if secret {
                held.insert(v);
            } else {
                held.remove(v);
            }
        });
    }

    fn meet(&self, held: &mut Bits, other: &Bits) -> bool {
        held.unite(other)
    }
}
