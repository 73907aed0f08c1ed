//! What an expression holds its paths against: from that, somebody who looks for data that takes every branch finds what to try.

use std::sync::Arc;

use super::ast::{Expr, Kind, Literal, OpKind, Operator};
use super::eval::constant;
use super::macros::Macro;
use super::value::Budget;
use super::{Program, Root};
use crate::value::Json;

/// A path that an expression looks at. `*` stands for each element of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// Its root.
    pub root: Root,
    /// The keys after it.
    pub keys: Vec<Arc<str>>,
    /// What it is held against.
    pub with: Against,
}

/// What a path is held against.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// A literal.
    Literal(Json),
    /// Another path.
    Path(Root, Vec<Arc<str>>),
    /// Truth.
    Truth,
    /// Nothing: it is only read.
    Nothing,
}

/// Names bound around a part: each with the path of the list whose elements it stands for, if it is one.
type Bound = Vec<(Arc<str>, Option<(Root, Vec<Arc<str>>)>)>;

impl Program {
    /// The paths that it looks at, and what each is held against.
    #[must_use]
    pub fn mentions(&self) -> Vec<Mention> {
        let mut out = Vec::new();
        let mut bound = Bound::new();
        if !self.is_broken() {
            for (name, value) in &self.tree.snippet.lets {
                walk(value, false, &mut bound, &mut out);
                let path = path(value, &bound);
                bound.push((name.clone(), path));
            }
            walk(&self.tree.snippet.body, true, &mut bound, &mut out);
        }
        out
    }

    /// The path of the list of which its value is an element: `list.filter(x, …)[0]`.
    #[must_use]
    pub fn element_of(&self) -> Option<(Root, Vec<Arc<str>>)> {
        let Kind::Postfix(base, ops) = &self.plain()?.kind else { return None };
        let Kind::Root(root) = base.kind else { return None };
        let mut keys = Vec::new();
        let mut of_list = false;
        for op in ops {
            match &op.kind {
                OpKind::Member(key) if !of_list => keys.push(key.clone()),
                OpKind::Macro(_) | OpKind::Index(_) => of_list = true,
                OpKind::Member(_) | OpKind::Call(..) => return None,
            }
        }
        of_list.then_some((root, keys))
    }
}

/// The path that an expression is, elements of lists as `*`.
fn path(e: &Expr, bound: &Bound) -> Option<(Root, Vec<Arc<str>>)> {
    let (base, ops): (&Expr, &[super::ast::Op]) = match &e.kind {
        Kind::Postfix(base, ops) => (base, ops),
        Kind::Root(_) | Kind::Local(..) => (e, &[]),
        _ => return None,
    };
    let (root, mut keys) = match &base.kind {
        Kind::Root(root) => (*root, Vec::new()),
        Kind::Local(_, name) => bound.iter().rev().find(|(n, _)| n == name).and_then(|(_, p)| p.clone())?,
        _ => return None,
    };
    for op in ops {
        match &op.kind {
            OpKind::Member(key) => keys.push(key.clone()),
            OpKind::Index(_) => keys.push("*".into()),
            OpKind::Call(..) | OpKind::Macro(_) => return None,
        }
    }
    Some((root, keys))
}

fn literal(e: &Expr) -> Option<Json> {
    match &e.kind {
        Kind::Literal(l) => constant(l).to_json(&mut Budget::new()).ok(),
        Kind::Negate(inner) => match &inner.kind {
            Kind::Literal(Literal::Int(n)) => Some(n.saturating_neg().into()),
            _ => None,
        },
        _ => None,
    }
}

/// Recursion is as deep as the brackets of the expression, which the parser bounds.
fn walk(e: &Expr, truth: bool, bound: &mut Bound, out: &mut Vec<Mention>) {
    if let Some((root, keys)) = path(e, bound) {
        out.push(Mention { root, keys, with: if truth { Against::Truth } else { Against::Nothing } });
    }
    match &e.kind {
        Kind::Not(inner) => walk(inner, true, bound, out),
        Kind::All(items) | Kind::Any(items) => items.iter().for_each(|i| walk(i, true, bound, out)),
        Kind::If(parts) => {
            let [condition, then, otherwise] = &**parts;
            walk(condition, true, bound, out);
            walk(then, truth, bound, out);
            walk(otherwise, truth, bound, out);
        }
        Kind::Chain(first, links) => {
            let mut left: &Expr = first;
            walk(left, false, bound, out);
            for link in links {
                walk(&link.right, false, bound, out);
                held(left, &link.right, link.op, bound, out);
                left = &link.right;
            }
        }
        Kind::Postfix(base, ops) => {
            if !matches!(base.kind, Kind::Root(_) | Kind::Local(..)) {
                walk(base, false, bound, out);
            }
            let mut before: Vec<super::ast::Op> = Vec::new();
            for op in ops {
                match &op.kind {
                    OpKind::Macro(call) => {
                        let list = Expr { at: e.at, kind: Kind::Postfix(base.clone(), before.clone().into()) };
                        let mut of = if before.is_empty() { path(base, bound) } else { path(&list, bound) };
                        if let Some((root, keys)) = &mut of {
                            out.push(Mention { root: *root, keys: keys.clone(), with: Against::Nothing });
                            keys.push("*".into());
                        }
                        let outer = bound.len();
                        // Of two names the first is the index.
                        let last = call.variables.len().saturating_sub(1);
                        bound
                            .extend(call.variables.iter().enumerate().map(|(i, v)| (v.clone(), if i == last { of.clone() } else { None })));
                        let tests = matches!(call.which, Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter);
                        call.bodies.iter().for_each(|b| walk(b, tests, bound, out));
                        bound.truncate(outer);
                    }
                    OpKind::Index(inner) => walk(inner, false, bound, out),
                    OpKind::Call(_, arguments, _) => arguments.iter().for_each(|a| walk(a, false, bound, out)),
                    OpKind::Member(_) => {}
                }
                before.push(op.clone());
            }
        }
        Kind::Has(inner) | Kind::Negate(inner) => walk(inner, false, bound, out),
        Kind::List(items) | Kind::Call(_, items, _) | Kind::Coalesce(items) => items.iter().for_each(|i| walk(i, false, bound, out)),
        Kind::Map(pairs) => pairs.iter().for_each(|(k, v)| {
            walk(k, false, bound, out);
            walk(v, false, bound, out);
        }),
        Kind::Error | Kind::Literal(_) | Kind::Root(_) | Kind::Local(..) => {}
    }
}

/// Two sides of a comparison, each way round.
fn held(left: &Expr, right: &Expr, op: Operator, bound: &Bound, out: &mut Vec<Mention>) {
    if op == Operator::In {
        if let (Some((root, keys)), Kind::List(items)) = (path(left, bound), &right.kind) {
            out.extend(items.iter().filter_map(literal).map(|l| Mention { root, keys: keys.clone(), with: Against::Literal(l) }));
        }
        return;
    }
    if op.mirrored().is_none() {
        return;
    }
    for (one, other) in [(left, right), (right, left)] {
        let Some((root, keys)) = path(one, bound) else { continue };
        let with = literal(other).map(Against::Literal).or_else(|| path(other, bound).map(|(r, k)| Against::Path(r, k)));
        out.extend(with.map(|with| Mention { root, keys, with }));
    }
}
