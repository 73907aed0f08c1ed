//! The evaluator: walks the tree over borrowed data, within a budget, carrying taint.
//!
//! Recursion goes as deep as brackets do (the parser caps that); chains are loops.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::sync::Arc;

use super::ast::{At, Expr, Kind, Link, Literal, MacroCall, Op, OpKind, Operator, Pattern, Snippet};
use super::builtins::list::as_double;
use super::builtins::{Builtin, Flow, text, time};
use super::macros::Macro;
use super::value::{Budget, Entries, Key, Reason, Val};
use super::{EvalError, Root, Scope};
use crate::value::{Taint, Value};

/// A value and what of it is sensitive.
#[derive(Debug, Clone)]
pub(super) struct Operand<'a> {
    pub(super) val: Val<'a>,
    pub(super) taint: Taint,
}

impl<'a> Operand<'a> {
    fn clean(val: Val<'a>) -> Self {
        Self { val, taint: Taint::default() }
    }

    /// Computed from values with this taint.
    fn computed(val: Val<'a>, taint: &Taint) -> Self {
        Self { val, taint: taint.computed() }
    }
}

/// Whole roots, fetched once at most in an evaluation.
#[derive(Debug, Default)]
pub(super) struct Wholes([OnceCell<Option<Value>>; 11]);

pub(super) struct Eval<'a> {
    scope: &'a dyn Scope,
    wholes: &'a Wholes,
    locals: Vec<Operand<'a>>,
    budget: Budget,
}

type Outcome<'a> = Result<Operand<'a>, EvalError>;

fn fail(reason: impl Into<Reason>, at: At) -> EvalError {
    EvalError { message: reason.into(), range: at.range() }
}

trait Place<T> {
    fn at(self, at: At) -> Result<T, EvalError>;
}

impl<T> Place<T> for Result<T, Reason> {
    fn at(self, at: At) -> Result<T, EvalError> {
        self.map_err(|reason| fail(reason, at))
    }
}

impl<'a> Eval<'a> {
    pub(super) fn new(scope: &'a dyn Scope, wholes: &'a Wholes) -> Self {
        Self { scope, wholes, locals: Vec::new(), budget: Budget::new() }
    }

    pub(super) fn snippet(&mut self, snippet: &'a Snippet) -> Outcome<'a> {
        for (_, value) in &snippet.lets {
            let value = self.expr(value)?;
            self.locals.push(value);
        }
        self.expr(&snippet.body)
    }

    /// The result as a shared value, copied out of the data.
    pub(super) fn finish(&mut self, operand: &Operand<'a>, at: At) -> Result<Value, EvalError> {
        let json = operand.val.to_json(&mut self.budget).at(at)?;
        Ok(Value { json: Arc::new(json), taint: operand.taint.clone() })
    }

    pub(super) fn expr(&mut self, e: &'a Expr) -> Outcome<'a> {
        self.budget.step(1).at(e.at)?;
        match &e.kind {
            Kind::Error => Err(fail("this is no expression", e.at)),
            Kind::Literal(literal) => Ok(Operand::clean(constant(literal))),
            Kind::Root(root) => Ok(self.whole(*root)),
            Kind::Local(slot, _) => Ok(self.local(*slot)),
            Kind::List(items) => self.list(items, e.at),
            Kind::Map(entries) => self.map(entries, e.at),
            Kind::Not(inner) => {
                let inner = self.expr(inner)?;
                Ok(Operand::computed(Val::Bool(!inner.val.is_true()), &inner.taint))
            }
            Kind::Negate(inner) => self.negate(inner, e.at),
            Kind::All(items) => self.logic(items, false),
            Kind::Any(items) => self.logic(items, true),
            Kind::Chain(first, links) => self.chain(first, links),
            Kind::If(parts) => {
                let [condition, then, other] = &**parts;
                let chosen = if self.expr(condition)?.val.is_true() { then } else { other };
                self.expr(chosen)
            }
            Kind::Postfix(base, ops) => self.postfix(base, ops, false),
            Kind::Call(function, args, pattern) => self.call(function, None, args, pattern.as_ref(), e.at),
            Kind::Coalesce(args) => self.coalesce(args),
            Kind::Has(path) => self.has(path),
        }
    }

    fn local(&self, slot: u32) -> Operand<'a> {
        self.locals.get(slot as usize).cloned().unwrap_or_else(|| Operand::clean(Val::Null))
    }

    fn whole(&self, root: Root) -> Operand<'a> {
        let Some(cell) = self.wholes.0.get(root as usize) else { return Operand::clean(Val::Null) };
        let Some(value) = cell.get_or_init(|| self.scope.whole(root)) else { return Operand::clean(Val::Null) };
        let val = match (root, Val::from(&*value.json)) {
            (Root::Now, Val::Text(text)) => text.parse().map_or(Val::Text(text), Val::Time),
            (_, val) => val,
        };
        Operand { val, taint: value.taint.clone() }
    }

