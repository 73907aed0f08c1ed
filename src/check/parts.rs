//! What a step reads, in the order the engine comes to it, and what it gives to variables: two walks that every rule shares.

use std::sync::LazyLock;

use crate::expr::Program;
use crate::model::journey::Fallback;
use crate::model::step::{Assign, Call, Choice, ChoiceFrom, Field, Investigate, Operand, Run, Step, StepKind, Verify};
use crate::source::Span;
use crate::template::Template;
use crate::value::Name;

/// The variable that takes what is said freely at a choice.
pub static FREEFORM: LazyLock<Name> = LazyLock::new(|| Name::new("freeform"));

/// Something that reads.
#[derive(Debug, Clone, Copy)]
pub enum Reader<'a> {
    /// An expression.
    Expr(&'a Program),
    /// A template.
    Template(&'a Template),
}

impl<'a> Reader<'a> {
    /// Every path it reads, in order.
    pub fn reads(self) -> &'a [crate::expr::Read] {
        match self {
            Self::Expr(p) => p.reads(),
            Self::Template(t) => t.reads(),
        }
    }

    /// Where a part of it stands.
    pub fn part(self, range: &std::ops::Range<usize>) -> Span {
        match self {
            Self::Expr(p) => p.text().part(range),
            Self::Template(t) => t.text().part(range),
        }
    }
}

/// One thing that a step does with names or values, in its order.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// It evaluates or renders this.
    Reads(Reader<'a>, Role),
    /// It shows a variable, which it names.
    Names(&'a Name, Span),
    /// It assigns, in the middle of a step (`set`): `None` unsets.
    Assigns(&'a Name, Option<&'a Operand>),
}

/// What a part is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Data, a message, a condition: a variable that it reads should be set.
    Value,
    /// The condition of an `if`.
    Condition,
    /// The prompt of a collect, which may speak of the fields that are being collected.
    Asking,
    /// What goes along with a hand-over: whatever there is.
    Include,
}

