//! Any text as a template: compiled and rendered within bounds.

use serde_json::json;
use waypost::expr::{Node, Root, Scope};
use waypost::source::{Span, Text};
use waypost::template::{Template, Undefined};
use waypost::value::{Json, Taint, Value};

struct Sample(Json, Taint);

impl Scope for Sample {
    fn member(&self, _: Root, key: &str) -> Option<Node<'_>> {
        Some(Node { json: self.0.get(key)?, taint: &self.1 })
    }
    fn whole(&self, _: Root) -> Option<Value> {
        Some(Value::clean(self.0.clone()))
    }
}

/// Plays one input.
pub fn play(text: &str) {
    let (template, _) = Template::parse(Text::plain(text, Span::default(), 0));
    if template.is_broken() {
        return;
    }
    let sample = Sample(json!({"a": 1, "s": "text", "l": [1, 2, 3], "m": {"k": "v"}, "n": null}), Taint::default());
    for undefined in [Undefined::Nothing, Undefined::Error] {
        let _ = std::hint::black_box(template.render(&sample, undefined));
    }
}
