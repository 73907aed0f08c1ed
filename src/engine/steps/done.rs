//! `done`: the run ends with an outcome and a result, or waits for the next message.

use crate::engine::event::EventBody;
use crate::engine::operand::{self, Missing};
use crate::engine::turn::{Go, Turn};
use crate::model::step::Done;
use crate::value::{Json, Taint, Value};

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, done: &Done) -> Go {
    if let Some(message) = &done.message
        && !turn.say_template(message)
    {
        return super::say::unsaid();
    }
    if done.pause_for_resume {
        turn.emit(EventBody::Paused);
        return Go::Wait;
    }
    Go::End(done.outcome.shown.clone(), result(turn, done))
}

pub(in crate::engine) fn result(turn: &mut Turn<'_>, done: &Done) -> Option<Value> {
    if done.result.is_empty() {
        return None;
    }
    let mut map = serde_json::Map::new();
    let mut taint = Taint::default();
    for (key, operand) in &done.result {
        turn.computes(operand);
        turn.judge_made(key, operand, "");
        let value = operand::value(operand, &turn.view(), Missing::Nothing);
        match value {
            Ok(value) => {
                taint = taint.join(&value.taint.under(Some(key)));
                map.insert(key.to_string(), (*value.json).clone());
            }
            Err(fault) => {
                turn.note(format!("the result `{key}` could not be computed: {fault}"));
                map.insert(key.to_string(), Json::Null);
            }
        }
    }
    Some(Value { json: Json::Object(map).into(), taint })
}