/// What a step may give a variable.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// A field that it asks for, and whether it cannot be left without it.
    Field(&'a Field, bool),
    /// What a call comes to.
    Result(&'a Call),
    /// The same, kept by the action itself.
    Kept(&'a Call),
    /// Which option was chosen.
    Picked(&'a Choice),
    /// What was said in place of an option.
    Said,
    /// What was found out.
    Findings(&'a Investigate),
    /// What another journey gives back.
    Returned(&'a Run),
    /// What a `set` computes.
    Computed(&'a Assign),
}

/// Calls `see` for every variable that a step may give a value: what names it, where, and what it gets.
pub fn given<'a>(step: &'a Step, see: &mut dyn FnMut(&'a Name, Span, Given<'a>)) {
    let saved = |name: &'a Option<Name>, span: Option<Span>| name.as_ref().zip(span);
    match &step.kind {
        StepKind::Collect(c) => {
            for f in fields(step) {
                let required = c.any_of.is_empty() && !c.optional.iter().any(|o| o.name == f.name);
                see(&f.name, f.span, Given::Field(f, required));
            }
        }
        StepKind::Action(call) | StepKind::Verify(Verify { call, .. }) => {
            if let Some((name, span)) = saved(&call.save_as, call.save_span) {
                see(name, span, Given::Result(call));
            }
            if let Some(name) = call.action.as_ref().and_then(|a| a.output_datapoint.as_ref()) {
                see(name, call.call_span, Given::Kept(call));
            }
        }
        StepKind::Choice(c) => {
            if let Some((name, span)) = saved(&c.save_as, c.save_span) {
                see(name, span, Given::Picked(c));
            }
            if c.freeform {
                see(&FREEFORM, step.span, Given::Said);
            }
        }
        StepKind::Investigate(i) => {
            if let Some((name, span)) = saved(&i.save_as, i.save_span) {
                see(name, span, Given::Findings(i));
            }
        }
        StepKind::Run(r) => {
            if let Some((name, span)) = saved(&r.save_as, r.save_span) {
                see(name, span, Given::Returned(r));
            }
        }
        StepKind::Set(all) => {
            for a in all {
                see(&a.name, a.span, Given::Computed(a));
            }
        }
        StepKind::Confirm(_)
        | StepKind::Guide(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Goto(_)
        | StepKind::Done(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => {}
    }
}

/// Calls `see` for every part of a step.
pub fn of_step<'a>(step: &'a Step, see: &mut dyn FnMut(Part<'a>)) {
    match &step.kind {
        StepKind::Collect(c) => {
            templates([&c.prompt, &c.retry_message], Role::Asking, see);
        }
        StepKind::Action(call) => of_call(call, see),
        StepKind::Verify(v) => {
            of_call(&v.call, see);
            if let Some(p) = &v.subject {
                see(Part::Reads(Reader::Expr(p), Role::Value));
            }
        }
        StepKind::Choice(c) => {
            templates([&c.prompt], Role::Value, see);
            if let Some(ChoiceFrom::Expr(p)) = &c.from {
                see(Part::Reads(Reader::Expr(p), Role::Value));
            }
            for o in &c.options {
                see(Part::Reads(Reader::Template(&o.label), Role::Value));
            }
        }
        StepKind::Confirm(c) => {
            templates([&c.message], Role::Value, see);
            for f in &c.fields {
                see(Part::Names(&f.name, f.span));
            }
        }
        StepKind::Guide(g) => {
            for i in &g.steps {
                if let Some(p) = &i.unless {
                    see(Part::Reads(Reader::Expr(p), Role::Condition));
                }
                see(Part::Reads(Reader::Template(&i.say), Role::Value));
            }
        }
        StepKind::Say(t) => see(Part::Reads(Reader::Template(t), Role::Value)),
        StepKind::If(i) => see(Part::Reads(Reader::Expr(&i.condition), Role::Condition)),
        StepKind::Set(all) => {
            for a in all {
                if let Some(o) = &a.value {
                    of_operand(o, Role::Value, see);
                }
                see(Part::Assigns(&a.name, a.value.as_ref()));
            }
        }
        StepKind::Run(r) => {
            for i in &r.with {
                of_operand(&i.value, Role::Value, see);
            }
        }
        StepKind::Done(d) => {
            templates([&d.message], Role::Value, see);
            for (_, o) in &d.result {
                of_operand(o, Role::Value, see);
            }
        }
        StepKind::Escalate(e) => {
            templates([&e.reason, &e.message], Role::Value, see);
            for p in &e.include {
                see(Part::Reads(Reader::Expr(p), Role::Include));
            }
        }
        StepKind::Investigate(_) | StepKind::Goto(_) | StepKind::Broken => {}
    }
}

/// Calls `see` for every part of a journey's fallback.
pub fn of_fallback<'a>(fallback: &'a Fallback, see: &mut dyn FnMut(Part<'a>)) {
    templates([&fallback.message, &fallback.reason], Role::Value, see);
}

/// Every field that a step may ask for.
pub fn fields(step: &Step) -> Vec<&Field> {
    let StepKind::Collect(c) = &step.kind else { return Vec::new() };
    let sets = c.any_of.iter().flat_map(|a| &a.fields);
    c.fields.iter().chain(&c.optional).chain(sets).collect()
}

fn of_call<'a>(call: &'a Call, see: &mut dyn FnMut(Part<'a>)) {
    if let Some(p) = &call.each {
        see(Part::Reads(Reader::Expr(p), Role::Value));
    }
    for i in &call.inputs {
        of_operand(&i.value, Role::Value, see);
    }
}

/// Calls `see` for every expression and template of a value.
pub fn of_operand<'a>(operand: &'a Operand, role: Role, see: &mut dyn FnMut(Part<'a>)) {
    let mut open = vec![operand];
    while let Some(operand) = open.pop() {
        match operand {
            Operand::Literal(_) => {}
            Operand::Expr(p) => see(Part::Reads(Reader::Expr(p), role)),
            Operand::Template(t) => see(Part::Reads(Reader::Template(t), role)),
            Operand::List(all) => open.extend(all.iter().rev()),
            Operand::Map(all) => open.extend(all.iter().rev().map(|(_, o)| o)),
        }
    }
}

fn templates<'a, const N: usize>(all: [&'a Option<Template>; N], role: Role, see: &mut dyn FnMut(Part<'a>)) {
    for t in all.into_iter().flatten() {
        see(Part::Reads(Reader::Template(t), role));
    }
}
