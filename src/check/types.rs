//! What is known of the values of a journey before it runs: the types of its variables, and which roots mean something where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::parts::{self, Given};
use super::variables::{Var, Variables};
use crate::expr::{Record, Root, Type, TypeEnv};
use crate::model::action::FieldType;
use crate::model::datapoint::{Datapoint, DatapointType};
use crate::model::step::{Operand, Run, StepKind};
use crate::model::{Action, Journey};
use crate::value::{Json, Name};

/// The types of a journey's variables: each holds for all that any step assigns.
#[derive(Debug)]
pub struct Types<'a> {
    variables: &'a Variables,
    of: Vec<Option<Type>>,
}

/// What an expression of a journey can see.
pub struct Env<'a> {
    types: &'a Types<'a>,
    /// The type of `$each`, where there is one.
    pub each: Option<Type>,
    /// The action of a `verify`, whose `subject` sees its response and inputs.
    pub answers: Option<&'a Action>,
}

/// What an expression of an action can see.
pub struct ActionEnv<'a> {
    /// The action.
    pub action: &'a Action,
    /// Whether there is an answer to look at.
    pub answered: bool,
}

impl<'a> Types<'a> {
    /// Finds them. What a `set` computes depends on other variables, so it is looked at twice: what is not known then stays unknown.
    #[must_use]
    pub fn of(journey: &Journey, variables: &'a Variables) -> Self {
        let mut types = Self { variables, of: vec![None; variables.len()] };
        let mut found = Self { variables, of: vec![None; variables.len()] };
        for pass in 0..2 {
            found = Self { variables, of: vec![None; variables.len()] };
            for input in &journey.inputs {
                found.join(&input.name, of_datapoint(&input.datapoint));
            }
            for step in &journey.steps {
                parts::given(step, &mut |name, _, given| {
                    if let Some(of) = of_given(given, &types, pass > 0) {
                        found.join(name, of);
                    }
                });
            }
            types.of.clone_from(&found.of);
        }
        found
    }

    /// The type of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Type {
        self.variables.named(name).and_then(|v: Var| self.of.get(v).cloned().flatten()).unwrap_or(Type::Any)
    }

    /// What the expressions of a step can see.
    #[must_use]
    pub fn env(&self) -> Env<'_> {
        Env { types: self, each: None, answers: None }
    }

    fn join(&mut self, name: &Name, new: Type) {
        let Some(slot) = self.variables.var(name).and_then(|v| self.of.get_mut(v)) else { return };
        *slot = Some(match slot.take() {
            Some(old) => old.or(new),
            None => new,
        });
    }
}

impl TypeEnv for Env<'_> {
    fn has(&self, root: Root) -> bool {
        match root {
            Root::User | Root::Variables | Root::Outcome | Root::Now | Root::Conversation => true,
            Root::Each => self.each.is_some(),
            Root::Response | Root::Inputs => self.answers.is_some(),
            Root::Entity | Root::Event | Root::Primitives => false,
        }
    }

    fn member(&self, root: Root, key: &str) -> Option<Type> {
        match root {
            // What nothing sets is said by the rule of unset variables.
            Root::Variables => Some(self.types.get(key)),
            _ => of_member(root, key, self.answers),
        }
    }

    fn whole(&self, root: Root) -> Type {
        match root {
            Root::Each => self.each.clone().unwrap_or(Type::Any),
            _ => of_root(root),
        }
    }

    fn members(&self, root: Root) -> Vec<Arc<str>> {
        match root {
            Root::Variables => self.types.variables.names().map(Into::into).collect(),
            _ => members_of(root, self.answers),
        }
    }
}

impl TypeEnv for ActionEnv<'_> {
    fn has(&self, root: Root) -> bool {
        root != Root::Each && (self.answered || root != Root::Response)
    }

    fn member(&self, root: Root, key: &str) -> Option<Type> {
        of_member(root, key, Some(self.action))
    }

    fn whole(&self, root: Root) -> Type {
        of_root(root)
    }

    fn members(&self, root: Root) -> Vec<Arc<str>> {
        members_of(root, Some(self.action))
    }
}

fn of_root(root: Root) -> Type {
    match root {
        Root::Outcome => Type::Text,
        Root::Now => Type::Timestamp,
        Root::User | Root::Variables | Root::Conversation | Root::Response | Root::Inputs => Type::Map(Arc::new(Type::Any)),
        Root::Each | Root::Entity | Root::Event | Root::Primitives => Type::Any,
    }
}

fn of_member(root: Root, key: &str, action: Option<&Action>) -> Option<Type> {
    match (root, key) {
        (Root::Response, "status") => Some(Type::Number),
        (Root::Response, "headers") => Some(Type::Map(Arc::new(Type::Text))),
        (Root::Response, "body") => Some(Type::Any),
        (Root::Response, _) => None,
        (Root::Inputs, _) => {
            let name = Name::new(key);
            let action = action?;
            let declared = action.inputs.iter().find(|i| i.name == name).map(|i| of_field(i.kind));
            declared.or_else(|| super::reads::inputs(action).any(|(n, _)| *n == name).then_some(Type::Any))
        }
        _ => Some(Type::Any),
    }
}

