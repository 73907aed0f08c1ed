//! Shapes: what a value in a file may look like. The tables of [`super::keys`] are made of them; the check of files and the JSON
//! Schemas for editors both read these tables.

/// What a value may look like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text. A number or a truth value needs quotes.
    Text,
    /// A scalar taken as text, whatever it reads as.
    Word,
    /// A name of the language: `[a-z0-9][a-z0-9_-]*`.
    Slug,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number, not negative.
    Whole,
    /// A number.
    Number,
    /// `20m`, or a number of seconds.
    Duration,
    /// `1MB`, or a number of bytes.
    Size,
    /// An expression.
    Expression,
    /// A template.
    Template,
    /// Anything.
    Any,
    /// The same, or nothing.
    Maybe(&'static Shape),
    /// A list.
    List(&'static Shape),
    /// A list of at least one.
    Some(&'static Shape),
    /// A map with keys of the author's.
    Map(&'static Shape),
    /// A map with these keys.
    Object(&'static Object),
    /// A map with one of these keys, beside it any of those.
    One(&'static Object, &'static [Key]),
    /// One of these, told apart by scalar, list or map.
    Either(&'static [Shape]),
    /// A step.
    Step,
    /// Where a branch goes: `continue`, `done`, `escalate`, `{goto: slug}` or a list of steps.
    Target,
    /// `choice`: its full form, or labels with targets.
    Choice,
    /// Inputs or outputs: fields by name, or a JSON Schema.
    Fields,
}

/// A map with known keys.
#[derive(Debug)]
pub struct Object {
    /// What it is, with its article: `a journey`.
    pub what: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// A key of an object.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What stands behind it.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, for editors.
    pub about: &'static str,
}

/// A kind of step.
#[derive(Debug)]
pub struct StepShape {
    /// Its key.
    pub key: &'static str,
    /// What stands behind it.
    pub value: Shape,
    /// Keys that may stand beside it, `name` aside.
    pub beside: &'static [Key],
    /// What it does, for editors.
    pub about: &'static str,
}

/// A key that must be there.
pub(super) const fn must(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: true, about }
}

/// A key that may be left out.
pub(super) const fn may(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: false, about }
}

impl Object {
    /// The key of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

impl Shape {
    /// What is expected, with its article.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Text | Self::Word => "text".into(),
            Self::Slug => "a name of lower-case letters, digits, `-` and `_`".into(),
            Self::OneOf(words) => format!("one of {}", list(words)),
            Self::Bool => "`true` or `false`".into(),
            Self::Whole => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Duration => "a duration such as `20m`, or a number of seconds".into(),
            Self::Size => "a size such as `1MB`".into(),
            Self::Expression => "an expression".into(),
            Self::Template => "a template".into(),
            Self::Any => "a value".into(),
            Self::Maybe(shape) => shape.describe(),
            Self::List(_) => "a list".into(),
            Self::Some(_) => "a list of at least one".into(),
            Self::Map(_) => "a map".into(),
            Self::Object(object) | Self::One(object, _) => object.what.into(),
            Self::Either(shapes) => shapes.iter().map(Self::describe).collect::<Vec<_>>().join(" or "),
            Self::Step => "a step".into(),
            Self::Target => "`continue`, `done`, `escalate`, `{goto: step}` or a list of steps".into(),
            Self::Choice => "options: a map of labels to targets".into(),
            Self::Fields => "fields by name, or a JSON Schema".into(),
        }
    }
}

/// Words in backticks, with commas.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}
