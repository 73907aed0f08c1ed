//! The keys of a transcript (surfaces), for editors. The transcripts' own reader checks them.

use super::super::shape::{Object, Shape, may, must};

/// A scripted conversation.
pub static TRANSCRIPT: Object = Object {
    what: "a transcript",
    keys: &[
        must("name", Shape::Text, "What it shows."),
        may("journey", Shape::Text, "The journey; the first message is routed if left out."),
        may("context", Shape::Map(&Shape::Any), "What the host says of the user."),
        may("now", Shape::Word, "Where the clock stands."),
        may("stubs", Shape::Map(&Shape::Any), "Answers of actions, in order."),
        must("talk", Shape::Some(&Shape::Map(&Shape::Any)), "What is said and expected, in order."),
    ],
};
