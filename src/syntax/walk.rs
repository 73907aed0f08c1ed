//! A tree against its shape: everything that can be said of a file without knowing what its names mean.
//!
//! Recursion is as deep as the tree, which the reader of YAML bounds.

use super::keys::step::{CHOICE, NAME, STEPS};
use super::shape::{Key, Object, Shape, StepShape, list};
use super::units;
use super::yaml::{Entry, Node, NodeKind};
use crate::source::{Code, Diagnostic, Diagnostics, Span, did_you_mean};
use crate::value::{Json, Slug};

/// Reports every key and value of a tree that its shape does not allow.
pub fn check(node: &Node<'_>, shape: &Shape, diagnostics: &mut Diagnostics) {
    Walk { diagnostics }.value(node, shape, Place { name: None, span: node.span });
}

/// What a value stands behind.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: Option<&'a str>,
    span: Span,
}

impl<'a> Place<'a> {
    fn of(entry: &'a Entry<'_>) -> Self {
        Self { name: Some(&entry.key), span: entry.key_span }
    }
}

struct Walk<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node<'_>, shape: &Shape, place: Place<'_>) {
        if matches!(node.kind, NodeKind::Broken) {
            return;
        }
        match shape {
            Shape::Any => {}
            Shape::Maybe(inner) => {
                if !node.is_null() {
                    self.value(node, inner, place);
                }
            }
            Shape::Text
            | Shape::Word
            | Shape::Slug
            | Shape::OneOf(_)
            | Shape::Bool
            | Shape::Whole
            | Shape::Number
            | Shape::Duration
            | Shape::Size
            | Shape::Expression
            | Shape::Template => self.scalar(node, shape, place),
            Shape::List(inner) | Shape::Some(inner) => match &node.kind {
                NodeKind::List(items) if !(items.is_empty() && matches!(shape, Shape::Some(_))) => {
                    for item in items {
                        self.value(item, inner, Place { name: place.name, span: item.span });
                    }
                }
                _ => self.wrong(node, shape, place),
            },
            Shape::Map(inner) => match &node.kind {
                NodeKind::Map(entries) => {
                    for entry in entries {
                        self.value(&entry.value, inner, Place::of(entry));
                    }
                }
                _ => self.wrong(node, shape, place),
            },
            Shape::Object(object) => match &node.kind {
                NodeKind::Map(_) => self.object(node, object),
                _ => self.wrong(node, shape, place),
            },
            Shape::One(object, beside) => match &node.kind {
                NodeKind::Map(entries) => self.one(node, entries, object, beside),
                _ => self.wrong(node, shape, place),
            },
            Shape::Either(shapes) => match shapes.iter().find(|s| takes(s, node)) {
                Some(inner) => self.value(node, inner, place),
                None => self.wrong(node, shape, place),
            },
            Shape::Step => self.step(node, place),
            Shape::Target => self.target(node, place),
            Shape::Choice => match &node.kind {
                NodeKind::Map(_) if is_full_choice(node) => self.object(node, &CHOICE),
                NodeKind::Map(entries) if !entries.is_empty() => self.value(node, &Shape::Map(&Shape::Target), place),
                _ => self.wrong(node, shape, place),
            },
            Shape::Fields => self.fields(node, place),
        }
    }

    /// A map with one key of an object.
    fn one(&mut self, node: &Node<'_>, entries: &[Entry<'_>], object: &'static Object, beside: &'static [Key]) {
        let known = |name: &str| object.key(name).or_else(|| beside.iter().find(|k| k.name == name));
        for entry in entries {
            match known(&entry.key) {
                Some(key) => self.value(&entry.value, &key.shape, Place::of(entry)),
                None => self.unknown(entry, object.what, &mut object.keys.iter().chain(beside).map(|k| k.name)),
            }
        }
        let mut chosen = entries.iter().filter(|e| beside.iter().all(|k| k.name != e.key));
        if let (None, _) | (_, Some(_)) = (chosen.next(), chosen.next()) {
            let d = Diagnostic::new(Code::WP0104, node.span, format!("{} has exactly one key", object.what));
            self.diagnostics.push(d.help("write each as an entry of its own"));
        }
    }

    fn scalar(&mut self, node: &Node<'_>, shape: &Shape, place: Place<'_>) {
        let Some(scalar) = node.scalar().filter(|s| !s.is_null()) else { return self.wrong(node, shape, place) };
        let text = &*scalar.text;
        let json = || scalar.json();
        let right = match shape {
            Shape::Text => json().is_string(),
            Shape::Slug => Slug::is_valid(text),
            Shape::OneOf(words) => words.contains(&text),
            Shape::Bool => json().is_boolean(),
            Shape::Whole => json().is_u64(),
            Shape::Number => json().is_number(),
            Shape::Duration => units::millis(text, 1_000).is_some(),
            Shape::Size => units::bytes(text).is_some(),
            _ => true,
        };
        if !right {
            self.wrong(node, shape, place);
        }
    }

    fn wrong(&mut self, node: &Node<'_>, shape: &Shape, place: Place<'_>) {
        let span = if node.span.start == node.span.end { place.span } else { node.span };
        let behind = place.name.map_or_else(String::new, |n| format!(" for `{n}`"));
        let scalar = node.str();
        if let (Shape::Slug, Some(text)) = (shape, scalar) {
            let slug = Slug::from_title(text);
            let d = Diagnostic::new(Code::WP0104, span, format!("`{text}` is no name: expected {}", shape.describe()));
            self.diagnostics.push(if slug.shown.is_empty() { d } else { d.help(format!("write `{slug}`")) });
            return;
        }
        let mut d = Diagnostic::new(Code::WP0104, span, format!("expected {}{behind}, found {}", shape.describe(), found(node)));
        d = match (shape, scalar) {
            (Shape::Text, Some(text)) => d.help(format!("put it in quotes: `\"{text}\"`")),
            (Shape::Bool, Some("yes" | "on" | "y" | "Yes" | "On")) => d.help("write `true`"),
            (Shape::Bool, Some("no" | "off" | "n" | "No" | "Off")) => d.help("write `false`"),
            (Shape::OneOf(words), Some(text)) => match did_you_mean(text, words.iter().copied()) {
                Some(near) => d.help(format!("write `{near}`")),
                None => d,
            },
            (Shape::List(_) | Shape::Some(_), Some(text)) => d.help(format!("write `[{text}]`")),
            _ => d,
        };
        self.diagnostics.push(d);
    }

    fn object(&mut self, node: &Node<'_>, object: &'static Object) {
        for entry in node.entries() {
            match object.key(&entry.key) {
                Some(key) => self.value(&entry.value, &key.shape, Place::of(entry)),
                None => self.unknown(entry, object.what, &mut object.keys.iter().map(|k| k.name)),
            }
        }
        self.missing(node, node.span, object.what, object.keys);
    }

    /// A key that must be there and is not; a misspelt one was reported already.
    fn missing(&mut self, node: &Node<'_>, at: Span, what: &str, keys: &[Key]) {
        let span = node.entries().first().map_or(at, |e| e.key_span);
        for key in keys.iter().filter(|k| k.required && node.entry(k.name).is_none()) {
            let known = |written: &str| keys.iter().any(|k| k.name == written);
            let misspelt = node.entries().iter().any(|e| !known(&e.key) && did_you_mean(&e.key, [key.name]).is_some());
            if !misspelt {
                let d = Diagnostic::new(Code::WP0105, span, format!("`{}` is missing from {what}", key.name));
                self.diagnostics.push(d.help(format!("add `{}:`, {}", key.name, key.shape.describe())));
            }
        }
    }

    fn unknown(&mut self, entry: &Entry<'_>, what: &str, known: &mut dyn Iterator<Item = &'static str>) {
        let known: Vec<&str> = known.collect();
        let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("unknown key `{}` in {what}", entry.key));
        self.diagnostics.push(match did_you_mean(&entry.key, known.iter().copied()) {
            Some(near) => d.help(format!("write `{near}`")),
            None if entry.key == "<<" => d.help("YAML 1.2 merges no maps: write the keys out"),
            None => d.help(format!("expected one of {}", list(&known))),
        });
    }

    fn step(&mut self, node: &Node<'_>, place: Place<'_>) {
        if matches!(node.kind, NodeKind::Broken) {
            return;
        }
        let NodeKind::Map(entries) = &node.kind else {
            let d = Diagnostic::new(
                Code::WP0104,
                if node.is_null() { place.span } else { node.span },
                format!("expected a step, found {}", found(node)),
            );
            let help = match node.str() {
                Some("done") => "write `done:` and what is said".to_owned(),
                Some("escalate") => "write `escalate:` and a queue".to_owned(),
                Some(text) => match text.split_once(' ') {
                    Some((key, value)) if STEPS.iter().any(|s| s.key == key) => format!("write `{key}: {value}`"),
                    _ => format!("a step is a map such as `say: {text}`"),
                },
                None => "a step is a map with one step key, such as `say: Hello`".to_owned(),
            };
            self.diagnostics.push(d.help(help));
            return;
        };
        let kinds: Vec<(&Entry<'_>, &'static StepShape)> =
            entries.iter().filter_map(|e| STEPS.iter().find(|s| s.key == e.key).map(|s| (e, s))).collect();
        let all = || STEPS.iter().map(|s| s.key);
        match kinds.as_slice() {
            [] => {
                let strange: Vec<&Entry<'_>> = entries.iter().filter(|e| e.key != NAME.name).collect();
                if let [only] = strange.as_slice() {
                    let beside = STEPS.iter().find(|s| s.beside.iter().any(|k| k.name == only.key));
                    if beside.is_none() {
                        self.unknown(only, "a step", &mut all());
                        return;
                    }
                } else if let Some((entry, near)) = strange.iter().find_map(|e| did_you_mean(&e.key, all()).map(|n| (e, n))) {
                    let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("unknown key `{}` in a step", entry.key));
                    self.diagnostics.push(d.help(format!("write `{near}`")));
                    return;
                }
                let span = entries.first().map_or(node.span, |e| e.key_span);
                let keys: Vec<&str> = all().collect();
                let d = Diagnostic::new(Code::WP0106, span, "this step has no step key");
                self.diagnostics.push(d.help(format!("add one of {}", list(&keys))));
            }
            [(entry, kind)] => self.only_step(node, entry, kind),
            [(first, _), (second, _), ..] => {
                let message = format!("a step has one step key, and this has `{}` and `{}`", first.key, second.key);
                let d = Diagnostic::new(Code::WP0106, second.key_span, message).label(first.key_span, "the first");
                self.diagnostics.push(d.help(format!("put `- ` before `{}` to make it a step of its own", second.key)));
            }
        }
    }

    fn only_step(&mut self, node: &Node<'_>, entry: &Entry<'_>, kind: &'static StepShape) {
        self.value(&entry.value, &kind.value, Place::of(entry));
        let inside = full_form(&kind.value, &entry.value);
        for other in node.entries().iter().filter(|e| e.key != entry.key) {
            let known = if other.key == NAME.name { Some(&NAME) } else { kind.beside.iter().find(|k| k.name == other.key) };
            let Some(key) = known else {
                let names = || kind.beside.iter().map(|k| k.name).chain([NAME.name]);
                let object = object_of(&kind.value).filter(|o| o.key(&other.key).is_some());
                if let Some(object) = object {
                    let message = format!("`{}` stands inside `{}`, not beside it", other.key, kind.key);
                    let d = Diagnostic::new(Code::WP0103, other.key_span, message);
                    let first = object.keys.first().map_or("", |k| k.name);
                    let help = if first == other.key {
                        "keep one of the two".to_owned()
                    } else {
                        format!("write `{}: {{{first}: …, {}: …}}`", kind.key, other.key)
                    };
                    self.diagnostics.push(d.help(help));
                } else {
                    self.unknown(other, &format!("a step beside `{}`", kind.key), &mut names());
                }
                continue;
            };
            self.value(&other.value, &key.shape, Place::of(other));
            if let Some(twice) = inside.and_then(|o| o.key(&other.key)).and_then(|k| entry.value.entry(k.name)) {
                let d = Diagnostic::new(Code::WP0102, other.key_span, format!("`{}` stands inside the step and beside it", other.key));
                self.diagnostics.push(d.label(twice.key_span, "inside").help("keep one of the two"));
            }
        }
        self.missing(node, entry.key_span, &format!("a step with `{}`", kind.key), kind.beside);
    }

    fn target(&mut self, node: &Node<'_>, place: Place<'_>) {
        match &node.kind {
            NodeKind::List(items) if !items.is_empty() => {
                for item in items {
                    self.step(item, Place { name: place.name, span: item.span });
                }
            }
            NodeKind::Map(entries) => match entries.as_slice() {
                [only] if only.key == "goto" => self.value(&only.value, &Shape::Text, Place::of(only)),
                _ => {
                    let is_step = entries.iter().any(|e| STEPS.iter().any(|s| s.key == e.key));
                    let d = Diagnostic::new(Code::WP0104, node.span, format!("expected {}, found a map", Shape::Target.describe()));
                    self.diagnostics.push(if is_step { d.help("put `- ` before the step to make it a list of steps") } else { d });
                }
            },
            NodeKind::Scalar(_) if matches!(node.str(), Some("continue" | "done" | "escalate")) => {}
            _ => {
                let span = if node.span.start == node.span.end { place.span } else { node.span };
                let behind = place.name.map_or_else(String::new, |n| format!(" for `{n}`"));
                let message = format!("expected {}{behind}, found {}", Shape::Target.describe(), found(node));
                let d = Diagnostic::new(Code::WP0104, span, message);
                self.diagnostics.push(match node.str() {
                    Some(text) => match did_you_mean(text, ["continue", "done", "escalate"]) {
                        Some(near) => d.help(format!("write `{near}`")),
                        None if Slug::is_valid(text) => d.help(format!("to go to the step `{text}`, write `{{goto: {text}}}`")),
                        None => d.help("to say something, write `[{say: …}]`"),
                    },
                    None => d,
                });
            }
        }
    }

    /// The short map of fields, `field: {type, …}`. A JSON Schema is taken as it is.
    fn fields(&mut self, node: &Node<'_>, place: Place<'_>) {
        let NodeKind::Map(entries) = &node.kind else { return self.wrong(node, &Shape::Fields, place) };
        if is_json_schema(node) {
            return;
        }
        for entry in entries {
            match &entry.value.kind {
                NodeKind::Map(_) => self.object(&entry.value, &FIELD),
                _ => self.value(&entry.value, &Shape::OneOf(FIELD_TYPES), Place::of(entry)),
            }
        }
    }
}

