//! `WP0401`: a variable that is read where it may be unset.
//!
//! Reads that have one cause, the way on which the variable was not set, are one finding: the first of them, with the shortest path
//! that leads there.

use std::collections::BTreeMap;

use crate::check::changes::Change;
use crate::check::flow::{Bits, Node, Turn, Way, Witnesses};
use crate::check::parts::{self, Part};
use crate::check::reads::{self, By, VarRead};
use crate::check::subject::Subject;
use crate::check::variables::Var;
use crate::model::graph::EdgeKind;
use crate::model::step::StepKind;
use crate::source::{Code, Diagnostic, Diagnostics, Span, did_you_mean};
use crate::value::Name;

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let mut unset = Unset { subject, never: BTreeMap::new(), maybe: BTreeMap::new(), witnesses: BTreeMap::new() };
    for (id, step) in subject.journey.iter() {
        let node = Node(id.0);
        let Some(Some(set)) = subject.set.get(node.index()) else { continue };
        let mut set = set.clone();
        if let StepKind::Set(_) = &step.kind {
            parts::of_step(step, &mut |part| match part {
                Part::Assigns(name, value) => {
                    if let Some(v) = subject.variables.var(name) {
                        if value.is_some() {
                            set.insert(v);
                        } else {
                            set.remove(v);
                        }
                    }
                }
                Part::Reads(..) | Part::Names(..) => reads::of_part(&part, &mut |r| unset.read(node, &mut set, r)),
            });
        } else {
            reads::of_step(step, &|n| subject.variables.var(n).is_some(), &mut |r| unset.read(node, &mut set, r));
        }
    }
    let fallback = subject.graph.fallback();
    if let Some(Some(set)) = subject.set.get(fallback.index()) {
        let mut set = set.clone();
        parts::of_fallback(&subject.journey.fallback, &mut |p| reads::of_part(&p, &mut |r| unset.read(fallback, &mut set, r)));
    }
    unset.tell(found);
}

/// Where a variable is read.
struct Place {
    node: Node,
    span: Span,
    by: By,
    path: Vec<usize>,
}

/// Why a variable has no value: the last way that might have given it one, or the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Start,
    Way(usize),
}

struct Unset<'a> {
    subject: &'a Subject<'a>,
    never: BTreeMap<Name, Vec<Place>>,
    maybe: BTreeMap<(Var, Cause), Vec<Place>>,
    witnesses: BTreeMap<Var, Witnesses>,
}