    fn logic(&mut self, items: &'a [Expr], stop: bool) -> Outcome<'a> {
        let mut taint = Taint::default();
        for item in items {
            let item = self.expr(item)?;
            if !item.taint.is_clean() {
                taint = Taint::whole();
            }
            if item.val.is_true() == stop {
                return Ok(Operand { val: Val::Bool(stop), taint });
            }
        }
        Ok(Operand { val: Val::Bool(!stop), taint })
    }

    fn list(&mut self, items: &'a [Expr], at: At) -> Outcome<'a> {
        let mut out = Vec::with_capacity(items.len());
        let mut taint = Taint::default();
        for item in items {
            let item = self.expr(item)?;
            taint = taint.join(&item.taint.under(None));
            out.push(item.val);
        }
        Ok(Operand { val: self.budget.list(out).at(at)?, taint })
    }

    fn map(&mut self, entries: &'a [(Expr, Expr)], at: At) -> Outcome<'a> {
        let mut out = Entries::with_capacity(entries.len());
        let mut taint = Taint::default();
        self.budget.build(entries.len() * 2 * size_of::<Val<'_>>()).at(at)?;
        for (key_expr, value) in entries {
            let key = self.expr(key_expr)?;
            let value = self.expr(value)?;
            taint = taint.join(&key.taint.computed());
            let key = map_key(&key.val).at(key_expr.at)?;
            taint = taint.join(&value.taint.under(Some(&key.to_string())));
            if out.insert(key, value.val).is_some() {
                return Err(fail("the map has this key already", key_expr.at));
            }
        }
        Ok(Operand { val: Val::Map(Arc::new(out)), taint })
    }

    fn negate(&mut self, inner: &'a Expr, at: At) -> Outcome<'a> {
        let operand = self.expr(inner)?;
        let val = match operand.val {
            Val::Int(n) => Val::Int(n.checked_neg().ok_or_else(|| fail("the result does not fit in 64 bits", at))?),
            Val::Double(n) => Val::Double(-n),
            other => return Err(fail(format!("`-` takes a number, not {}", other.what()), inner.at)),
        };
        Ok(Operand::computed(val, &operand.taint))
    }

    fn chain(&mut self, first: &'a Expr, links: &'a [Link]) -> Outcome<'a> {
        let mut left = self.expr(first)?;
        for link in links {
            let right = self.expr(&link.right)?;
            let keeps = link.op == Operator::Add && left.val.is_list();
            let taint = if left.taint.is_clean() && right.taint.is_clean() {
                Taint::default()
            } else if keeps {
                left.taint.join(&right.taint)
            } else {
                Taint::whole()
            };
            self.budget.step(1).at(link.at)?;
            left = Operand { val: binary(&mut self.budget, link.op, &left.val, &right.val).at(link.at)?, taint };
        }
        Ok(left)
    }

    fn coalesce(&mut self, args: &'a [Expr]) -> Outcome<'a> {
        let mut last = Operand::clean(Val::Null);
        for arg in args {
            last = self.expr(arg)?;
            if !matches!(last.val, Val::Null) {
                break;
            }
        }
        Ok(last)
    }

    /// A member that is there, even if it is null. A value that has no members has not this one.
    fn has(&mut self, path: &'a Expr) -> Outcome<'a> {
        let Kind::Postfix(base, ops) = &path.kind else {
            let value = self.expr(path)?;
            return Ok(Operand::computed(Val::Bool(!matches!(value.val, Val::Null)), &value.taint));
        };
        let Some((last, before)) = ops.split_last() else { return Ok(Operand::clean(Val::Bool(false))) };
        if let (Kind::Root(root), [], OpKind::Member(key)) = (&base.kind, before, &last.kind) {
            let node = self.scope.member(*root, key);
            let taint = node.map_or_else(Taint::default, |n| n.taint.computed());
            return Ok(Operand { val: Val::Bool(node.is_some()), taint });
        }
        let headers = are_headers(base, before);
        let base = self.postfix(base, before, true)?;
        let key = match &last.kind {
            OpKind::Member(key) => Operand::clean(Val::Text(key)),
            OpKind::Index(index) => self.expr(index)?,
            OpKind::Call(..) | OpKind::Macro(_) => return Err(fail("`has` takes a path", last.at)),
        };
        let key = if headers { lowered(key) } else { key };
        let found = match &key.val {
            Val::Int(index) if base.val.is_list() => usize::try_from(*index).is_ok_and(|i| base.val.element(i).is_some()),
            key => base.val.entry(key).is_some(),
        };
        Ok(Operand::computed(Val::Bool(found), &base.taint.join(&key.taint)))
    }

    /// Members, indexes and calls, left to right. Lenient: what has no members has only missing ones.
    fn postfix(&mut self, base: &'a Expr, ops: &'a [Op], lenient: bool) -> Outcome<'a> {
        let (mut value, rest) = match (&base.kind, ops.split_first()) {
            (Kind::Root(root), Some((Op { kind: OpKind::Member(key), .. }, rest))) => match self.scope.member(*root, key) {
                Some(node) => (Operand { val: Val::from(node.json), taint: node.taint.clone() }, rest),
                None => (Operand::clean(Val::Null), rest),
            },
            _ => (self.expr(base)?, ops),
        };
        for (i, op) in (ops.len() - rest.len()..).zip(rest) {
            let headers = ops.get(..i).is_some_and(|before| are_headers(base, before));
            value = match &op.kind {
                OpKind::Member(key) if headers => member(&value, &key.to_lowercase(), lenient).at(op.at)?,
                OpKind::Member(key) => member(&value, key, lenient).at(op.at)?,
                OpKind::Index(index) => {
                    let key = self.expr(index)?;
                    let key = if headers { lowered(key) } else { key };
                    Self::index(&value, key, index.at, lenient)?
                }
                OpKind::Call(function, args, pattern) => self.call(function, Some(value), args, pattern.as_ref(), op.at)?,
                OpKind::Macro(call) => self.macro_call(call, &value, op.at)?,
            };
        }
        Ok(value)
    }

    fn index(value: &Operand<'a>, key: Operand<'a>, at: At, lenient: bool) -> Outcome<'a> {
        let found = if value.val.is_list() {
            let element = match key.val {
                Val::Int(n) => Some(n),
                Val::Double(n) => super::value::exact_int(n),
                _ => None,
            };
            match element {
                Some(n) if n >= 0 => Operand {
                    val: usize::try_from(n).ok().and_then(|n| value.val.element(n)).unwrap_or(Val::Null),
                    taint: value.taint.member(None),
                },
                Some(_) => return Err(fail("an index counts from 0", at)),
                None if lenient => Operand::clean(Val::Null),
                None => return Err(fail(format!("an element of a list has an integer for its index, not {}", key.val.what()), at)),
            }
        } else if value.val.is_map() {
            let shown = map_key(&key.val).at(at)?;
            Operand { val: value.val.entry(&key.val).unwrap_or(Val::Null), taint: value.taint.member(Some(&shown.to_string())) }
        } else if lenient || matches!(value.val, Val::Null) {
            Operand { val: Val::Null, taint: value.taint.clone() }
        } else {
            return Err(fail(format!("{} has no elements", value.val.what()), at));
        };
        Ok(Operand { taint: found.taint.join(&key.taint.computed()), ..found })
    }

    fn call(
        &mut self,
        function: &'static Builtin,
        receiver: Option<Operand<'a>>,
        args: &'a [Expr],
        pattern: Option<&'a Pattern>,
        at: At,
    ) -> Outcome<'a> {
        let mut values = Vec::with_capacity(args.len() + 1);
        let mut taint = Taint::default();
        let mut take = |operand: Operand<'a>, values: &mut Vec<Val<'a>>| {
            taint = if function.flow == Flow::Kept { taint.join(&operand.taint) } else { taint.join(&operand.taint.computed()) };
            values.push(operand.val);
        };
        if let Some(receiver) = receiver {
            take(receiver, &mut values);
        }
        for arg in args {
            let arg = self.expr(arg)?;
            take(arg, &mut values);
        }
        let val = match (pattern, values.first().and_then(Val::as_text)) {
            (Some(pattern), Some(subject)) => text::search(&mut self.budget, &pattern.0, subject).map(Val::Bool),
            _ => function.call(&mut self.budget, &values),
        };
        let taint = if function.flow == Flow::Cleared { Taint::default() } else { taint };
        Ok(Operand { val: val.at(at)?, taint })
    }

    fn macro_call(&mut self, call: &'a MacroCall, over: &Operand<'a>, at: At) -> Outcome<'a> {
        if !over.val.is_list() && !over.val.is_map() {
            return Err(fail(format!("`{}` takes a list or a map, not {}", call.which.name(), over.val.what()), at));
        }
        let bound = self.locals.len();
        let result = self.each(call, over, at);
        self.locals.truncate(bound);
        result
    }

    fn each(&mut self, call: &'a MacroCall, over: &Operand<'a>, at: At) -> Outcome<'a> {
        let bound = self.locals.len();
        let map = over.val.is_map();
        let two = call.variables.len() == 2;
        let entries = over.val.entries(&mut self.budget).at(at)?;
        let mut gathered = Gathered::new(call, map && two);
        for (key, value) in entries {
            self.budget.step(1).at(at)?;
            self.locals.truncate(bound);
            let element = over.taint.member(if map { key.as_text() } else { None });
            let (first, second) = (Operand::clean(key.clone()), Operand { val: value.clone(), taint: element.clone() });
            let keyed = if map { Operand::computed(key.clone(), &Taint::default()) } else { second.clone() };
            if two {
                self.locals.push(first);
                self.locals.push(second);
            } else {
                self.locals.push(keyed);
            }
            if self.visit(call, &mut gathered, key, value, &element, map, at)? {
                break;
            }
        }
        gathered.finish(&mut self.budget).at(at)
    }

    /// One element; whether the answer is known.
    #[expect(clippy::too_many_arguments, reason = "the element's parts, which live only here")]
    fn visit(
        &mut self,
        call: &'a MacroCall,
        gathered: &mut Gathered<'a>,
        key: Val<'a>,
        value: Val<'a>,
        taint: &Taint,
        map: bool,
        at: At,
    ) -> Result<bool, EvalError> {
        let (test, result) = match (&*call.bodies, call.which) {
            ([test], Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter) => (Some(test), None),
            ([result], _) => (None, Some(result)),
            ([test, result], _) => (Some(test), Some(result)),
            _ => return Ok(true),
        };
        let passed = match test {
            Some(test) => {
                let test = self.expr(test)?;
                gathered.taint = gathered.taint.join(&test.taint.computed());
                test.val.is_true()
            }
            None => true,
        };
        match call.which {
            Macro::All => {
                gathered.truth = passed;
                return Ok(!passed);
            }
            Macro::Exists => {
                gathered.truth = passed;
                return Ok(passed);
            }
            Macro::ExistsOne => gathered.count += usize::from(passed),
            _ if !passed => {}
            Macro::Filter if map && call.variables.len() == 2 => {
                let key = map_key(&key).at(at)?;
                gathered.taint = gathered.taint.join(&taint.under(Some(&key.to_string())));
                gathered.entries.insert(key, value);
            }
            Macro::Filter => {
                gathered.taint = gathered.taint.join(&if map { Taint::default() } else { taint.under(None) });
                gathered.items.push(if map { key } else { value });
            }
            Macro::Map | Macro::TransformList => {
                let Some(result) = result else { return Ok(true) };
                let result = self.expr(result)?;
                gathered.taint = gathered.taint.join(&result.taint.under(None));
                gathered.items.push(result.val);
            }
            Macro::TransformMap => {
                let Some(result) = result else { return Ok(true) };
                let result = self.expr(result)?;
                let key = map_key(&key).at(at)?;
                gathered.taint = gathered.taint.join(&result.taint.under(Some(&key.to_string())));
                gathered.entries.insert(key, result.val);
            }
            Macro::TransformMapEntry => {
                let Some(result) = result else { return Ok(true) };
                let operand = self.expr(result)?;
                if !operand.val.is_map() {
                    return Err(fail(format!("`transformMapEntry` takes a map for each element, not {}", operand.val.what()), result.at));
                }
                gathered.taint = gathered.taint.join(&operand.taint);
                for (key, value) in operand.val.entries(&mut self.budget).at(result.at)? {
                    if gathered.entries.insert(map_key(&key).at(result.at)?, value).is_some() {
                        return Err(fail("the map has this key already", result.at));
                    }
                }
            }
        }
        Ok(false)
    }
}

/// What a macro has so far.
struct Gathered<'a> {
    which: Macro,
    /// Of a filter: whether it gives a map.
    keyed: bool,
    truth: bool,
    count: usize,
    items: Vec<Val<'a>>,
    entries: Entries<'a>,
    taint: Taint,
}

