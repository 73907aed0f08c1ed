//! The keys of a transcript (surfaces). What its values name is looked up by the transcripts' own reader.

use super::super::shape::{Key, Object, Shape, may, must};

/// A scripted conversation.
pub static TRANSCRIPT: Object = Object {
    what: "a transcript",
    keys: &[
        must("name", Shape::Text, "What it shows."),
        may("journey", Shape::Word, "The journey; the first message is routed if left out."),
        may("context", Shape::Map(&Shape::Any), "What the host says of the user."),
        may("now", Shape::Word, "Where the clock stands."),
        may("strict", Shape::Bool, "`true`: a call that `calls` does not list fails it."),
        may(
            "stubs",
            Shape::Map(&Shape::Either(&[Shape::Object(&STUB), Shape::List(&Shape::Object(&STUB))])),
            "Answers of actions, in order.",
        ),
        must("talk", Shape::List(&Shape::One(&TALK, &[])), "What is said and expected, in order."),
    ],
};

/// One way that an action answers.
pub static STUB: Object = Object {
    what: "a stub",
    keys: &[
        may("when", Shape::Expression, "For which `inputs`; always if left out."),
        may("status", Shape::Whole, "The status; 200 if left out."),
        may("headers", Shape::Map(&Shape::Word), "Headers of the answer."),
        may("body", Shape::Any, "What it answers."),
        may("fault", Shape::OneOf(&["timeout", "connect", "503", "slow", "cut", "garbage"]), "What goes wrong."),
    ],
};

/// An entry of `talk`.
pub static TALK: Object = Object {
    what: "an entry of `talk`",
    keys: &[
        may("user", Shape::Either(&[Shape::Word, Shape::One(&COMMAND, &[])]), "What the user says, or a command of theirs."),
        may("agent", BY_NAME, "A command of the language model's."),
        may("operator", Shape::Either(&[Shape::OneOf(WORDS), Shape::One(&COMMAND, OPERATOR)]), "A command of a person of the company."),
        may("host", Shape::Object(&HOST), "What the host says of the user later on, or does itself."),
        may("decision", Shape::Object(&DECISION), "What a decision starts."),
        may("wait", Shape::Duration, "How much time passes."),
        may("expect", Shape::Object(&EXPECT), "What must be so by now."),
        may("crash", Shape::Bool, "`true`: the process dies, and another goes on."),
    ],
};

const BY_NAME: Shape = Shape::Either(&[Shape::OneOf(WORDS), Shape::One(&COMMAND, &[])]);

/// Commands that may stand alone.
const WORDS: &[&str] = &[
    "fill",
    "correct",
    "change",
    "confirm",
    "reject",
    "next",
    "back",
    "stuck",
    "cancel",
    "handoff",
    "resume",
    "take_over",
    "hand_back",
    "approve",
    "refuse",
    "discover",
];

/// Who an operator is.
const OPERATOR: &[Key] = &[
    may("id", Shape::Word, "Who; `operator` if left out."),
    may("roles", Shape::List(&Shape::Word), "Their roles; all that the workspace names if left out."),
];

/// What a host says or does: one of them.
pub static HOST: Object = Object {
    what: "a host's word",
    keys: &[
        may("context", Shape::Map(&Shape::Any), "Another `context` than the first."),
        may("identified", Shape::Object(&IDENTIFIED), "It has verified who the user is."),
        may("discover", Shape::Any, "It asks what providers offer."),
        may("execute", Shape::Object(&EXECUTE), "It runs an action of a provider."),
    ],
};

/// What a decision does in a conversation.
pub static DECISION: Object = Object {
    what: "a decision's deed",
    keys: &[must("start", Shape::Either(&[Shape::Word, Shape::Object(&START)]), "The journey, such as only `run` starts too.")],
};

/// `identified`.
pub static IDENTIFIED: Object = Object {
    what: "a verification",
    keys: &[
        must("subject", Shape::Word, "Who the user is."),
        may("level", Shape::Whole, "How surely; 1 if left out."),
        may("at", Shape::Word, "When; now if left out."),
        may("expires", Shape::Word, "Until when; 15 minutes later if left out."),
    ],
};

const VALUES: Shape = Shape::Maybe(&Shape::Map(&Shape::Any));
const NOTE: Shape = Shape::Maybe(&Shape::Either(&[Shape::Word, Shape::Object(&HOLD)]));

