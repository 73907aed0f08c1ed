//! The keys of a datapoint (language, 4).

use super::super::shape::{Object, Shape, may, must};

/// A document of `datapoints/`: one datapoint, or a list.
pub static DOCUMENT: Shape = Shape::Either(&[Shape::Object(&DATAPOINT), Shape::List(&Shape::Object(&DATAPOINT))]);

/// Types of datapoints.
pub const TYPES: &[&str] = &["string", "email", "phone", "number", "boolean", "date", "enum", "list"];

/// A datapoint.
pub static DATAPOINT: Object = Object {
    what: "a datapoint",
    keys: &[
        must("name", Shape::Text, "The field's name."),
        may("slug", Shape::Slug, "How it is named in files; from `name` if left out."),
        may("description", Shape::Text, "What it is."),
        may("type", Shape::OneOf(TYPES), "Its type; `string` if left out."),
        may("values", Shape::Some(&Shape::Word), "The values of an `enum`."),
        may("items", Shape::Either(&[Shape::OneOf(TYPES), Shape::Object(&ITEMS)]), "The type of a `list`'s elements."),
        may("validation", Shape::Object(&VALIDATION), "Which values it takes."),
        may("ui", Shape::Object(&UI), "How it is asked."),
        may("sensitive", Shape::Bool, "Whether its value is never shown."),
    ],
};

static ITEMS: Object = Object {
    what: "a type of elements",
    keys: &[must("type", Shape::OneOf(TYPES), "The type."), may("values", Shape::Some(&Shape::Word), "The values of an `enum`.")],
};

static VALIDATION: Object = Object {
    what: "a validation",
    keys: &[
        may("required", Shape::Bool, "Whether a value must be there."),
        may("minLength", Shape::Whole, "The least number of characters."),
        may("maxLength", Shape::Whole, "The greatest number of characters."),
        may("pattern", Shape::Text, "A regular expression for the whole value."),
        may("min", Shape::Either(&[Shape::Any]), "The least number, or date."),
        may("max", Shape::Either(&[Shape::Any]), "The greatest number, or date."),
        may("integer", Shape::Bool, "Whether only whole numbers are taken."),
    ],
};

static UI: Object = Object {
    what: "how a field is asked",
    keys: &[
        may("prompt", Shape::Template, "The question."),
        may("placeholder", Shape::Word, "Shown where it is typed."),
        may("examples", Shape::List(&Shape::Any), "Values that it might have."),
    ],
};
