//! The keys of every kind of step (language, 3).

use super::super::shape::{Key, Object, Shape, StepShape, may, must};

const TARGET: Shape = Shape::Target;
const TARGETS: Shape = Shape::Map(&Shape::Target);
const SLUGS: Shape = Shape::List(&Shape::Slug);
const TEXTS: Shape = Shape::List(&Shape::Text);
const INPUTS: Shape = Shape::Map(&Shape::Any);
/// How urgent an escalation is.
pub const PRIORITY: Shape = Shape::OneOf(&["low", "normal", "high", "urgent"]);

/// `name`, inside a step's object or beside its key.
pub const NAME: Key = may("name", Shape::Text, "The step's name; its slug is what `goto` names.");

/// Every kind of step.
pub static STEPS: &[StepShape] = &[
    StepShape {
        key: "collect",
        value: Shape::Either(&[Shape::Some(&Shape::Slug), Shape::Object(&COLLECT)]),
        beside: &[],
        about: "Asks for fields.",
    },
    StepShape {
        key: "action",
        value: Shape::Either(&[Shape::Text, Shape::Object(&ACTION)]),
        beside: &[
            may("inputs", INPUTS, "Inputs by name."),
            may("outcomes", TARGETS, "Where each outcome goes."),
            may("on_error", TARGETS, "Where each kind of error goes, and `default`."),
            may("retry", Shape::Object(&CALL_RETRY), "Tries after a failed one."),
            may("as", Shape::Slug, "The variable that takes the result."),
            may("each", Shape::Expression, "A list: one call of a read for each element."),
        ],
        about: "Calls an action: `integration.action`, or `integration.action -> variable`.",
    },
    StepShape { key: "choice", value: Shape::Choice, beside: &[], about: "Puts a question with options." },
    StepShape {
        key: "confirm",
        value: Shape::Either(&[Shape::Some(&Shape::Slug), Shape::Object(&CONFIRM)]),
        beside: &[],
        about: "Asks for a yes.",
    },
    StepShape {
        key: "guide",
        value: Shape::Either(&[Shape::Some(&INSTRUCTION_SHAPE), Shape::Object(&GUIDE)]),
        beside: &[],
        about: "Says instructions one at a time.",
    },
    StepShape { key: "investigate", value: Shape::Object(&INVESTIGATE), beside: &[], about: "Lets the caller's model ask listed reads." },
    StepShape { key: "verify", value: Shape::Object(&VERIFY), beside: &[], about: "Verifies who speaks." },
    StepShape { key: "say", value: Shape::Template, beside: &[], about: "Says something." },
    StepShape {
        key: "if",
        value: Shape::Expression,
        beside: &[must("then", TARGET, "Where it goes if true."), may("else", TARGET, "Where it goes otherwise.")],
        about: "Branches.",
    },
    StepShape { key: "set", value: Shape::Map(&Shape::Maybe(&Shape::Any)), beside: &[], about: "Assigns variables, in order." },
    StepShape { key: "goto", value: Shape::Text, beside: &[], about: "Goes to a named step of this journey." },
    StepShape {
        key: "run",
        value: Shape::Either(&[Shape::Text, Shape::Object(&RUN)]),
        beside: &[
            may("with", INPUTS, "Its inputs."),
            may("as", Shape::Slug, "The variable that takes its result."),
            may("outcomes", TARGETS, "Where each of its outcomes goes."),
        ],
        about: "Runs another journey.",
    },
    StepShape {
        key: "done",
        value: Shape::Maybe(&Shape::Either(&[Shape::Template, Shape::Object(&DONE)])),
        beside: &[],
        about: "Ends the run.",
    },
    StepShape {
        key: "escalate",
        value: Shape::Maybe(&Shape::Either(&[Shape::Text, Shape::Object(&ESCALATE)])),
        beside: &[],
        about: "Hands over to a person.",
    },
];

static COLLECT: Object = Object {
    what: "a collect",
    keys: &[
        may("fields", Shape::Some(&Shape::Slug), "Fields that must be filled."),
        may("optional", SLUGS, "Fields that are asked for once."),
        may("instructions", Shape::Text, "For the agent that helps the user."),
        may("prompt", Shape::Template, "Asks for all fields at once."),
        may("any_of", Shape::Some(&Shape::Object(&ANY_OF)), "Sets of fields: the first complete one wins."),
        may("retry", Shape::Object(&COLLECT_RETRY), "What happens after failed attempts."),
        NAME,
    ],
};

static ANY_OF: Object = Object {
    what: "a set of fields",
    keys: &[
        must("fields", Shape::Some(&Shape::Slug), "The fields of the set."),
        must("then", TARGET, "Where it goes when they are complete."),
    ],
};

static COLLECT_RETRY: Object = Object {
    what: "a retry of a collect",
    keys: &[
        may("max", Shape::Whole, "Failed attempts; 3 if left out."),
        may("message", Shape::Template, "Said with the prompt after a failed attempt."),
        may("on_exhausted", TARGET, "Where it goes after the last."),
    ],
};

static ACTION: Object = Object {
    what: "an action step",
    keys: &[
        must("call", Shape::Text, "The action: `integration.action`."),
        may("as", Shape::Slug, "The variable that takes the result."),
        may("inputs", INPUTS, "Inputs by name."),
        may("outcomes", TARGETS, "Where each outcome goes."),
        may("on_error", TARGETS, "Where each kind of error goes, and `default`."),
        may("retry", Shape::Object(&CALL_RETRY), "Tries after a failed one."),
        may("each", Shape::Expression, "A list: one call of a read for each element."),
        NAME,
    ],
};

