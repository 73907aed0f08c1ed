//! A scope over plain JSON: `{variables, user, response, …}`.

use std::sync::Arc;

use serde_json::Value as Json;
use waypost::expr::{EvalError, Fault, Node, Program, Root, Scope};
use waypost::source::{Span, Text};
use waypost::value::{Path, Segment, Taint, Value};

#[derive(Default)]
pub struct Data {
    roots: Json,
    taints: Vec<(Root, String, Taint)>,
    clean: Taint,
}

pub fn name(root: Root) -> &'static str {
    match root {
        Root::User => "user",
        Root::Variables => "variables",
        Root::Outcome => "outcome",
        Root::Now => "now",
        Root::Conversation => "conversation",
        Root::Each => "each",
        Root::Response => "response",
        Root::Inputs => "inputs",
        Root::Entity => "entity",
        Root::Event => "data",
        Root::Primitives => "primitives",
    }
}

impl Data {
    pub fn new(roots: Json) -> Self {
        Self { roots, ..Self::default() }
    }

    /// Marks `root.key` and the path below it as sensitive; `*` is any.
    pub fn taint(mut self, root: Root, key: &str, path: &[&str]) -> Self {
        let path = path.iter().map(|s| if *s == "*" { Segment::Any } else { Segment::Key((*s).into()) }).collect();
        self.taints.push((root, key.into(), Taint::of([Path(path)])));
        self
    }
}

impl Scope for Data {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let json = self.roots.get(name(root))?.get(key)?;
        let taint = self.taints.iter().find(|(r, k, _)| *r == root && k == key).map_or(&self.clean, |(_, _, t)| t);
        Some(Node { json, taint })
    }

    fn whole(&self, root: Root) -> Option<Value> {
        let json = self.roots.get(name(root))?.clone();
        let taint = self.taints.iter().filter(|(r, ..)| *r == root).fold(Taint::default(), |all, (_, k, t)| all.join(&t.under(Some(k))));
        Some(Value { json: Arc::new(json), taint })
    }
}

pub fn parse(text: &str) -> (Program, Vec<Fault>) {
    Program::parse(Text::plain(text, Span::default(), 0))
}

/// A program that must be without faults.
pub fn program(text: &str) -> Program {
    let (program, faults) = parse(text);
    assert!(faults.is_empty(), "`{text}`: {faults:?}");
    program
}

pub fn eval(text: &str, data: &Data) -> Result<Json, EvalError> {
    program(text).eval(data).map(|v| (*v.json).clone())
}
