//! What a condition is made of, and what follows from it: for proofs of identity and for branches that an earlier one takes.

use std::cmp::Ordering;
use std::sync::Arc;

use super::ast::{Expr, Kind, Link, Literal, Operator};
use super::eval::constant;
use super::reads::{path_of, set_when};
use super::value::{Budget, Val};
use super::{Conjunct, Relation, Root};
use crate::value::Json;

/// The parts that are all true where the whole is.
pub(super) fn conjuncts(e: &Expr) -> Vec<Conjunct> {
    parts(e).into_iter().map(conjunct).collect()
}

/// The same as they stand.
pub(super) fn parts(e: &Expr) -> Vec<&Expr> {
    match &e.kind {
        Kind::All(items) => items.iter().flat_map(parts).collect(),
        Kind::Not(inner) => match &inner.kind {
            Kind::Not(inner) => parts(inner),
            _ => vec![e],
        },
        _ => vec![e],
    }
}

/// A path that is true where the value is false. A failing expression has no truth: what stands before the path must not fail.
pub(super) fn true_unless(e: &Expr) -> Option<(Root, Vec<Arc<str>>)> {
    match &e.kind {
        Kind::Not(inner) => path_of(inner),
        Kind::Any(items) => items.first().and_then(true_unless),
        _ => None,
    }
}

fn conjunct(e: &Expr) -> Conjunct {
    if let Some((root, keys)) = path_of(e) {
        return Conjunct::Truth { root, keys };
    }
    match comparison(e) {
        Some(c) => {
            let value = Val::to_json(&constant(c.value), &mut Budget::new()).unwrap_or(Json::Null);
            Conjunct::Compare { root: c.root, keys: c.keys, relation: c.relation, value }
        }
        None => Conjunct::Other,
    }
}

pub(super) struct Comparison<'e> {
    pub(super) root: Root,
    pub(super) keys: Vec<Arc<str>>,
    pub(super) relation: Relation,
    pub(super) value: &'e Literal,
}

/// A path compared with a literal, the path turned to the left.
pub(super) fn comparison(e: &Expr) -> Option<Comparison<'_>> {
    let Kind::Chain(first, links) = &e.kind else { return None };
    let [Link { op, right, .. }] = &**links else { return None };
    let (path, op, value) = match (&first.kind, &right.kind) {
        (_, Kind::Literal(value)) => (path_of(first)?, *op, value),
        (Kind::Literal(value), _) => (path_of(right)?, op.mirrored()?, value),
        _ => return None,
    };
    let relation = match op {
        Operator::Equal => Relation::Equal,
        Operator::NotEqual => Relation::NotEqual,
        Operator::Less => Relation::Less,
        Operator::LessEqual => Relation::LessEqual,
        Operator::Greater => Relation::Greater,
        Operator::GreaterEqual => Relation::GreaterEqual,
        Operator::In | Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => return None,
    };
    Some(Comparison { root: path.0, keys: path.1, relation, value })
}

/// Whether the value is certain to be true, whatever the data.
pub(super) fn always(e: &Expr, truth: bool) -> bool {
    match &e.kind {
        Kind::Literal(literal) => constant(literal).is_true() == truth,
        Kind::Not(inner) => always(inner, !truth),
        Kind::All(items) | Kind::Any(items) => {
            let any = matches!(e.kind, Kind::Any(_));
            if any != truth {
                return items.iter().all(|i| always(i, truth));
            }
            // One decides; those before it must not fail.
            items.iter().enumerate().any(|(at, item)| {
                let before = items.get(..at).unwrap_or(&[]);
                before.iter().all(total) && (always(item, truth) || (total(item) && before.iter().any(|b| opposite(b, item))))
            })
        }
        _ => false,
    }
}

/// Whether evaluation cannot fail.
fn total(e: &Expr) -> bool {
    match &e.kind {
        Kind::Literal(_) | Kind::Root(_) | Kind::Local(..) => true,
        Kind::Has(path) => path_of(path).is_some(),
        Kind::Not(inner) => total(inner),
        Kind::All(items) | Kind::Any(items) | Kind::Coalesce(items) => items.iter().all(total),
        Kind::Chain(first, links) => {
            total(first) && links.iter().all(|l| matches!(l.op, Operator::Equal | Operator::NotEqual) && total(&l.right))
        }
        // A member of what is no map fails; one directly under a root does not.
        Kind::Postfix(..) => path_of(e).is_some_and(|(_, keys)| keys.len() == 1),
        _ => false,
    }
}