fn members_of(root: Root, action: Option<&Action>) -> Vec<Arc<str>> {
    match root {
        Root::Response => ["status", "headers", "body"].map(Arc::from).to_vec(),
        Root::Inputs => action.into_iter().flat_map(super::reads::inputs).map(|(n, _)| n.as_str().into()).collect(),
        Root::User
        | Root::Variables
        | Root::Outcome
        | Root::Now
        | Root::Conversation
        | Root::Each
        | Root::Entity
        | Root::Event
        | Root::Primitives => Vec::new(),
    }
}

/// The type of what an author wrote.
#[must_use]
pub fn of_operand(operand: &Operand, env: &dyn TypeEnv) -> Type {
    match operand {
        Operand::Literal(json) => of_json(json),
        Operand::Expr(program) => program.type_in(env),
        Operand::Template(_) => Type::Text,
        Operand::List(_) => Type::List(Arc::new(Type::Any)),
        Operand::Map(all) => {
            let members = all.iter().map(|(k, o)| (Arc::clone(k), if let Operand::Map(_) = o { Type::Any } else { of_operand(o, env) }));
            Type::Record(Arc::new(Record { members: members.collect(), open: false }))
        }
    }
}

fn of_json(json: &Json) -> Type {
    match json {
        Json::Null => Type::Null,
        Json::Bool(_) => Type::Bool,
        Json::Number(_) => Type::Number,
        Json::String(_) => Type::Text,
        Json::Array(_) => Type::List(Arc::new(Type::Any)),
        Json::Object(all) => {
            let members = all.iter().map(|(k, v)| (k.as_str().into(), if v.is_object() { Type::Any } else { of_json(v) })).collect();
            Type::Record(Arc::new(Record { members, open: false }))
        }
    }
}

/// The type of what a step gives a variable; what is computed is known once the other variables are.
fn of_given(given: Given<'_>, known: &Types<'_>, computed: bool) -> Option<Type> {
    Some(match given {
        Given::Field(field, _) => of_datapoint(&field.datapoint),
        Given::Result(call) => {
            let result = call.action.as_ref().map_or(Type::Any, |a| of_result(a));
            if call.each.is_some() { Type::List(Arc::new(result)) } else { result }
        }
        Given::Picked(choice) if choice.from.is_none() => Type::OneOf(choice.options.iter().map(|o| Arc::clone(&o.id.shown)).collect()),
        Given::Picked(_) | Given::Said => Type::Text,
        Given::Kept(_) | Given::Findings(_) => Type::Any,
        Given::Returned(run) => of_results(run),
        Given::Computed(assign) => {
            let value = assign.value.as_ref()?;
            if computed { of_operand(value, &known.env()) } else { Type::Any }
        }
    })
}

fn of_datapoint(datapoint: &Datapoint) -> Type {
    if datapoint.unread {
        return Type::Any;
    }
    match &datapoint.kind {
        DatapointType::String | DatapointType::Email | DatapointType::Phone | DatapointType::Date => Type::Text,
        DatapointType::Number => Type::Number,
        DatapointType::Boolean => Type::Bool,
        DatapointType::Enum(values) => Type::OneOf(values.iter().cloned().collect()),
        DatapointType::List(_) => Type::List(Arc::new(Type::Any)),
    }
}

/// The type of an input or a field of a result.
#[must_use]
pub fn of_field(kind: FieldType) -> Type {
    match kind {
        FieldType::String => Type::Text,
        FieldType::Number | FieldType::Integer => Type::Number,
        FieldType::Boolean => Type::Bool,
        FieldType::Object => Type::Map(Arc::new(Type::Any)),
        FieldType::Array => Type::List(Arc::new(Type::Any)),
        FieldType::Any => Type::Any,
    }
}

/// A result is cut to the declared fields, so there are no others.
fn of_result(action: &Action) -> Type {
    if action.output.is_empty() {
        return Type::Any;
    }
    let members: BTreeMap<Arc<str>, Type> = action.output.iter().map(|f| (Arc::clone(&f.name), of_field(f.kind))).collect();
    Type::Record(Arc::new(Record { members, open: false }))
}

/// What a journey that is run gives back, over all its ends.
fn of_results(run: &Run) -> Type {
    let Some(journey) = &run.journey else { return Type::Any };
    if journey.steps.iter().any(|s| matches!(s.kind, StepKind::Broken)) {
        return Type::Any;
    }
    let results = journey.steps.iter().filter_map(|s| match &s.kind {
        StepKind::Done(done) => Some(&done.result),
        _ => None,
    });
    let members = results.flatten().map(|(key, _)| (Arc::clone(key), Type::Any)).collect();
    Type::Record(Arc::new(Record { members, open: false }))
}
