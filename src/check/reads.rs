//! Which variables a step reads: in its own expressions and templates, by listing them, and by calling an action that takes them.

use crate::expr::Root;
use crate::model::Action;
use crate::model::action::EndpointPart;
use crate::model::step::{Call, Step, StepKind};
use crate::source::Span;
use crate::value::Name;

use super::parts::{self, Part, Reader, Role};

/// One read of a variable.
#[derive(Debug, Clone)]
pub struct VarRead {
    /// The variable; `None` if it is all of them (`size($variables)`).
    pub name: Option<Name>,
    /// Where the read is written.
    pub span: Span,
    /// Whether it may be unset here: the author asked, or it does no harm.
    pub guarded: bool,
    /// Who reads.
    pub by: By,
}

/// Who reads a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The step itself, where it says so.
    Step,
    /// The action that the step calls, in its own file.
    Action,
    /// The action, by having an input of that name which nothing else gives.
    Input,
}

/// The reads of one expression or template.
pub fn of_reader(reader: Reader<'_>, role: Role) -> impl Iterator<Item = VarRead> + '_ {
    reader.reads().iter().filter(|r| r.root == Root::Variables).map(move |r| VarRead {
        name: r.keys.first().map(Name::of),
        span: reader.part(&r.range),
        guarded: r.guarded || r.keys.is_empty() || role == Role::Include,
        by: By::Step,
    })
}

/// Calls `see` for every read of one part that stands by itself.
pub fn of_part(part: &Part<'_>, see: &mut dyn FnMut(VarRead)) {
    match part {
        Part::Reads(reader, role) => of_reader(*reader, *role).for_each(see),
        Part::Names(name, span) => see(VarRead { name: Some((*name).clone()), span: *span, guarded: false, by: By::Step }),
        Part::Assigns(..) => {}
    }
}

/// Calls `see` for every read of a step, in its order. `is_variable` says which names are variables of the journey.
pub fn of_step(step: &Step, is_variable: &dyn Fn(&Name) -> bool, see: &mut dyn FnMut(VarRead)) {
    let own = parts::fields(step);
    parts::of_step(step, &mut |part| match part {
        Part::Reads(reader, role) => {
            for mut read in of_reader(reader, role) {
                if role == Role::Asking {
                    read.guarded |= own.iter().any(|f| Some(&f.name) == read.name.as_ref());
                }
                see(read);
            }
        }
        Part::Names(..) | Part::Assigns(..) => of_part(&part, see),
    });
    for field in &own {
        for read in field.datapoint.prompt.iter().flat_map(|p| of_reader(Reader::Template(p), Role::Asking)) {
            // A datapoint's prompt is shared by journeys: what one of them does not have renders as nothing.
            see(VarRead { span: field.span, guarded: true, ..read });
        }
    }
    match &step.kind {
        StepKind::Action(call) => of_call(call, is_variable, see),
        StepKind::Verify(v) => of_call(&v.call, is_variable, see),
        StepKind::Investigate(i) => {
            for (name, span) in
                i.using.iter().filter_map(|(a, s)| Some((a.as_ref()?, *s))).flat_map(|(a, s)| inputs(a).map(move |(n, _)| (n, s)))
            {
                see(VarRead { name: Some(name.clone()), span, guarded: true, by: By::Input });
            }
        }
        _ => {}
    }
}

fn of_call(call: &Call, is_variable: &dyn Fn(&Name) -> bool, see: &mut dyn FnMut(VarRead)) {
    let Some(action) = &call.action else { return };
    let given = |name: &Name| call.inputs.iter().any(|i| i.name == *name);
    let mapped = |name: &Name| action.input_mappings.iter().any(|(n, _)| n == name);
    let span = call.call_span;
    for (name, required) in inputs(action) {
        if !given(name) && !mapped(name) && is_variable(name) {
            see(VarRead { name: Some(name.clone()), span, guarded: !required, by: By::Input });
        }
    }
    let mut read = |reader: Reader<'_>, lenient: bool| {
        for read in of_reader(reader, Role::Value) {
            see(VarRead { span, guarded: read.guarded || lenient, by: By::Action, ..read });
        }
    };
    let mut see_part = |part: Part<'_>, lenient| {
        if let Part::Reads(reader, _) = part {
            read(reader, lenient);
        }
    };
    for (_, mapping) in action.input_mappings.iter().filter(|(n, _)| !given(n)) {
        // A mapping that gives nothing leaves the input to what comes after it.
        parts::of_operand(mapping, Role::Value, &mut |p| see_part(p, true));
    }
    let call = &action.invocation;
    for (_, o) in call.headers.iter().chain(&call.query) {
        // An expression that is `null` leaves the header out; a template with something undefined is an error.
        parts::of_operand(o, Role::Value, &mut |p| see_part(p, matches!(p, Part::Reads(Reader::Expr(_), _))));
    }
    if let Some(o) = &call.body {
        parts::of_operand(o, Role::Value, &mut |p| see_part(p, matches!(p, Part::Reads(Reader::Expr(_), _))));
    }
    if let Some(t) = &action.safety.idempotency_key {
        read(Reader::Template(t), false);
    }
    for o in &action.outcomes {
        if let Some(p) = &o.condition {
            read(Reader::Expr(p), true);
        }
    }
}

/// The inputs of an action, and whether each must be there: those of its schema, and the parameters of its endpoint.
pub fn inputs(action: &Action) -> impl Iterator<Item = (&Name, bool)> {
    let declared = action.inputs.iter().map(|i| (&i.name, i.required));
    let parameters = action.invocation.endpoint.iter().filter_map(|p| match p {
        EndpointPart::Param(name, _) => Some((name, true)),
        EndpointPart::Literal(_) => None,
    });
    declared.chain(parameters.filter(|(n, _)| !action.inputs.iter().any(|i| i.name == **n)))
}