/// Calls `visit` with every step under a node of that shape, outer ones first, in order.
pub fn each_step<'n, 's>(node: &'n Node<'s>, shape: &Shape, visit: &mut dyn FnMut(&'n Node<'s>)) {
    match shape {
        Shape::Step => {
            visit(node);
            for entry in node.entries() {
                if let Some(kind) = STEPS.iter().find(|s| s.key == entry.key) {
                    each_step(&entry.value, &kind.value, visit);
                    for key in kind.beside {
                        if let Some(beside) = node.get(key.name) {
                            each_step(beside, &key.shape, visit);
                        }
                    }
                }
            }
        }
        Shape::Target => node.items().iter().for_each(|n| each_step(n, &Shape::Step, visit)),
        Shape::List(inner) | Shape::Some(inner) => node.items().iter().for_each(|n| each_step(n, inner, visit)),
        Shape::Map(inner) => node.entries().iter().for_each(|e| each_step(&e.value, inner, visit)),
        Shape::Object(object) => {
            for entry in node.entries() {
                if let Some(key) = object.key(&entry.key) {
                    each_step(&entry.value, &key.shape, visit);
                }
            }
        }
        Shape::Maybe(inner) => each_step(node, inner, visit),
        Shape::Either(shapes) => {
            if let Some(inner) = shapes.iter().find(|s| takes(s, node)) {
                each_step(node, inner, visit);
            }
        }
        Shape::Choice if is_full_choice(node) => each_step(node, &Shape::Object(&CHOICE), visit),
        Shape::Choice => each_step(node, &Shape::Map(&Shape::Target), visit),
        _ => {}
    }
}