fn opposite(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Not(a), Kind::Not(b)) => opposite(a, b),
        (Kind::Not(a), _) => **a == *b,
        (_, Kind::Not(b)) => *a == **b,
        (Kind::Chain(a, x), Kind::Chain(b, y)) => match (&**x, &**y) {
            ([x], [y]) => {
                let negated = matches!((x.op, y.op), (Operator::Equal, Operator::NotEqual) | (Operator::NotEqual, Operator::Equal));
                negated && a == b && x.right == y.right
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether `later` is true only where `earlier` is true too, as far as their shapes show.
pub(super) fn implies(later: &Expr, earlier: &Expr) -> bool {
    if later == earlier || always(earlier, true) || always(later, false) {
        return true;
    }
    match (&later.kind, &earlier.kind) {
        (Kind::Any(items), _) => items.iter().all(|i| implies(i, earlier)),
        (_, Kind::All(items)) => items.iter().all(|i| implies(later, i)),
        (_, Kind::Any(items)) => {
            // One of them holds; those before it must not fail.
            (0..items.len())
                .any(|at| items.get(..at).is_some_and(|b| b.iter().all(total)) && items.get(at).is_some_and(|i| implies(later, i)))
        }
        (Kind::All(_), _) => parts(later).into_iter().any(|p| !matches!(p.kind, Kind::All(_)) && implies(p, earlier)),
        (_, Kind::Has(path)) => {
            let mut set = Vec::new();
            set_when(later, true, &mut set);
            path_of(path).is_some_and(|path| set.contains(&path))
        }
        _ => {
            let Some((root, keys, relation, all)) = values(later) else { return false };
            let place = Some((root, keys));
            if let Some(e) = comparison(earlier) {
                return place == Some((e.root, e.keys)) && all.iter().all(|v| follows(relation, v, e.relation, e.value));
            }
            if relation != Relation::Equal {
                return false;
            }
            if let Some((root, keys, _, wider)) = values(earlier) {
                let among = |v: &Literal| wider.iter().any(|w| follows(Relation::Equal, v, Relation::Equal, w));
                return place == Some((root, keys)) && all.into_iter().all(among);
            }
            match &earlier.kind {
                Kind::Not(path) => place == path_of(path) && all.iter().all(|v| !constant(v).is_true()),
                _ => place == path_of(earlier) && all.iter().all(|v| constant(v).is_true()),
            }
        }
    }
}

pub(super) type Values<'e> = (Root, Vec<Arc<str>>, Relation, Vec<&'e Literal>);

/// A path and what it is compared with: one literal, or with `in` several.
pub(super) fn values(e: &Expr) -> Option<Values<'_>> {
    if let Some(c) = comparison(e) {
        return Some((c.root, c.keys, c.relation, vec![c.value]));
    }
    let Kind::Chain(first, links) = &e.kind else { return None };
    let [Link { op: Operator::In, right: Expr { kind: Kind::List(items), .. }, .. }] = &**links else { return None };
    let (root, keys) = path_of(first)?;
    let all: Option<Vec<&Literal>> = items.iter().map(|i| if let Kind::Literal(l) = &i.kind { Some(l) } else { None }).collect();
    all.map(|all| (root, keys, Relation::Equal, all))
}

/// Whether `x later a` can only hold where `x earlier b` holds.
fn follows(later: Relation, a: &Literal, earlier: Relation, b: &Literal) -> bool {
    let (a, b) = (constant(a), constant(b));
    if later == Relation::Equal {
        let equal = a.equals(&b, &mut Budget::new()).unwrap_or(false);
        return match earlier {
            Relation::Equal => equal,
            Relation::NotEqual => !equal,
            Relation::Less | Relation::LessEqual | Relation::Greater | Relation::GreaterEqual => {
                a.order(&b).ok().flatten().is_some_and(|o| holds(earlier, o))
            }
        };
    }
    if !matches!((&a, &b), (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) | (Val::Text(_), Val::Text(_))) {
        return false;
    }
    let Ok(Some(order)) = a.order(&b) else { return false };
    match (later, earlier) {
        (Relation::NotEqual, Relation::NotEqual) => order.is_eq(),
        (Relation::Less, Relation::Less | Relation::NotEqual | Relation::LessEqual) | (Relation::LessEqual, Relation::LessEqual) => {
            order.is_le()
        }
        (Relation::LessEqual, Relation::Less | Relation::NotEqual) => order.is_lt(),
        (Relation::Greater, Relation::Greater | Relation::NotEqual | Relation::GreaterEqual)
        | (Relation::GreaterEqual, Relation::GreaterEqual) => order.is_ge(),
        (Relation::GreaterEqual, Relation::Greater | Relation::NotEqual) => order.is_gt(),
        _ => false,
    }
}

fn holds(relation: Relation, order: Ordering) -> bool {
    match relation {
        Relation::Equal => order.is_eq(),
        Relation::NotEqual => order.is_ne(),
        Relation::Less => order.is_lt(),
        Relation::LessEqual => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::GreaterEqual => order.is_ge(),
    }
}