impl<'a> Gathered<'a> {
    fn new(call: &MacroCall, keyed: bool) -> Self {
        let truth = call.which == Macro::All;
        Self { which: call.which, keyed, truth, count: 0, items: Vec::new(), entries: Entries::new(), taint: Taint::default() }
    }

    fn finish(self, budget: &mut Budget) -> Result<Operand<'a>, Reason> {
        let val = match self.which {
            Macro::All | Macro::Exists => Val::Bool(self.truth),
            Macro::ExistsOne => Val::Bool(self.count == 1),
            Macro::Filter if self.keyed => Val::Map(Arc::new(self.entries)),
            Macro::Filter | Macro::Map | Macro::TransformList => budget.list(self.items)?,
            Macro::TransformMap | Macro::TransformMapEntry => {
                budget.build(self.entries.len() * 2 * size_of::<Val<'_>>())?;
                Val::Map(Arc::new(self.entries))
            }
        };
        Ok(Operand { val, taint: self.taint })
    }
}

pub(super) fn constant(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(b) => Val::Bool(*b),
        Literal::Int(n) => Val::Int(*n),
        Literal::Double(n) => Val::Double(*n),
        Literal::Text(s) => Val::Text(s),
    }
}

/// Whether what was read so far are the headers of an answer: their names are in lower case, however an author writes them.
fn are_headers(base: &Expr, before: &[Op]) -> bool {
    let headers = |op: &Op| matches!(&op.kind, OpKind::Member(key) if &**key == "headers");
    matches!((&base.kind, before), (Kind::Root(Root::Response), [op]) if headers(op))
}