/// The kind of a step, its entry, and the object that its full form is, if it is in that form. `None`: not exactly one step key.
pub fn step_parts<'n, 's>(node: &'n Node<'s>) -> Option<(&'static str, &'n Entry<'s>, bool)> {
    let mut kinds = node.entries().iter().filter_map(|e| STEPS.iter().find(|s| s.key == e.key).map(|s| (s, e)));
    let (kind, entry) = kinds.next()?;
    if kinds.next().is_some() {
        return None;
    }
    Some((kind.key, entry, full_form(&kind.value, &entry.value).is_some()))
}

/// Types of inputs and outputs.
pub const FIELD_TYPES: &[&str] = &["string", "number", "integer", "boolean", "object", "array", "any"];

/// One field of the short form.
pub static FIELD: Object = Object {
    what: "a field",
    keys: &[
        super::shape::may("type", Shape::OneOf(FIELD_TYPES), "Its type; any if left out."),
        super::shape::may("description", Shape::Text, "What it is."),
        super::shape::may("required", Shape::Bool, "Whether it must be there."),
        super::shape::may("enum", Shape::List(&Shape::Any), "The values that it may have."),
        super::shape::may("format", Shape::Text, "As in JSON Schema."),
        super::shape::may("pattern", Shape::Text, "As in JSON Schema."),
        super::shape::may("items", Shape::Any, "As in JSON Schema."),
        super::shape::may("properties", Shape::Any, "As in JSON Schema."),
        super::shape::may("default", Shape::Any, "As in JSON Schema."),
        super::shape::may("example", Shape::Any, "A value that it might have."),
        super::shape::may("examples", Shape::List(&Shape::Any), "Values that it might have."),
        super::shape::may("minimum", Shape::Number, "As in JSON Schema."),
        super::shape::may("maximum", Shape::Number, "As in JSON Schema."),
        super::shape::may("minLength", Shape::Whole, "As in JSON Schema."),
        super::shape::may("maxLength", Shape::Whole, "As in JSON Schema."),
    ],
};

