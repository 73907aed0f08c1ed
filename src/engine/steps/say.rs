//! `say`: what it says goes with the next prompt.

use crate::engine::turn::{Go, Turn};
use crate::model::Step;
use crate::template::Template;

/// A message that cannot be said is no reason to leave the user without one: a person takes over.
pub(in crate::engine) fn unsaid() -> Go {
    Go::Fall("a message could not be said".into())
}

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, step: &Step, template: &Template) -> Go {
    if turn.say_template(template) { Go::next(step) } else { unsaid() }
}
