//! Any text as an expression: parsed within bounds, printed and parsed to the same, evaluated within bounds.

use serde_json::json;
use waypost::expr::{Node, Program, Root, Scope};
use waypost::source::{Span, Text};
use waypost::value::{Json, Taint, Value};

struct Sample(Json, Taint);

impl Scope for Sample {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let root = if root == Root::User { "user" } else { "variables" };
        Some(Node { json: self.0.get(root)?.get(key)?, taint: &self.1 })
    }
    fn whole(&self, root: Root) -> Option<Value> {
        self.0.get(if root == Root::User { "user" } else { "variables" }).cloned().map(Value::clean)
    }
}

fn parse(text: &str) -> Program {
    Program::parse(Text::plain(text, Span::default(), 0)).0
}

/// Plays one input.
pub fn play(text: &str) {
    let program = parse(text);
    if program.is_broken() {
        return;
    }
    let printed = program.print();
    assert_eq!(parse(&printed).print(), printed, "printing is a fixed point");
    let sample = Sample(
        json!({"user": {"id": "u-1"}, "variables": {"a": 1, "b": -2.5, "s": "text", "l": [1, 2, 3], "m": {"k": "v"}, "n": null, "t": true}}),
        Taint::default(),
    );
    let _ = std::hint::black_box(program.eval(&sample));
    let _ = std::hint::black_box(program.test(&sample));
}