fn lowered(key: Operand<'_>) -> Operand<'_> {
    match key.val.as_text() {
        Some(text) => Operand { val: Val::Built(text.to_lowercase().into()), taint: key.taint },
        None => key,
    }
}

fn map_key(value: &Val<'_>) -> Result<Key, Reason> {
    value.to_key().ok_or_else(|| format!("a key of a map is text, an integer or a truth value, not {}", value.what()))
}

fn member<'a>(value: &Operand<'a>, key: &str, lenient: bool) -> Result<Operand<'a>, Reason> {
    let taint = if value.taint.is_clean() { Taint::default() } else { value.taint.member(Some(key)) };
    match &value.val {
        Val::Object(_) | Val::Map(_) => Ok(Operand { val: value.val.member(key).unwrap_or(Val::Null), taint }),
        Val::Null => Ok(Operand { val: Val::Null, taint }),
        _ if lenient => Ok(Operand { val: Val::Null, taint }),
        other => Err(format!("{} has no member `{key}`", other.what())),
    }
}

fn binary<'a>(budget: &mut Budget, op: Operator, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Reason> {
    let ordered = |test: fn(Ordering) -> bool| left.order(right).map(|o| Val::Bool(o.is_some_and(test)));
    match op {
        Operator::Equal => left.equals(right, budget).map(Val::Bool),
        Operator::NotEqual => left.equals(right, budget).map(|same| Val::Bool(!same)),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterEqual => ordered(Ordering::is_ge),
        Operator::In => contained(budget, left, right),
        Operator::Add => add(budget, left, right),
        Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => arithmetic(op, left, right),
    }
}