static CALL_RETRY: Object = Object {
    what: "a retry of a call",
    keys: &[
        may("max", Shape::Whole, "Tries after the first."),
        may("delay", Shape::Duration, "The wait before the second try; doubles."),
        may("on_exhausted", TARGET, "Where it goes after the last."),
    ],
};

/// The full form of a choice.
pub static CHOICE: Object = Object {
    what: "a choice",
    keys: &[
        may("prompt", Shape::Template, "The question."),
        may("options", TARGETS, "Labels, and where each goes."),
        may("freeform", Shape::Bool, "Whether any text is an answer."),
        may("freeform_handler", TARGET, "Where any other text goes; it is in `$variables.freeform`."),
        may("as", Shape::Slug, "The variable that takes the option's id."),
        may("from", Shape::Expression, "`provider.<slug>`, or an expression that gives a list of `{id, label}`."),
        may("on_pick", TARGET, "Where a picked option of `from` goes."),
        may("outcomes", TARGETS, "With a provider: `executed`, `failed`, `declined`, `none`."),
        may("retry", Shape::Object(&COLLECT_RETRY), "How often the question is put again."),
        NAME,
    ],
};

static CONFIRM: Object = Object {
    what: "a confirm",
    keys: &[
        may("fields", SLUGS, "The fields that are shown."),
        may("message", Shape::Template, "The question."),
        may("on_change", TARGET, "Where a change goes; a correction if left out."),
        may("on_reject", TARGET, "Where a no goes; the run ends `declined` if left out."),
        may("for", TEXTS, "The actions that it is meant for."),
        NAME,
    ],
};

static GUIDE: Object = Object {
    what: "a guide",
    keys: &[
        must("steps", Shape::Some(&INSTRUCTION_SHAPE), "The instructions."),
        may("on_complete", TARGET, "Where it goes after the last."),
        may("on_stuck", TARGET, "Where it goes when the user is stuck."),
        NAME,
    ],
};

const INSTRUCTION_SHAPE: Shape = Shape::Either(&[Shape::Template, Shape::Object(&INSTRUCTION)]);

static INSTRUCTION: Object = Object {
    what: "an instruction",
    keys: &[
        must("say", Shape::Template, "What is said."),
        may("unless", Shape::Expression, "Skips it if true."),
        may("on_stuck", TARGET, "Where it goes when the user is stuck here."),
    ],
};

static INVESTIGATE: Object = Object {
    what: "an investigation",
    keys: &[
        must("goal", Shape::Text, "What is to be found out."),
        must("using", Shape::Some(&Shape::Text), "The read actions that may be asked."),
        may("timeout", Shape::Duration, "30 s if left out."),
        may("max_calls", Shape::Whole, "Reads at most; 8 if left out."),
        must("findings", TARGETS, "What may be found, and where each goes."),
        may("fallback", TARGET, "Where it goes without a finding."),
        may("as", Shape::Slug, "The variable that keeps the results by action."),
        NAME,
    ],
};

static VERIFY: Object = Object {
    what: "a verification",
    keys: &[
        must("call", Shape::Text, "The action that verifies."),
        may("inputs", INPUTS, "Inputs by name."),
        may("as", Shape::Slug, "The variable that takes the result."),
        must("verified", Shape::Either(&[Shape::Text, Shape::Some(&Shape::Text)]), "The outcomes that verify."),
        must("subject", Shape::Expression, "Who is verified, from `response` and `inputs`."),
        may("source", Shape::OneOf(&["user", "any"]), "Whose word counts; `user` if left out."),
        may("level", Shape::Whole, "The level reached; 1 if left out."),
        may("ttl", Shape::Duration, "How long it holds; 900 s if left out."),
        may("max_tries", Shape::Whole, "Tries in a conversation; 5 if left out."),
        may("on_failed", TARGET, "Where it goes if it did not verify."),
        may("on_error", TARGETS, "Where each kind of error goes, and `default`."),
        NAME,
    ],
};

static RUN: Object = Object {
    what: "a run",
    keys: &[
        must("journey", Shape::Text, "The journey to run."),
        may("with", INPUTS, "Its inputs."),
        may("as", Shape::Slug, "The variable that takes its result."),
        may("outcomes", TARGETS, "Where each of its outcomes goes."),
        NAME,
    ],
};

static DONE: Object = Object {
    what: "an end",
    keys: &[
        may("message", Shape::Template, "What is said."),
        may("outcome", Shape::Slug, "The run's outcome; `done` if left out."),
        may("result", Shape::Map(&Shape::Maybe(&Shape::Any)), "What `run` gets: expressions by name."),
        may("pause_for_resume", Shape::Bool, "Whether the run waits for a next message."),
        may("resume", TARGET, "Where that message takes it."),
        NAME,
    ],
};

static ESCALATE: Object = Object {
    what: "an escalation",
    keys: &[
        may("to", Shape::Text, "The queue; the default one if left out."),
        may("reason", Shape::Template, "Why."),
        may("priority", PRIORITY, "How urgent it is; `normal` if left out."),
        may("include", TEXTS, "Paths that go along, without `$`."),
        may("message", Shape::Template, "What the user is told."),
        NAME,
    ],
};
