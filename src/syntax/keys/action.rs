//! The keys of a triggered action (registry, 1). What belongs to which type of `config` is checked where actions are read.

use super::super::shape::{Object, Shape, may, must};

/// A triggered action.
pub static ACTION: Object = Object {
    what: "a triggered action",
    keys: &[
        must("action_id", Shape::Word, "Its id."),
        must("version", Shape::Word, "Its version: what is registered under it never changes."),
        must("namespace", Shape::Word, "Whose it is."),
        may("description", Shape::Text, "What it is for."),
        must("config", Shape::Object(&CONFIG), "What it does."),
        must("trigger", Shape::Object(&TRIGGER), "When."),
        may("delivery", Shape::Object(&DELIVERY), "Delivery at least once; one try if left out."),
    ],
};

static CONFIG: Object = Object {
    what: "what an action does",
    keys: &[
        must("type", Shape::OneOf(&["notification", "webhook", "workflow", "register"]), "What kind of action."),
        may("channel", Shape::Text, "Of `notification`: the channel; of `webhook`: the one whose secret signs."),
        may("message_template", Shape::Text, "Of `notification`: what is told; a summary of the decision if left out."),
        may("endpoint", Shape::Text, "Of `webhook`: where."),
        may("method", Shape::OneOf(&["POST", "PUT", "PATCH", "DELETE", "GET"]), "Of `webhook`; `POST` if left out."),
        may("headers", Shape::Map(&Shape::Text), "Of `webhook`: headers, with `${NAME}` of `secrets:`."),
        may("payload_template", Shape::Any, "Of `webhook`: what; the whole decision if left out."),
        may("workflow_id", Shape::Text, "Of `workflow`: a workflow of `waypost.yaml`, or a journey."),
        may("input_mapping", Shape::Map(&Shape::Any), "Of `workflow`: its input; the whole decision if left out."),
        may("primitive_id", Shape::Text, "Of `register`: the primitive, `namespace.field`."),
        may("entity_field", Shape::Text, "Of `register`: the field of the decision that says whose; `entity` if left out."),
    ],
};

static TRIGGER: Object = Object {
    what: "a trigger",
    keys: &[
        must("fire_on", Shape::OneOf(&["true", "false", "any"]), "On which decisions."),
        must("condition_id", Shape::Word, "Of which condition."),
        must("condition_version", Shape::Word, "Of which version of it."),
    ],
};

static DELIVERY: Object = Object {
    what: "a delivery",
    keys: &[
        must("retries", Shape::Whole, "Tries after the first."),
        may("backoff_ms", Shape::Whole, "Milliseconds before the first of them, doubled each time; 1,000 if left out."),
    ],
};
