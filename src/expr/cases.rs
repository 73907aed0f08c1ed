//! Whether earlier conditions leave a later one anything: all are tried on one example of every kind of data that they can tell apart.
//!
//! Understood are comparisons of a path with literals, paths as truth values and in `has`, and `&& || ! ?:` over these. A path's values
//! fall into few kinds then: what is compared with, what lies between, and what has no order with it. Anything else may be true or not.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Expr, Kind, Literal};
use super::eval::{Eval, Wholes, constant};
use super::logic::{comparison, parts, values};
use super::reads::path_of;
use super::value::{Budget, Val};
use super::{Node, Program, Root, Scope};
use crate::value::{Json, Taint, Value};

/// Examples tried at once; conditions that need more are looked at path by path.
const MAX: usize = 2_000;
/// The status that an answer can have.
const STATUS: (i64, i64) = (100, 999);

/// Conditions of which the first that is true is taken, tried out.
#[derive(Debug)]
pub struct Cases(Vec<Vec<Truth>>);

/// Of one condition, for each example.
#[derive(Debug)]
struct Truth {
    /// Whether it is certain to be true.
    is: Vec<bool>,
    /// Whether it may be.
    may_be: Vec<bool>,
}

type Path = (Root, Vec<Arc<str>>);

/// What a path is compared with.
type Places<'e> = BTreeMap<Path, Vec<&'e Literal>>;

impl Cases {
    /// Tries them, in their order; `None` is a condition that is always true.
    #[must_use]
    pub fn of(conditions: &[Option<&Program>]) -> Self {
        let mut places = Places::new();
        for part in conditions.iter().flatten().filter_map(|c| c.plain()).flat_map(parts) {
            let mut own = Places::new();
            if understand(part, &mut own) {
                for (path, literals) in own {
                    places.entry(path).or_default().extend(literals);
                }
            }
        }
        let Some(kinds) = kinds(&places) else { return Self(Vec::new()) };
        let together = kinds.iter().try_fold(1_usize, |n, (_, k)| n.checked_mul(k.len())).is_some_and(|n| n <= MAX);
        let groups = if together { vec![kinds] } else { kinds.into_iter().map(|k| vec![k]).collect() };
        Self(groups.iter().map(|group| try_out(conditions, group)).collect())
    }

    /// Which of the conditions before it are together true wherever that one is: as few as it takes. After them it is never reached.
    #[must_use]
    pub fn taken_by(&self, later: usize) -> Option<Vec<usize>> {
        self.0.iter().find_map(|truths| {
            let (before, from) = truths.split_at_checked(later)?;
            let wanted = &from.first()?.may_be;
            let covers = |by: &[usize]| {
                let is = |example: usize| by.iter().filter_map(|n| before.get(*n)?.is.get(example)).any(|is| *is);
                wanted.iter().enumerate().all(|(example, may_be)| !may_be || is(example))
            };
            let mut by: Vec<usize> = (0..before.len()).collect();
            if !covers(&by) {
                return None;
            }
            for n in (0..before.len()).rev() {
                let fewer: Vec<usize> = by.iter().copied().filter(|b| *b != n).collect();
                if covers(&fewer) {
                    by = fewer;
                }
            }
            Some(by)
        })
    }

    /// Whether it is true for any data, if that is one and the same.
    #[must_use]
    pub fn always(&self, condition: usize) -> Option<bool> {
        let mut truths = self.0.iter().filter_map(|t| t.get(condition));
        truths.find_map(|t| if t.may_be.contains(&true) { t.is.iter().all(|is| *is).then_some(true) } else { Some(false) })
    }
}

/// Whether its parts may decide each other. Where each looks at a path of its own, and none at a status, which has bounds, every part may
/// be true or not whatever the others are, and there is nothing to try.
pub(super) fn is_entangled(e: &Expr) -> bool {
    let mut seen: Vec<Path> = Vec::new();
    for leaf in leaves(e) {
        let mut own = Places::new();
        if matches!(leaf.kind, Kind::Literal(_)) {
            return true;
        }
        if !understand(leaf, &mut own) {
            continue;
        }
        for (root, keys) in own.into_keys() {
            let near = |(r, k): &Path| *r == root && (k.starts_with(&keys) || keys.starts_with(k));
            if is_status(root, &keys) || seen.iter().any(near) {
                return true;
            }
            seen.push((root, keys));
        }
    }
    false
}

/// What `&& || ! ?:` join.
fn leaves(e: &Expr) -> Vec<&Expr> {
    match &e.kind {
        Kind::Not(inner) => leaves(inner),
        Kind::All(items) | Kind::Any(items) => items.iter().flat_map(leaves).collect(),
        Kind::If(all) => all.iter().flat_map(leaves).collect(),
        Kind::Literal(_)
        | Kind::Postfix(..)
        | Kind::Has(_)
        | Kind::Chain(..)
        | Kind::Error
        | Kind::Root(_)
        | Kind::Local(..)
        | Kind::List(_)
        | Kind::Map(_)
        | Kind::Negate(_)
        | Kind::Call(..)
        | Kind::Coalesce(_) => vec![e],
    }
}