impl Unset<'_> {
    fn read(&mut self, node: Node, set: &mut Bits, read: VarRead) {
        let Some(name) = read.name.filter(|_| !read.guarded) else { return };
        if self.subject.poison.covers(read.span.file, &name) {
            return;
        }
        let place = |path| Place { node, span: read.span, by: read.by, path };
        let Some(var) = self.subject.variables.var(&name) else {
            if !self.subject.has_broken_steps() {
                self.never.entry(name).or_default().push(place(Vec::new()));
            }
            return;
        };
        if set.contains(var) || self.is_shown_as_not_given(node, &name, read.span) {
            return;
        }
        set.insert(var);
        let subject = self.subject;
        let witness = self.witnesses.entry(var).or_insert_with(|| {
            let given = subject.journey.inputs.iter().any(|i| i.required && i.name == name);
            Witnesses::search(&subject.graph, !given, |number, _| turn(subject, var, number))
        });
        let path = witness.path(&subject.graph, node).unwrap_or_default();
        let blame = |n: &usize| turn(subject, var, *n) == Turn::Bad || self.might_set(var, *n);
        let cause = path.iter().rev().copied().find(blame).map_or(Cause::Start, Cause::Way);
        self.maybe.entry((var, cause)).or_default().push(place(path));
    }

    /// Whether a confirm lists there a field that the user may leave out: it says so where there is no value.
    fn is_shown_as_not_given(&self, node: Node, name: &Name, span: Span) -> bool {
        let listed = match self.subject.graph.step(node).map(|s| &s.kind) {
            Some(StepKind::Confirm(confirm)) => confirm.fields.iter().any(|f| f.span == span),
            _ => false,
        };
        let optional = |kind: &StepKind| matches!(kind, StepKind::Collect(c) if c.optional.iter().any(|f| f.name == *name));
        listed && self.subject.journey.iter().any(|(_, step)| optional(&step.kind))
    }

    /// Whether the step that this way leaves sets the variable on another way, or may have on this one.
    fn might_set(&self, var: Var, number: usize) -> bool {
        let graph = &self.subject.graph;
        let Some(edge) = graph.edges().get(number) else { return false };
        let sets = |n: usize| self.subject.changes.along(graph, n).any(|c| c == Change::Set(var) || c == Change::MaybeSet(var));
        graph.out_range(edge.from).any(sets)
    }

    fn tell(self, found: &mut Diagnostics) {
        let subject = self.subject;
        for (name, places) in &self.never {
            let Some((first, more)) = places.split_first() else { continue };
            let near = did_you_mean(name.as_str(), subject.variables.names());
            let help = match near {
                Some(near) => format!("write `{near}`"),
                None => format!("collect `{name}` before, or `set` it"),
            };
            let message = format!("`{name}` is read but nothing in this journey sets it");
            found.push(with_others(Diagnostic::new(Code::WP0401, first.span, message).help(help), more));
        }
        for ((var, cause), places) in &self.maybe {
            let Some((first, more)) = places.split_first() else { continue };
            let name = subject.variables.name(*var);
            let message = match (first.by, subject.graph.step(first.node).map(|s| &s.kind)) {
                (By::Input, Some(StepKind::Action(_) | StepKind::Verify(_))) => {
                    format!("`{name}` may be unset here, and this action requires it")
                }
                (By::Action, _) => format!("`{name}` may be unset here, and this action reads it"),
                _ => format!("`{name}` may be unset here"),
            };
            let mut d = Diagnostic::new(Code::WP0401, first.span, message)
                .here(self.why(name, *cause))
                .path(subject.path(&first.path, first.node))
                .help(match first.by {
                    By::Input => format!("set `{name}` on that path too, or give the input: `inputs: {{{name}: …}}`"),
                    By::Step | By::Action => {
                        format!("set `{name}` on that path too, or guard it: `has($variables.{name})`, in a template `{{% if variables.{name} %}}`")
                    }
                });
            if let Some((_, set)) = subject.variables.origins(*var).first() {
                d = d.label(*set, "set here");
            }
            found.push(with_others(d, more));
        }
    }

    /// What the primary place shows: on which way the variable did not get its value.
    fn why(&self, name: &str, cause: Cause) -> String {
        let graph = &self.subject.graph;
        let Some(edge) = (match cause {
            Cause::Start => None,
            Cause::Way(n) => graph.edges().get(n),
        }) else {
            return format!("a run can come here without setting `{name}`");
        };
        let step = self.subject.key(edge.from);
        match &edge.way {
            Way::Written(EdgeKind::Error(kind)) => format!("not set when `{step}` ends with error `{}`", kind.as_str()),
            Way::Written(EdgeKind::ErrorDefault) => format!("not set when `{step}` fails"),
            Way::Written(EdgeKind::Exhausted) => format!("not set when the tries of `{step}` are used up"),
            Way::Written(EdgeKind::AnyOf(_)) => format!("not set when `{step}` goes on with other fields"),
            Way::Written(EdgeKind::Outcome(o)) => format!("not set when `{step}` ends with `{o}`"),
            Way::Written(EdgeKind::NoFinding) => format!("not set when `{step}` finds nothing"),
            Way::Written(EdgeKind::NotVerified) => format!("not set when `{step}` had too many tries"),
            Way::Written(EdgeKind::Freeform) => format!("not set when `{step}` gets another answer"),
            Way::Written(EdgeKind::Goto) => format!("cleared by the `goto` at `{step}`, which asks again"),
            Way::Fallback => format!("not set when `{step}` cannot go on"),
            Way::Written(_) if matches!(graph.step(edge.from).map(|s| &s.kind), Some(StepKind::Collect(_))) => {
                format!("optional in `{step}`")
            }
            Way::Written(_) | Way::Ended | Way::Correction => format!("not set by `{step}`"),
        }
    }
}

fn turn(subject: &Subject<'_>, var: Var, number: usize) -> Turn {
    subject.changes.along(&subject.graph, number).fold(Turn::Keep, |turn, change| match change {
        Change::Set(v) | Change::Assumed(v) if v == var => Turn::Good,
        Change::Unset(v) if v == var => Turn::Bad,
        _ => turn,
    })
}

fn with_others(mut d: Diagnostic, more: &[Place]) -> Diagnostic {
    for place in more.iter().filter(|p| p.span.file == d.span.file).take(3).map(|p| p.span).collect::<Vec<_>>() {
        d = d.label(place, "and read here");
    }
    d
}
