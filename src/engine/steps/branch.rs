//! `if`: a failing expression takes `else` and is traced.

use crate::engine::turn::{Go, Turn};
use crate::model::step::If;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, branch: &If) -> Go {
    let result = turn.test(&branch.condition, &turn.view());
    match result {
        Ok(true) => Go::via(branch.then, "then"),
        Ok(false) => Go::via(branch.otherwise, "else"),
        Err(fault) => {
            turn.note(format!("the condition `{}` failed: {}", branch.condition.text().value, fault.message));
            Go::via(branch.otherwise, "else")
        }
    }
}
