//! Expressions: the syntax and operators of the Common Expression Language, evaluated over borrowed JSON.
//!
//! Knows nothing of YAML and nothing of journeys. What an expression can see comes through [`Scope`].

use std::ops::Range;
use std::sync::Arc;

use crate::value::{Json, Taint, Value};

/// The roots that an expression or a template may start from. The `$` may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `$user`, also `$context.user`: what the host says of the caller.
    User,
    /// `$variables`, and its aliases `$data`, `$fields` and (but for `user`) `$context`.
    Variables,
    /// `$outcome`: the name of the last matched outcome.
    Outcome,
    /// `$now`: the time of the turn.
    Now,
    /// `$conversation`.
    Conversation,
    /// `$each`: the element at hand.
    Each,
    /// `response`: only in an outcome's condition and a few rules of safety.
    Response,
    /// `inputs`: likewise, and in endpoints.
    Inputs,
}

/// A borrowed value and what of it is sensitive.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// The data.
    pub json: &'a Json,
    /// The paths of it that may not be shown.
    pub taint: &'a Taint,
}

/// What an expression or a template can see. Nothing is copied to look at it.
pub trait Scope {
    /// `root.key`; `None` if there is nothing there (which reads as `null`).
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>>;
    /// The whole root, where it is used as a value (`size($variables)`, `$outcome`, `$now`). May build it.
    fn whole(&self, root: Root) -> Option<Value>;
    /// `root.key` as a value that outlives the borrow: what a template takes. Override it where values are held shared.
    fn shared(&self, root: Root, key: &str) -> Option<Value> {
        self.member(root, key).map(|n| Value { json: Arc::new(n.json.clone()), taint: n.taint.clone() })
    }
}

/// A path that an expression or a template reads: a root, and the keys after it as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The root.
    pub root: Root,
    /// Known keys after the root; an index by an unknown key ends the list.
    pub keys: Vec<Arc<str>>,
    /// Where in the text.
    pub range: Range<usize>,
    /// Read only under a guard against unset: `has(x)`, `x != null`, `coalesce(x, …)` and what they guard.
    pub guarded: bool,
}

/// What is wrong in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which of the codes `WP0401` to `WP0405`, `WP0107`.
    pub code: crate::source::Code,
    /// Where in the text.
    pub range: Range<usize>,
    /// One lower-case sentence.
    pub message: String,
    /// What to type instead.
    pub help: Option<String>,
}

/// A parsed expression, or a snippet: any number of `let name = expr;` before one.
#[derive(Debug, Clone)]
pub struct Program {
    text: crate::source::Text,
    broken: bool,
}

/// Why an evaluation gave no value. Says types and names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// One lower-case sentence.
    pub message: String,
    /// Where in the text.
    pub range: Range<usize>,
}

impl Program {
    /// Parses; a program with faults is broken and evaluates to an error.
    #[must_use]
    pub fn parse(text: crate::source::Text) -> (Self, Vec<Fault>) {
        (Self { text, broken: false }, Vec::new())
    }

    /// The text it was parsed from, and where that stands.
    #[must_use]
    pub fn text(&self) -> &crate::source::Text {
        &self.text
    }

    /// Whether it did not parse.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Every path it reads, in order.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        &[]
    }

    /// Its value if it reads nothing and always gives the same.
    #[must_use]
    pub fn constant(&self) -> Option<Json> {
        None
    }

    /// Evaluates to a value, with the taint of what it was computed from.
    ///
    /// # Errors
    /// When an operator or function does not take what it is given, or a bound of steps, depth or memory is passed.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        let _ = scope;
        Err(EvalError { message: "not an expression".into(), range: 0..0 })
    }

    /// Whether its value counts as true (language, 3.8), without building a value.
    ///
    /// # Errors
    /// As [`Program::eval`].
    pub fn test(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        let _ = scope;
        Err(EvalError { message: "not an expression".into(), range: 0..0 })
    }
}
