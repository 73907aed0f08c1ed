//! The tree of an expression. Chains of operators and of members are flat, so that no walk over it goes deeper than brackets do.
//!
//! Knows nothing of how it is written, evaluated or checked.

use std::ops::Range;
use std::sync::Arc;

use super::Root;
use super::builtins::Builtin;
use super::macros::Macro;

/// Where a part stands in the text. No part of what it is: all places are equal, so trees compare by meaning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl At {
    pub(super) fn new(start: usize, end: usize) -> Self {
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: short(start), end: short(end) }
    }

    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A part of an expression, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) at: At,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// What could not be read; the program is broken.
    Error,
    Literal(Literal),
    Root(Root),
    /// A name bound by a `let` or a macro; the number counts the names bound around it.
    Local(u32, Arc<str>),
    List(Box<[Expr]>),
    Map(Box<[(Expr, Expr)]>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    /// `a && b && …`
    All(Box<[Expr]>),
    /// `a || b || …`
    Any(Box<[Expr]>),
    /// `a + b - c …`: operators of one precedence, left to right.
    Chain(Box<Expr>, Box<[Link]>),
    /// `if ? then : else`
    If(Box<[Expr; 3]>),
    /// `a.b[c].d(e)…`, left to right.
    Postfix(Box<Expr>, Box<[Op]>),
    Call(&'static Builtin, Box<[Expr]>, Option<Pattern>),
    Coalesce(Box<[Expr]>),
    /// `has(path)`: the path is a root or a chain that ends in a member or an index.
    Has(Box<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
}

/// An operator and what stands right of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Link {
    pub(super) op: Operator,
    pub(super) at: At,
    pub(super) right: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// The operator with its sides changed over: `a < b` is `b > a`.
    pub(super) fn mirrored(self) -> Option<Self> {
        match self {
            Self::Equal | Self::NotEqual => Some(self),
            Self::Less => Some(Self::Greater),
            Self::LessEqual => Some(Self::GreaterEqual),
            Self::Greater => Some(Self::Less),
            Self::GreaterEqual => Some(Self::LessEqual),
            Self::In | Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder => None,
        }
    }
}

/// One link of a [`Kind::Postfix`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Op {
    pub(super) at: At,
    pub(super) kind: OpKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum OpKind {
    /// `.key`, and `['key']`, which is the same.
    Member(Arc<str>),
    Index(Expr),
    /// The arguments after the receiver.
    Call(&'static Builtin, Box<[Expr]>, Option<Pattern>),
    Macro(Box<MacroCall>),
}

/// `list.all(x, predicate)`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MacroCall {
    pub(super) which: Macro,
    pub(super) variables: Box<[Arc<str>]>,
    /// Predicate and transformation, as many as the macro's form has.
    pub(super) bodies: Box<[Expr]>,
}

/// A pattern known when the expression is parsed.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// A snippet: `let`s, and the expression whose value it has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snippet {
    pub(super) lets: Vec<(Arc<str>, Expr)>,
    pub(super) body: Expr,
}

impl Snippet {
    /// The root and the key, if it is nothing but `$root.key`.
    pub(super) fn member(&self) -> Option<(Root, &str)> {
        match (&*self.lets, &self.body.kind) {
            ([], Kind::Postfix(base, ops)) => match (&base.kind, &**ops) {
                (Kind::Root(root), [Op { kind: OpKind::Member(key), .. }]) => Some((*root, key)),
                _ => None,
            },
            _ => None,
        }
    }
}