/// A command.
pub static COMMAND: Object = Object {
    what: "a command",
    keys: &[
        may("start", Shape::Either(&[Shape::Word, Shape::Object(&START)]), "Begins a journey."),
        may("fill", VALUES, "Values for fields, by name."),
        may("choose", Shape::Word, "An option, by its id."),
        may("confirm", Shape::Any, "Yes."),
        may("reject", Shape::Any, "No."),
        may("change", VALUES, "Something is to be another value."),
        may("next", Shape::Any, "On to the next instruction."),
        may("back", Shape::Any, "Back to the last instruction."),
        may("stuck", Shape::Any, "The instruction does not help."),
        may("read", Shape::Map(&Shape::Any), "Asks for a read: `{orders.get: {order_id: A1}}`, or `action` and `inputs`."),
        may("finding", Shape::Word, "What was found out."),
        may("correct", VALUES, "New values for fields that have one."),
        may("cancel", Shape::Any, "Ends the journey."),
        may("handoff", Shape::Any, "To a person; why."),
        may("resume", Shape::Any, "Goes on after a pause."),
        may("take_over", Shape::Any, "An operator takes the conversation."),
        may("say", Shape::Word, "What an operator says."),
        may("hand_back", Shape::Any, "An operator gives it back."),
        may("discover", Shape::Any, "An operator asks what providers offer."),
        may("execute", Shape::Object(&EXECUTE), "An operator runs an action of a provider."),
        may("approve", NOTE, "Allows what waits; with a note, or `hold` and `note`."),
        may("refuse", NOTE, "Refuses what waits; with a note, or `hold` and `note`."),
    ],
};

/// `start`.
pub static START: Object =
    Object { what: "a start", keys: &[must("journey", Shape::Word, "Which."), may("variables", VALUES, "Values for fields and inputs.")] };

/// `read` in its long form.
pub static READ: Object =
    Object { what: "a read", keys: &[must("action", Shape::Word, "`integration.action`."), may("inputs", VALUES, "Its inputs.")] };

/// `execute`.
pub static EXECUTE: Object = Object {
    what: "an execution",
    keys: &[
        must("action", Shape::Word, "`provider.action`."),
        may("inputs", VALUES, "Its inputs."),
        may("confirmed", Shape::Bool, "Whether the operator says yes to it with that."),
    ],
};

/// `approve` and `refuse`.
pub static HOLD: Object =
    Object { what: "a decision", keys: &[may("hold", Shape::Word, "Its id; what waits if left out."), may("note", Shape::Word, "Why.")] };

/// `expect`.
pub static EXPECT: Object = Object {
    what: "what is expected",
    keys: &[
        may(
            "says",
            Shape::Either(&[Shape::Word, Shape::List(&SAID), Shape::One(&SAYING, &[])]),
            "What is said; a list for several messages.",
        ),
        may("phase", Shape::OneOf(PHASES), "What is waited for."),
        may("status", Shape::OneOf(STATUSES), "How the conversation stands."),
        may("outcome", Shape::Word, "How the last run ended."),
        may("journey", Shape::Word, "Which journey is under way, or ended last."),
        may("options", Shape::List(&Shape::Word), "The options, by id or label."),
        may("variables", VALUES, "Variables, as far as they are written."),
        may("calls", Shape::List(&Shape::Either(&[Shape::Word, Shape::Map(&Shape::Any)])), "Calls since the last `expect`, in order."),
        may("not_called", SOME, "Actions that were not called since."),
        may("errors", Shape::Either(&[Shape::List(&Shape::Word), Shape::Map(&Shape::Maybe(&Shape::Word))]), "Fields that were not taken."),
        may("refused", Shape::Word, "The code that the last input was refused with."),
        may("denied", Shape::Word, "The code that a call was denied with."),
        may("audit", SOME, "Lines of the audit since, in order."),
        may("case", VALUES, "The case, as far as it is written."),
    ],
};

const SOME: Shape = Shape::Either(&[Shape::Word, Shape::List(&Shape::Word)]);
const SAID: Shape = Shape::Either(&[Shape::Word, Shape::One(&SAYING, &[])]);

/// How what is said is compared; a text alone is a part of it.
pub static SAYING: Object = Object {
    what: "how to compare",
    keys: &[may("is", Shape::Word, "The whole text."), may("matches", Shape::Word, "A regular expression.")],
};

const PHASES: &[&str] = &[
    "collect",
    "choice",
    "confirm",
    "guide",
    "investigate",
    "hold",
    "working",
    "done",
    "escalated",
    "idle",
    "phase_collect",
    "phase_choice",
    "phase_confirm",
    "phase_guide",
    "phase_investigate",
    "phase_hold",
    "phase_working",
    "phase_done",
    "phase_escalated",
    "phase_idle",
];
const STATUSES: &[&str] = &["active", "paused", "completed", "escalated", "abandoned", "cancelled"];