/// Whether it is made of what is understood; its paths, with what they are compared with.
fn understand<'e>(e: &'e Expr, places: &mut Places<'e>) -> bool {
    let mut note = |path: Option<Path>, literals: Vec<&'e Literal>| match path {
        Some((root, mut keys)) if !keys.is_empty() => {
            if is_header(root, &keys) {
                keys = keys.iter().map(|k| k.to_lowercase().into()).collect();
            }
            places.entry((root, keys)).or_default().extend(literals);
            true
        }
        _ => false,
    };
    match &e.kind {
        Kind::Literal(_) => true,
        Kind::Postfix(..) => note(path_of(e), Vec::new()),
        Kind::Has(path) => note(path_of(path), Vec::new()),
        Kind::Chain(..) => match comparison(e) {
            Some(c) => note(Some((c.root, c.keys)), vec![c.value]),
            None => values(e).is_some_and(|(root, keys, _, all)| note(Some((root, keys)), all)),
        },
        Kind::Not(inner) => understand(inner, places),
        Kind::All(items) | Kind::Any(items) => items.iter().all(|i| understand(i, places)),
        Kind::If(all) => all.iter().all(|i| understand(i, places)),
        Kind::Error
        | Kind::Root(_)
        | Kind::Local(..)
        | Kind::List(_)
        | Kind::Map(_)
        | Kind::Negate(_)
        | Kind::Call(..)
        | Kind::Coalesce(_) => false,
    }
}

fn is_status(root: Root, keys: &[Arc<str>]) -> bool {
    root == Root::Response && matches!(keys, [key] if &**key == "status")
}

fn is_header(root: Root, keys: &[Arc<str>]) -> bool {
    root == Root::Response && keys.len() == 2 && keys.first().is_some_and(|k| &**k == "headers")
}

/// One kind of data at a path.
#[derive(Debug, Clone)]
enum Case {
    Missing,
    /// What it should be a member of has no members: to look at it is an error.
    Fails,
    Is(Json),
}

/// The kinds of data at each path; none if literals are so close that nothing between them is found.
fn kinds(places: &Places<'_>) -> Option<Vec<(Path, Vec<Case>)>> {
    places.iter().map(|(path, literals)| Some((path.clone(), cases(path, literals, places)?))).collect()
}

fn cases((root, keys): &Path, literals: &[&Literal], places: &Places<'_>) -> Option<Vec<Case>> {
    let is = |json: Json| Case::Is(json);
    if is_status(*root, keys) {
        return Some(status(literals).map(|n| is(n.into())).collect());
    }
    let mut texts: Vec<&str> =
        literals.iter().filter_map(|l| if let Literal::Text(t) = l { Some(&**t) } else { None }).chain([""]).collect();
    texts.sort_unstable();
    texts.dedup();
    let behind = texts.iter().map(|t| format!("{t}\0")).filter(|t| !texts.contains(&t.as_str()));
    let texts = texts.iter().map(|t| (*t).to_owned()).chain(behind).map(|t| is(t.into()));
    if is_header(*root, keys) {
        return Some(texts.chain([Case::Missing]).collect());
    }
    let mut cases: Vec<Case> = texts.collect();
    cases.extend(numbers(literals)?.into_iter().map(is));
    cases.extend([Json::Null, false.into(), true.into(), Json::Array(Vec::new()), Json::Array(vec![Json::Null])].map(is));
    cases.push(Case::Missing);
    let within = |(r, k): &Path, keys: &[Arc<str>]| r == root && k.starts_with(keys) && k.len() > keys.len();
    if places.keys().any(|p| within(p, keys)) {
        let other = serde_json::Map::from_iter([("\0".to_owned(), Json::Null)]);
        cases.extend([serde_json::Map::new(), other].map(|map| is(Json::Object(map))));
    }
    let parent = keys.get(..keys.len().saturating_sub(1)).filter(|p| !p.is_empty());
    if parent.is_some_and(|p| !places.contains_key(&(*root, p.to_vec()))) {
        cases.push(Case::Fails);
    }
    Some(cases)
}

fn status(literals: &[&Literal]) -> impl Iterator<Item = i64> {
    let near = literals.iter().flat_map(|l| match l {
        Literal::Int(n) => [n.saturating_sub(1), *n, n.saturating_add(1)],
        #[expect(clippy::cast_possible_truncation, reason = "a status is small, and what is not is left out")]
        Literal::Double(n) => [n.floor() as i64, n.ceil() as i64, STATUS.1],
        Literal::Null | Literal::Bool(_) | Literal::Text(_) => [STATUS.0, STATUS.1, STATUS.1],
    });
    let mut all: Vec<i64> = near.chain([STATUS.0, STATUS.1]).filter(|n| (STATUS.0..=STATUS.1).contains(n)).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}

