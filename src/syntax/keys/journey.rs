//! The keys of a journey (language, 2).

use super::super::shape::{Object, Shape, may, must};
use super::step::PRIORITY;

/// A journey.
pub static JOURNEY: Object = Object {
    what: "a journey",
    keys: &[
        must("name", Shape::Text, "The journey's name."),
        may("slug", Shape::Slug, "How it is named in files; from `name` if left out."),
        may("description", Shape::Text, "What it is for."),
        may("trigger", Shape::Object(&TRIGGER), "How a message finds it."),
        may("callable", Shape::Bool, "Whether only `run` reaches it, without a trigger."),
        must("journey", Shape::Some(&Shape::Step), "Its steps."),
        may("knowledge", Shape::Either(&[Shape::List(&Shape::Text), Shape::Object(&KNOWLEDGE)]), "What it may look up."),
        may("fallback", Shape::Either(&[Shape::Text, Shape::Object(&FALLBACK)]), "Where it goes when it cannot continue."),
        may("inputs", Shape::Map(&Shape::Maybe(&Shape::Object(&INPUT))), "Variables that may be passed in."),
        may("lints", Shape::Map(&Shape::OneOf(LEVELS)), "Levels of diagnostics in this journey."),
    ],
};

/// Levels of a diagnostic.
pub const LEVELS: &[&str] = &["allow", "warn", "deny"];

static TRIGGER: Object = Object {
    what: "a trigger",
    keys: &[
        must("goal", Shape::Text, "What the user wants."),
        must("examples", Shape::Some(&Shape::Text), "What the user might say."),
        may("priority", Shape::Number, "Breaks ties; 0 if left out."),
        may("requires", Shape::List(&Shape::Text), "Paths of the user's context that must be there, without `$user.`."),
    ],
};

static KNOWLEDGE: Object = Object {
    what: "what a journey may look up",
    keys: &[
        may("collections", Shape::List(&Shape::Text), "Collections by slug."),
        may("documents", Shape::List(&Shape::Text), "Documents as `collection/document`."),
        may("settings", Shape::Object(&KNOWLEDGE_SETTINGS), "How they are used."),
    ],
};

static KNOWLEDGE_SETTINGS: Object = Object {
    what: "settings of knowledge",
    keys: &[
        may("relevance_threshold", Shape::Number, "The least relevance."),
        may("max_chunks", Shape::Whole, "How many pieces at most."),
        may("mode", Shape::OneOf(&["must_cite", "reference", "background"]), "How answers use them."),
    ],
};

static FALLBACK: Object = Object {
    what: "a fallback",
    keys: &[
        may("to", Shape::Text, "The queue."),
        may("message", Shape::Template, "What the user is told."),
        may("reason", Shape::Template, "Why."),
        may("priority", PRIORITY, "How urgent it is."),
    ],
};

static INPUT: Object = Object {
    what: "an input of a journey",
    keys: &[
        may("required", Shape::Bool, "Whether it must be passed."),
        may("from", Shape::OneOf(&["run", "caller"]), "Who passes it: `run` only, or also a `start` command."),
    ],
};