/// Whether the fields are given as a JSON Schema.
pub fn is_json_schema(node: &Node<'_>) -> bool {
    let scalar = |key: &str| node.get(key).and_then(Node::str);
    scalar("$schema").is_some()
        || scalar("$ref").is_some()
        || scalar("type") == Some("object") && (node.entry("properties").is_some() || node.entries().len() == 1)
        || scalar("type").is_none() && node.get("properties").is_some_and(|p| p.entries().iter().any(|e| e.value.is_map()))
}

/// Whether a choice is in its full form: it has any of that form's keys.
pub fn is_full_choice(node: &Node<'_>) -> bool {
    node.entries().iter().any(|e| CHOICE.key(&e.key).is_some())
}

/// The object that a full form is, if the value is one.
fn full_form(shape: &Shape, value: &Node<'_>) -> Option<&'static Object> {
    match shape {
        Shape::Choice => is_full_choice(value).then_some(&CHOICE),
        _ => value.is_map().then(|| object_of(shape)).flatten(),
    }
}

fn object_of(shape: &Shape) -> Option<&'static Object> {
    match shape {
        Shape::Object(object) => Some(object),
        Shape::Maybe(inner) => object_of(inner),
        Shape::Either(shapes) => shapes.iter().find_map(object_of),
        Shape::Choice => Some(&CHOICE),
        _ => None,
    }
}

/// Whether a shape is meant for nodes of this kind.
fn takes(shape: &Shape, node: &Node<'_>) -> bool {
    match shape {
        Shape::Any | Shape::Maybe(_) | Shape::Target => true,
        Shape::List(_) | Shape::Some(_) => node.is_list(),
        Shape::Map(_) | Shape::Object(_) | Shape::One(..) | Shape::Choice | Shape::Fields | Shape::Step => node.is_map(),
        Shape::Either(shapes) => shapes.iter().any(|s| takes(s, node)),
        _ => node.scalar().is_some_and(|s| !s.is_null()),
    }
}

/// What was found, with its article.
fn found(node: &Node<'_>) -> String {
    match &node.kind {
        NodeKind::Scalar(s) => match s.json() {
            Json::Null => "nothing".into(),
            Json::Bool(_) => format!("`{}`", s.text),
            Json::Number(_) => format!("the number `{}`", s.text),
            _ if s.text.len() > 40 => "text".into(),
            _ => format!("`{}`", s.text),
        },
        NodeKind::List(items) if items.is_empty() => "an empty list".into(),
        NodeKind::List(_) => "a list".into(),
        NodeKind::Map(_) => "a map".into(),
        NodeKind::Broken => "something unreadable".into(),
    }
}
