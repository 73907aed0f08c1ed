//! `set`: keys in order, each sees the earlier ones; a literal `null` unsets.

use crate::engine::event::EventBody;
use crate::engine::operand;
use crate::engine::turn::{Go, Turn};
use crate::model::Step;
use crate::model::step::Assign;
use crate::supervise::Origin;
use crate::value::Value;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, step: &Step, assigns: &[Assign]) -> Go {
    for assign in assigns {
        let Some(value) = &assign.value else {
            turn.emit(EventBody::Unset { name: assign.name.clone() });
            continue;
        };
        let from = operand::sources(value, turn.state.top().map(|r| &*r.variables));
        turn.judge_made(assign.name.as_str(), value, "");
        let known = if turn.is_hidden(value, &turn.view()) { turn.recall.assigned(&assign.name) } else { None };
        let result = known.map_or_else(|| operand::value(value, &turn.view(), operand::Missing::Nothing), Ok);
        let value = match result {
            Ok(value) => value,
            Err(fault) => {
                turn.note(format!("`{}` could not be computed: {fault}", assign.name));
                Value::default()
            }
        };
        turn.assign(&assign.name, value, Origin::Computed, from);
    }
    Go::next(step)
}
