//! `say`: what it says goes with the next prompt.

use crate::engine::turn::{Go, Turn};
use crate::model::Step;
use crate::template::Template;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, step: &Step, template: &Template) -> Go {
    turn.say_template(template);
    Go::next(step)
}
