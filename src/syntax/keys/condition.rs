//! The keys of a condition (registry, 2). Parameters of strategies are checked where strategies are.

use super::super::shape::{Key, Object, Shape, may, must};

/// Events of conversations.
pub const EVENTS: &[&str] =
    &["conversation.completed", "conversation.escalated", "conversation.abandoned", "action.finished", "action.failed", "journey.started"];

const EVENT: Shape = Shape::OneOf(EVENTS);

/// A condition.
pub static CONDITION: Object = Object {
    what: "a condition",
    keys: &[
        must("condition_id", Shape::Word, "Its id."),
        must("version", Shape::Word, "Its version: what is registered under it never changes."),
        must("namespace", Shape::Word, "Whose it is."),
        may("description", Shape::Text, "What it is for."),
        may("on", Shape::Either(&[EVENT, Shape::List(&EVENT)]), "Events of conversations that evaluate it by themselves."),
        may("entity", Shape::Expression, "On an event: what it is evaluated for; the conversation if left out."),
        INPUT,
        must("strategy", Shape::Object(&STRATEGY), "How it decides."),
    ],
};

const INPUT: Key = may("input", Shape::Any, "What it decides over: a primitive, `billing.balance`, or an expression, `data.amount`.");

static STRATEGY: Object = Object {
    what: "a strategy",
    keys: &[
        must("type", Shape::Word, "`expression`, `threshold`, `equals`, `composite`, `change`, `z_score` or `percentile`."),
        may("params", Shape::Map(&Shape::Any), "Its parameters."),
    ],
};
