//! `escalate`: the conversation goes to a person.

use std::sync::Arc;

use crate::engine::turn::{Go, Turn, lenient};
use crate::model::step::Escalate;
use crate::value::Value;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, escalate: &Escalate) -> Go {
    match &escalate.message {
        Some(message) if turn.say_template(message) => {}
        _ => turn.say("I am handing you over to a colleague."),
    }
    let reason = escalate.reason.as_ref().and_then(|t| turn.reason(t));
    let mut include: Vec<(Arc<str>, Value)> = Vec::new();
    for program in &escalate.include {
        let name = program.text().value.clone();
        let value = lenient(program, &turn.view());
        match value {
            Ok(value) => include.push((name, value)),
            Err(fault) => turn.note(format!("`{name}` could not be included: {fault}")),
        }
    }
    turn.escalate(escalate.to.clone(), reason, escalate.priority, include);
    Go::Wait
}