fn contained<'a>(budget: &mut Budget, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Reason> {
    if right.is_map() {
        return Ok(Val::Bool(right.entry(left).is_some()));
    }
    let Some(count) = right.len() else {
        let help = if right.as_text().is_some() { "; write `text.contains(part)`" } else { "" };
        return Err(format!("`in` takes a list or a map on its right, not {}{help}", right.what()));
    };
    for index in 0..count {
        budget.step(1)?;
        if right.element(index).unwrap_or(Val::Null).equals(left, budget)? {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

fn add<'a>(budget: &mut Budget, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Reason> {
    if let (Some(a), Some(b)) = (left.as_text(), right.as_text()) {
        budget.build(a.len() + b.len() + 16)?;
        return Ok(Val::Built([a, b].concat().into()));
    }
    if left.is_list() && right.is_list() {
        let count = left.len().unwrap_or(0) + right.len().unwrap_or(0);
        budget.step(count)?;
        let mut items = Vec::with_capacity(count.min(1 << 20));
        for list in [left, right] {
            items.extend((0..list.len().unwrap_or(0)).filter_map(|i| list.element(i)));
        }
        return budget.list(items);
    }
    match (left, right) {
        (Val::Time(t), Val::Span(s)) | (Val::Span(s), Val::Time(t)) => {
            t.checked_add(*s).map_err(|_| "the timestamp is outside years 1 to 9999".to_owned()).and_then(time::moment)
        }
        (Val::Span(a), Val::Span(b)) => a.checked_add(*b).ok_or_else(|| "the duration is too long".to_owned()).and_then(time::length),
        _ => arithmetic(Operator::Add, left, right),
    }
}

fn arithmetic<'a>(op: Operator, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Reason> {
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => integers(op, *a, *b).map(Val::Int),
        (Val::Time(a), Val::Time(b)) if op == Operator::Subtract => time::length(a.duration_since(*b)),
        (Val::Time(t), Val::Span(s)) if op == Operator::Subtract => {
            t.checked_sub(*s).map_err(|_| "the timestamp is outside years 1 to 9999".to_owned()).and_then(time::moment)
        }
        (Val::Span(a), Val::Span(b)) if op == Operator::Subtract => {
            a.checked_sub(*b).ok_or_else(|| "the duration is too long".to_owned()).and_then(time::length)
        }
        _ => match (as_double(left), as_double(right), op) {
            (Some(a), Some(b), Operator::Add) => Ok(Val::Double(a + b)),
            (Some(a), Some(b), Operator::Subtract) => Ok(Val::Double(a - b)),
            (Some(a), Some(b), Operator::Multiply) => Ok(Val::Double(a * b)),
            (Some(a), Some(b), Operator::Divide) => Ok(Val::Double(a / b)),
            (Some(_), Some(_), _) => Err("`%` takes integers".into()),
            _ => {
                let text = left.as_text().is_some() || right.as_text().is_some();
                let help = if op == Operator::Add && text { "; write `string(value)` to join it to a text" } else { "" };
                Err(format!("`{}` does not take {} and {}{help}", op.as_str(), left.what(), right.what()))
            }
        },
    }
}

fn integers(op: Operator, a: i64, b: i64) -> Result<i64, Reason> {
    let result = match op {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return Err("there is no division by zero".into()),
        Operator::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.ok_or_else(|| "the result does not fit in 64 bits".into())
}
