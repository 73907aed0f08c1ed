//! Which paths an expression reads, and which of them only where they are known to be set.

use std::sync::Arc;

use super::ast::{At, Expr, Kind, Literal, Op, OpKind, Operator, Snippet};
use super::{Read, Root};

/// A path that is known not to be unset: a root and the keys after it.
pub(super) type Set = (Root, Vec<Arc<str>>);

/// Every path that is read, in order.
pub(super) fn reads(snippet: &Snippet) -> Vec<Read> {
    let mut walk = Walk { reads: Vec::new(), set: Vec::new() };
    for (_, value) in &snippet.lets {
        walk.expr(value, false);
    }
    walk.expr(&snippet.body, false);
    walk.reads
}

struct Walk {
    reads: Vec<Read>,
    set: Vec<Set>,
}

impl Walk {
    fn read(&mut self, root: Root, keys: Vec<Arc<str>>, at: At, guarded: bool) {
        // INVARIANT: one path that is set proves its variable set, so the first key decides.
        let known = self.set.iter().any(|(r, k)| *r == root && k.first() == keys.first());
        self.reads.push(Read { root, keys, range: at.range(), guarded: guarded || known });
    }

    /// Walks a part; `guards` is whether the part itself is the guard.
    fn expr(&mut self, e: &Expr, guards: bool) {
        match &e.kind {
            Kind::Error | Kind::Literal(_) | Kind::Local(..) => {}
            Kind::Root(root) => self.read(*root, Vec::new(), e.at, guards),
            Kind::List(items) => items.iter().for_each(|i| self.expr(i, false)),
            Kind::Coalesce(items) => items.iter().for_each(|i| self.expr(i, true)),
            Kind::Map(entries) => {
                for (key, value) in entries {
                    self.expr(key, false);
                    self.expr(value, false);
                }
            }
            Kind::Not(inner) | Kind::Negate(inner) => self.expr(inner, false),
            Kind::Has(path) => self.expr(path, true),
            Kind::All(items) => self.guarded(items, true),
            Kind::Any(items) => self.guarded(items, false),
            Kind::If(parts) => {
                let [condition, then, other] = &**parts;
                self.expr(condition, false);
                self.under(condition, true, then);
                self.under(condition, false, other);
            }
            Kind::Chain(first, links) => {
                let null = |e: &Expr| e.kind == Kind::Literal(Literal::Null);
                let asks = |op| matches!(op, Operator::Equal | Operator::NotEqual);
                self.expr(first, links.first().is_some_and(|l| asks(l.op) && null(&l.right)));
                for link in links {
                    self.expr(&link.right, asks(link.op) && null(first));
                }
            }
            Kind::Call(_, args, _) => args.iter().for_each(|a| self.expr(a, false)),
            Kind::Postfix(base, ops) => self.postfix(base, ops, guards),
        }
    }

    /// Items of which each is evaluated only if those before it had this truth.
    fn guarded(&mut self, items: &[Expr], truth: bool) {
        let before = self.set.len();
        for item in items {
            self.expr(item, false);
            set_when(item, truth, &mut self.set);
        }
        self.set.truncate(before);
    }

    fn under(&mut self, condition: &Expr, truth: bool, part: &Expr) {
        let before = self.set.len();
        set_when(condition, truth, &mut self.set);
        self.expr(part, false);
        self.set.truncate(before);
    }

    fn postfix(&mut self, base: &Expr, ops: &[Op], guards: bool) {
        match base.kind {
            Kind::Root(root) => {
                let (keys, at) = known_keys(base, ops);
                self.read(root, keys, at, guards);
            }
            _ => self.expr(base, guards && ops.iter().all(|op| matches!(op.kind, OpKind::Member(_)))),
        }
        for op in ops {
            match &op.kind {
                OpKind::Member(_) => {}
                OpKind::Index(index) => self.expr(index, false),
                OpKind::Call(_, args, _) => args.iter().for_each(|a| self.expr(a, false)),
                OpKind::Macro(call) => call.bodies.iter().for_each(|b| self.expr(b, false)),
            }
        }
    }
}

/// The members after a root as far as they are known, and where the path with them stands.
pub(super) fn known_keys(base: &Expr, ops: &[Op]) -> (Vec<Arc<str>>, At) {
    let mut keys = Vec::new();
    let mut at = base.at;
    for op in ops {
        let OpKind::Member(key) = &op.kind else { break };
        keys.push(Arc::clone(key));
        at = at.to(op.at);
    }
    (keys, at)
}

/// The path that an expression is, if it is nothing but members after a root.
pub(super) fn path_of(e: &Expr) -> Option<Set> {
    match &e.kind {
        Kind::Root(root) => Some((*root, Vec::new())),
        Kind::Postfix(base, ops) => {
            let Kind::Root(root) = base.kind else { return None };
            let (keys, _) = known_keys(base, ops);
            (keys.len() == ops.len()).then_some((root, keys))
        }
        _ => None,
    }
}

/// The paths that are set where the expression has this truth.
pub(super) fn set_when(e: &Expr, truth: bool, out: &mut Vec<Set>) {
    match &e.kind {
        Kind::Not(inner) => set_when(inner, !truth, out),
        Kind::All(items) if truth => items.iter().for_each(|i| set_when(i, true, out)),
        Kind::Any(items) if !truth => items.iter().for_each(|i| set_when(i, false, out)),
        Kind::Any(items) | Kind::All(items) => {
            // One of them has this truth, which one is not known: what all of them prove.
            let mut each = items.iter().map(|i| {
                let mut set = Vec::new();
                set_when(i, truth, &mut set);
                set
            });
            let first = each.next().unwrap_or_default();
            let rest: Vec<Vec<Set>> = each.collect();
            out.extend(
                first
                    .into_iter()
                    .filter(|(root, keys)| rest.iter().all(|set| set.iter().any(|(r, k)| r == root && k.first() == keys.first()))),
            );
        }
        Kind::Has(path) if truth => out.extend(prefix_of(path)),
        Kind::Chain(first, links) => {
            let [link] = &**links else { return };
            let null = |e: &Expr| e.kind == Kind::Literal(Literal::Null);
            let value = |e: &Expr| matches!(e.kind, Kind::Literal(_)) && !null(e);
            let (Some(path), other) = (match (prefix_of(first), prefix_of(&link.right)) {
                (Some(path), _) => (Some(path), &link.right),
                (None, path) => (path, &**first),
            }) else {
                return;
            };
            let proves = match link.op {
                Operator::Equal => (truth && value(other)) || (!truth && null(other)),
                Operator::NotEqual => (truth && null(other)) || (!truth && value(other)),
                Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => true,
                Operator::In | Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => false,
            };
            if proves {
                out.push(path);
            }
        }
        Kind::Root(_) | Kind::Postfix(..) if truth => out.extend(path_of(e)),
        _ => {}
    }
}

/// The known part of a path whose value is asked for, if it is a path.
fn prefix_of(e: &Expr) -> Option<Set> {
    match &e.kind {
        Kind::Root(root) => Some((*root, Vec::new())),
        Kind::Postfix(base, ops) if ops.iter().all(|op| matches!(op.kind, OpKind::Member(_) | OpKind::Index(_))) => {
            let Kind::Root(root) = base.kind else { return None };
            Some((root, known_keys(base, ops).0))
        }
        _ => None,
    }
}
