//! Expressions: the syntax and operators of the Common Expression Language, evaluated over borrowed JSON.
//!
//! Knows nothing of YAML and nothing of journeys. What an expression can see comes through [`Scope`].

mod ast;
mod builtins;
mod cases;
mod eval;
mod flow;
mod lex;
mod literal;
mod logic;
mod macros;
mod mentions;
mod page;
mod parse;
mod print;
mod reads;
mod types;
mod value;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::value::{Json, Secrets, Taint, Value};

pub use cases::Cases;
pub use mentions::{Against, Mention};
pub use page::functions_page;
pub use types::{Record, Type, TypeEnv};

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
    /// `entity`: what a condition is evaluated for. Only in conditions, like the two after it.
    Entity,
    /// `data`: what it is evaluated over, an event of a conversation for one.
    Event,
    /// `primitives`: what is known of the entity.
    Primitives,
}

/// Where an expression stands: there are other roots in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a journey or an integration.
    Journey,
    /// In a condition: `entity`, `data`, `primitives` and `now`.
    Condition,
}

impl Root {
    /// With its `$`.
    #[must_use]
    pub const fn dollar(self) -> &'static str {
        match self {
            Self::User => "$user",
            Self::Variables => "$variables",
            Self::Outcome => "$outcome",
            Self::Now => "$now",
            Self::Conversation => "$conversation",
            Self::Each => "$each",
            Self::Response => "$response",
            Self::Inputs => "$inputs",
            Self::Entity => "$entity",
            Self::Event => "$data",
            Self::Primitives => "$primitives",
        }
    }

    /// Without it.
    #[must_use]
    pub fn bare(self) -> &'static str {
        self.dollar().trim_start_matches('$')
    }

    /// As authors write it in an expression.
    #[must_use]
    pub fn written(self) -> &'static str {
        if matches!(self, Self::Response | Self::Inputs | Self::Entity | Self::Event | Self::Primitives) {
            self.bare()
        } else {
            self.dollar()
        }
    }
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
    /// `WP0404` of what is no expression, `WP0405` of what is not known, `WP0402` and `WP0403` of types, `WP0107` of limits.
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

/// A part of a condition that is true wherever the whole is.
#[derive(Debug, Clone, PartialEq)]
pub enum Conjunct {
    /// A path whose value counts as true.
    Truth {
        /// The root.
        root: Root,
        /// The keys after it.
        keys: Vec<Arc<str>>,
    },
    /// A path compared with a literal.
    Compare {
        /// The root.
        root: Root,
        /// The keys after it.
        keys: Vec<Arc<str>>,
        /// How they compare, the path on the left.
        relation: Relation,
        /// The literal.
        value: Json,
    },
    /// Anything else.
    Other,
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
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
        Self::parse_at(text, Place::Journey)
    }

    /// The same with the roots of another place.
    #[must_use]
    pub fn parse_at(text: crate::source::Text, place: Place) -> (Self, Vec<Fault>) {
        let (snippet, faults) = parse::parse(&text.value, place);
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

    /// What types show to be wrong (`WP0402`, `WP0403`), where so much of the roots is known.
    #[must_use]
    pub fn check(&self, env: &dyn TypeEnv) -> Vec<Fault> {
        if self.is_broken() { Vec::new() } else { types::check(&self.tree.snippet, env).1 }
    }

    /// The type of its value, where so much of the roots is known.
    #[must_use]
    pub fn type_in(&self, env: &dyn TypeEnv) -> Type {
        if self.is_broken() { Type::Any } else { types::check(&self.tree.snippet, env).0 }
    }

    /// As text again, in one form whatever the spaces, quotes, aliases of roots and needless brackets it was written with.
    #[must_use]
    pub fn print(&self) -> String {
        print::snippet(&self.tree.snippet)
    }

    /// Whether both are the same expression, however they were written.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        !self.is_broken() && !other.is_broken() && self.tree.snippet == other.tree.snippet
    }

    /// The path that it is, if it is nothing but a root and known keys after it.
    #[must_use]
    pub fn path(&self) -> Option<(Root, Vec<Arc<str>>)> {
        reads::path_of(&self.tree.snippet.body)
    }

    /// What of its value may be sensitive, if `of` says what of a root's member may be (`None`: of the whole root).
    #[must_use]
    pub fn secrets(&self, of: &dyn Fn(Root, Option<&str>) -> Secrets) -> Secrets {
        flow::secrets(&self.tree.snippet, of)
    }

    /// A path whose value is true wherever the whole is not: what the other branch of `!path` proves, and of `!path || …`.
    #[must_use]
    pub fn true_unless(&self) -> Option<(Root, Vec<Arc<str>>)> {
        logic::true_unless(&self.tree.snippet.body)
    }

    /// The parts that are all true wherever the whole is.
    #[must_use]
    pub fn conjuncts(&self) -> Vec<Conjunct> {
        if self.is_broken() { Vec::new() } else { logic::conjuncts(&self.tree.snippet.body) }
    }

    /// Whether it is true whatever the data.
    #[must_use]
    pub fn always_true(&self) -> bool {
        self.constant_truth() == Some(true) || self.plain().is_some_and(|e| logic::always(e, true) || self.is_always() == Some(true))
    }

    /// Whether it is false whatever the data.
    #[must_use]
    pub fn always_false(&self) -> bool {
        self.constant_truth() == Some(false) || self.plain().is_some_and(|e| logic::always(e, false) || self.is_always() == Some(false))
    }

    /// Whether an earlier condition is true wherever this one is, as far as their shapes show: after it, this one is never reached.
    #[must_use]
    pub fn implies(&self, earlier: &Self) -> bool {
        let follows = |(later, earlier)| logic::implies(later, earlier);
        earlier.always_true() || self.same_as(earlier) || self.plain().zip(earlier.plain()).is_some_and(follows)
    }

    /// The expression, if no `let` stands before it.
    fn plain(&self) -> Option<&ast::Expr> {
        (!self.is_broken() && self.tree.snippet.lets.is_empty()).then_some(&self.tree.snippet.body)
    }

    fn constant_truth(&self) -> Option<bool> {
        if !self.is_broken() && self.reads().is_empty() { self.test(&Nothing).ok() } else { None }
    }

    /// What its parts together come to whatever the data; of one part alone that is known already.
    fn is_always(&self) -> Option<bool> {
        let joined = |e: &ast::Expr| matches!(e.kind, ast::Kind::All(_) | ast::Kind::Any(_) | ast::Kind::Not(_) | ast::Kind::If(_));
        if self.plain().is_some_and(|e| joined(e) && cases::is_entangled(e)) { Cases::of(&[Some(self)]).always(0) } else { None }
    }

    /// Evaluates to a value, with the taint of what it was computed from.
    ///
    /// # Errors
    /// When an operator or function does not take what it is given, or a bound of steps, depth or memory is passed.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        if let Some((root, key)) = self.tree.snippet.member() {
            return Ok(scope.shared(root, key).unwrap_or_default());
        }
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