/// Each number, and one on either side of it.
fn numbers(literals: &[&Literal]) -> Option<Vec<Json>> {
    let order = |a: &Val<'_>, b: &Val<'_>| a.order(b).ok().flatten().unwrap_or(Ordering::Equal);
    let known = literals.iter().map(|l| constant(l)).filter(|v| matches!(v, Val::Int(_) | Val::Double(_)));
    let mut known: Vec<Val<'_>> = known.chain([Val::Int(0)]).collect();
    known.sort_by(order);
    known.dedup_by(|a, b| order(a, b).is_eq());
    let mut all = vec![Val::Double(f64::MIN), Val::Double(f64::MAX)];
    for pair in known.windows(2) {
        let [low, high] = pair else { continue };
        let between = |v: &Val<'_>| order(low, v).is_lt() && order(v, high).is_lt();
        all.push(candidates(low, high).into_iter().find(between)?);
    }
    all.extend(known);
    all.iter().map(|v| v.to_json(&mut Budget::new()).ok()).collect()
}

/// What may lie between two numbers.
fn candidates<'v>(low: &Val<'_>, high: &Val<'_>) -> Vec<Val<'v>> {
    #[expect(clippy::cast_precision_loss, reason = "what is rounded to either side is no candidate then")]
    let double = |v: &Val<'_>| match v {
        Val::Int(n) => *n as f64,
        Val::Double(n) => *n,
        _ => f64::NAN,
    };
    let whole = if let Val::Int(n) = low { n.checked_add(1) } else { None };
    let middle = f64::midpoint(double(low), double(high));
    whole.map(Val::Int).into_iter().chain([Val::Double(middle)]).collect()
}

/// Every condition on every example of a group of paths.
fn try_out(conditions: &[Option<&Program>], group: &[(Path, Vec<Case>)]) -> Vec<Truth> {
    let known = |e: &&Expr| {
        let mut own = Places::new();
        understand(e, &mut own) && own.keys().all(|path| group.iter().any(|(p, _)| p == path))
    };
    let count = group.iter().map(|(_, cases)| cases.len()).product();
    let examples: Vec<Data> = (0..count).map(|n| Data::of(group, n)).collect();
    let try_one = |condition: Option<&Program>| {
        let Some(program) = condition else { return Truth { is: vec![true; count], may_be: vec![true; count] } };
        let whole = program.plain().filter(known);
        let parts: Vec<&Expr> = program.plain().map(parts).unwrap_or_default().into_iter().filter(known).collect();
        Truth {
            is: examples.iter().map(|data| whole.is_some_and(|e| data.is_true(e))).collect(),
            may_be: examples.iter().map(|data| parts.iter().all(|p| data.is_true(p))).collect(),
        }
    };
    conditions.iter().copied().map(try_one).collect()
}

/// An example.
struct Data(BTreeMap<Root, Json>);

static CLEAN: std::sync::LazyLock<Taint> = std::sync::LazyLock::new(Taint::default);

impl Data {
    /// The example with that number. Shorter paths come first, so that what stands at them decides what is below.
    fn of(group: &[(Path, Vec<Case>)], mut number: usize) -> Self {
        let mut roots = BTreeMap::new();
        for ((root, keys), cases) in group {
            let case = cases.get(number % cases.len().max(1));
            number /= cases.len().max(1);
            let at: &mut Json = roots.entry(*root).or_insert_with(|| Json::Object(serde_json::Map::new()));
            match (case, keys.split_last()) {
                (Some(Case::Is(json)), _) => put(at, keys, json.clone(), false),
                (Some(Case::Fails), Some((_, above))) => put(at, above, "".into(), true),
                (Some(Case::Fails | Case::Missing) | None, _) => {}
            }
        }
        Self(roots)
    }

    fn is_true(&self, e: &Expr) -> bool {
        let wholes = Wholes::default();
        Eval::new(self, &wholes).expr(e).is_ok_and(|operand| operand.val.is_true())
    }
}

/// Puts it there, unless something without members stands on the way, or, if it does not replace, at the place itself.
fn put(at: &mut Json, keys: &[Arc<str>], json: Json, replaces: bool) {
    let mut at = at;
    for key in keys {
        let Json::Object(map) = at else { return };
        at = map.entry(&**key).or_insert_with(|| Json::Object(serde_json::Map::new()));
    }
    if replaces || at.as_object().is_some_and(serde_json::Map::is_empty) {
        *at = json;
    }
}

impl Scope for Data {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        self.0.get(&root)?.get(key).map(|json| Node { json, taint: &CLEAN })
    }

    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}
