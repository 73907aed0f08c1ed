//! Expressions: the syntax and operators of the Common Expression Language, evaluated over borrowed JSON.
//!
//! Knows nothing of YAML and nothing of journeys. What an expression can see comes through [`Scope`].

mod ast;
mod builtins;
mod eval;
mod lex;
mod literal;
mod macros;
mod parse;
mod reads;
mod value;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

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

/// A parsed expression, or a snippet: any number of `let name = expr;` before one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Program {
    text: crate::source::Text,
    tree: Arc<Tree>,
}

#[derive(Debug)]
struct Tree {
    snippet: ast::Snippet,
    broken: bool,
    reads: OnceLock<Vec<Read>>,
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
        let (snippet, faults) = parse::parse(&text.value);
        let tree = Tree { snippet, broken: !faults.is_empty(), reads: OnceLock::new() };
        (Self { text, tree: Arc::new(tree) }, faults)
    }

    /// The text it was parsed from, and where that stands.
    #[must_use]
    pub fn text(&self) -> &crate::source::Text {
        &self.text
    }

    /// Whether it did not parse.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.tree.broken
    }

    /// Every path it reads, in order.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        self.tree.reads.get_or_init(|| reads::reads(&self.tree.snippet))
    }

    /// The paths that are set wherever its value has this truth: what its guards prove to the branch after it.
    #[must_use]
    pub fn set_when(&self, truth: bool) -> Vec<(Root, Vec<Arc<str>>)> {
        let mut out = Vec::new();
        reads::set_when(&self.tree.snippet.body, truth, &mut out);
        out
    }

    /// Its value if it reads nothing and always gives the same.
    #[must_use]
    pub fn constant(&self) -> Option<Json> {
        if self.is_broken() || !self.reads().is_empty() {
            return None;
        }
        self.eval(&Nothing).ok().map(|v| Arc::unwrap_or_clone(v.json))
    }

    /// Evaluates to a value, with the taint of what it was computed from.
    ///
    /// # Errors
    /// When an operator or function does not take what it is given, or a bound of steps, depth or memory is passed.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        let wholes = eval::Wholes::default();
        let mut eval = eval::Eval::new(scope, &wholes);
        let operand = eval.snippet(&self.tree.snippet)?;
        eval.finish(&operand, self.tree.snippet.body.at)
    }

    /// Whether its value counts as true (language, 3.8), without building a value.
    ///
    /// # Errors
    /// As [`Program::eval`].
    pub fn test(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        let wholes = eval::Wholes::default();
        eval::Eval::new(scope, &wholes).snippet(&self.tree.snippet).map(|operand| operand.val.is_true())
    }
}

/// The scope of what reads nothing.
struct Nothing;

impl Scope for Nothing {
    fn member(&self, _: Root, _: &str) -> Option<Node<'_>> {
        None
    }

    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}
