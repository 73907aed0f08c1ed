//! What a template reads, what of it reaches the text, and what its author got wrong: one walk over its syntax tree.
//!
//! The only importer of the template engine's syntax tree. Knows nothing of values.
//!
//! Long because one walk over minijinja's syntax tree tells three things together: what is read, what certainly shows, what taints.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, Compare, CompareOpKind, Expr, ForLoop, IfExpr, Set, SetBlock, Spanned, Stmt, Test, UnaryOpKind,
    WithBlock,
};

use super::context::{ROOTS, root_of};
use super::environment::{FILTERS, FUNCTIONS, TESTS};
use crate::expr::{Fault, Read, Root};
use crate::source::{Code, did_you_mean};
use crate::value::Segment;

/// A value that a render takes from the scope: `root.key`, or the whole root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// The root.
    pub root: Root,
    /// The first key after it.
    pub key: Option<Arc<str>>,
}

/// Where a value comes from, as far as it is known before the render.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The root.
    pub root: Root,
    /// The path after it.
    pub path: Vec<Segment>,
}

/// A read, and how many of its keys are known to be set where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// The read.
    pub read: Read,
    /// Keys, from the root on, that a guard proves or that are only asked for.
    pub proved: usize,
}

/// An emitting tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Emit {
    /// Where its expression begins.
    pub start: usize,
    /// What reaches the text through it unmasked.
    pub sources: Vec<Source>,
    /// The paths without which there would be another text, as far as their keys are known: empty where it may not be emitted at all.
    pub shows: Vec<Known>,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// Every read, in order.
    pub sites: Vec<Site>,
    /// Every emitting tag, in order.
    pub emits: Vec<Emit>,
    /// Paths whose value is written as it is in every text.
    pub bare: Vec<Known>,
    /// Mistakes.
    pub faults: Vec<Fault>,
}

impl Analysis {
    /// Walks a parsed template.
    pub(super) fn of(text: &str, tree: &Stmt<'_>) -> Self {
        let mut walk = Walk { text, found: Self::default(), scopes: vec![BTreeMap::new()], guards: Vec::new(), masked: false, branched: 0 };
        walk.statement(tree);
        let mut found = walk.found;
        found.sites.sort_by_key(|s| (s.read.range.start, s.read.range.end));
        found.emits.sort_by_key(|e| e.start);
        found
    }

    /// What a render must take from the scope.
    pub(super) fn slots(&self) -> Arc<[Slot]> {
        let mut slots: Vec<Slot> = Vec::new();
        for site in &self.sites {
            let slot = Slot { root: site.read.root, key: site.read.keys.first().cloned() };
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        slots.into()
    }
}

/// Joined values that one expression may hold, so that no chain of `set` doubles its way past the memory.
const MAX_WEIGHT: u64 = 256;

/// What flows out of an expression.
#[derive(Debug, Clone, Default)]
struct Flow {
    /// What it is computed from.
    sources: Vec<Source>,
    /// If it is exactly the value at a path.
    path: Option<Source>,
    /// What it certainly changes with, masked or not.
    shows: Vec<Known>,
    /// How many values it may join.
    weight: u64,
}

impl Flow {
    fn computed(mut self) -> Self {
        self.path = None;
        self
    }

    /// One of several that may be taken: what it changes with is not certain.
    fn perhaps(mut self) -> Self {
        self.shows.clear();
        self
    }

    fn join(mut self, other: Self) -> Self {
        self.sources.extend(other.sources);
        self.sources.sort();
        self.sources.dedup();
        self.shows.extend(other.shows);
        self.weight = self.weight.saturating_add(other.weight);
        self.path = None;
        self
    }

    /// A member of it.
    fn member(mut self, segment: Segment) -> Self {
        if let Some(path) = &mut self.path {
            path.path.push(segment);
            self.sources = vec![path.clone()];
            self.shows = shown_by(path);
        }
        self
    }
}

/// A root and keys after it.
pub(super) type Known = (Root, Vec<Arc<str>>);

/// The path that a text shows by emitting the value at another: lists whose every element is emitted whole.
fn shown_by(source: &Source) -> Vec<Known> {
    let key = |s: &Segment| match s {
        Segment::Key(key) => Some(key.clone()),
        Segment::Any => None,
    };
    let keys: Vec<Arc<str>> = source.path.iter().map_while(key).collect();
    let parts = source.path.iter().skip(keys.len()).any(|s| key(s).is_some());
    if parts { Vec::new() } else { vec![(source.root, keys)] }
}

/// Filters that give another text for every other value.
const TELLING: [&str; 20] = [
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "mask",
    "money",
    "date",
    "pairs",
    "join",
    "sentence",
    "string",
    "escape",
    "e",
    "safe",
    "indent",
    "default",
    "d",
    "tojson",
    "replace",
];

/// Whether a filter, and all that it is applied to, gives another text for every other one.
fn tells(filter: &Expr<'_>) -> bool {
    match filter {
        Expr::Filter(f) => TELLING.contains(&f.name) && f.expr.as_ref().is_none_or(tells),
        _ => false,
    }
}

/// A root with keys after it.
struct Path {
    root: Root,
    /// Keys up to the first that is not written out.
    keys: Vec<Arc<str>>,
    /// Where root and keys stand.
    range: Range<usize>,
    /// Members after them.
    beyond: usize,
}

struct Walk<'t> {
    text: &'t str,
    found: Analysis,
    scopes: Vec<BTreeMap<&'t str, Flow>>,
    guards: Vec<Known>,
    masked: bool,
    /// Conditions that what is walked stands under.
    branched: u32,
}

fn range(span: minijinja::machinery::Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

fn constant_key(expr: &Expr<'_>) -> Option<Arc<str>> {
    match expr {
        Expr::Const(c) => c.value.as_str().map(Arc::from),
        _ => None,
    }
}

impl<'t> Walk<'t> {
    fn fault(&mut self, code: Code, range: Range<usize>, message: String, help: Option<String>) {
        self.found.faults.push(Fault { code, range, message, help });
    }

    fn local(&self, name: &str) -> Option<&Flow> {
        self.scopes.iter().rev().find_map(|s| s.get(name))
    }

    fn assign(&mut self, target: &Expr<'t>, flow: &Flow) {
        match target {
            Expr::Var(var) => {
                if root_of(var.id).is_some() {
                    self.fault(
                        Code::WP0701,
                        range(var.span()),
                        format!("`{}` is a root and cannot be assigned in a template", var.id),
                        Some("choose another name".into()),
                    );
                } else {
                    // Under a condition it may still be what it was.
                    let before = self.local(var.id).filter(|_| self.branched > 0).cloned();
                    let flow = before.map_or_else(|| flow.clone(), |old| flow.clone().join(old));
                    let flow = if self.branched > 0 { flow.perhaps() } else { flow };
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.insert(var.id, flow);
                    }
                }
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, &flow.clone().member(Segment::Any))),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item, &flow.clone().member(Segment::Any))),
            other => self.fault(
                Code::WP0701,
                range(other.span()),
                "only a name can be assigned in a template".into(),
                Some("write `{% set name = … %}`".into()),
            ),
        }
    }

    fn block(&mut self, body: &[Stmt<'t>]) {
        self.scopes.push(BTreeMap::new());
        for statement in body {
            self.statement(statement);
        }
        self.scopes.pop();
    }

    fn guarded<T>(&mut self, guards: Vec<Known>, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.guards.len();
        self.guards.extend(guards);
        let out = run(self);
        self.guards.truncate(before);
        out
    }

    /// Walks a block that may not be reached, or whose text may not be used.
    fn perhaps(&mut self, body: &[Stmt<'t>]) {
        self.branched += 1;
        self.block(body);
        self.branched -= 1;
    }

    /// Emitted since `from`, joined: what a captured block holds. Whether it is emitted in the end is not known.
    fn captured(&self, from: usize) -> Flow {
        let emitted = self.found.emits.get(from..).unwrap_or(&[]);
        let sources: Vec<Source> = emitted.iter().flat_map(|e| e.sources.iter().cloned()).collect();
        Flow { sources, weight: 1, ..Flow::default() }
    }

    // Statements and expressions nest: a function for each kind, so that the stack holds only what is open.

    fn statement(&mut self, statement: &Stmt<'t>) {
        match statement {
            Stmt::Template(t) => {
                for child in &t.children {
                    self.bare(child);
                    self.statement(child);
                }
            }
            Stmt::EmitExpr(e) => self.emit(&e.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(f) => self.for_loop(f),
            Stmt::WithBlock(b) => self.with_block(b),
            Stmt::Set(s) => self.set(s),
            Stmt::SetBlock(s) => self.set_block(s),
            Stmt::IfCond(i) => {
                self.expr(&i.expr, true);
                let (when, otherwise) = (self.known(&i.expr, true), self.known(&i.expr, false));
                self.branched += 1;
                self.guarded(when, |w| i.true_body.iter().for_each(|s| w.statement(s)));
                self.guarded(otherwise, |w| i.false_body.iter().for_each(|s| w.statement(s)));
                self.branched -= 1;
            }
            Stmt::FilterBlock(b) => {
                let mut masked = self.masked;
                if let Expr::Filter(filter) = &b.filter {
                    self.filter(filter);
                    masked |= filter.name == "mask";
                }
                let before = std::mem::replace(&mut self.masked, masked);
                if tells(&b.filter) {
                    self.block(&b.body);
                } else {
                    self.perhaps(&b.body);
                }
                self.masked = before;
            }
            Stmt::AutoEscape(a) => self.fault(
                Code::WP0701,
                range(a.span()),
                "`autoescape` has no effect here: nothing is escaped".into(),
                Some("remove it".into()),
            ),
            Stmt::Do(d) => {
                self.call(&d.call, range(d.call.span()));
            }
        }
    }

    /// Notes a value that is written as it is in every text: a path by itself, in no block, by no name that it was given.
    fn bare(&mut self, statement: &Stmt<'t>) {
        if let Stmt::EmitExpr(emit) = statement
            && let Some(path) = self.path(&emit.expr).filter(|p| p.beyond == 0)
        {
            self.found.bare.push((path.root, path.keys));
        }
    }

    fn emit(&mut self, expr: &Expr<'t>) {
        let start = expr.span().start_offset as usize;
        let flow = self.expr(expr, false);
        let sources = if self.masked { Vec::new() } else { flow.sources };
        let shows = if self.branched == 0 { flow.shows } else { Vec::new() };
        self.found.emits.push(Emit { start, sources, shows });
    }

    fn for_loop(&mut self, f: &ForLoop<'t>) {
        let iter = self.expr(&f.iter, false);
        let (from, listed) = (self.found.emits.len(), iter.shows.clone());
        self.scopes.push(BTreeMap::new());
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert("loop", Flow::default());
        }
        self.assign(&f.target, &iter.member(Segment::Any));
        let known = f.filter_expr.as_ref().map_or_else(Vec::new, |test| {
            self.expr(test, true);
            self.known(test, true)
        });
        let filtered = u32::from(f.filter_expr.is_some());
        self.branched += filtered;
        self.guarded(known, |w| f.body.iter().for_each(|s| w.statement(s)));
        self.branched -= filtered;
        self.scopes.pop();
        // Of a list with nothing in it, nothing beside it is said.
        for emit in self.found.emits.iter_mut().skip(from) {
            emit.shows.retain(|shown| listed.contains(shown));
        }
        self.perhaps(&f.else_body);
    }

    fn with_block(&mut self, b: &WithBlock<'t>) {
        self.scopes.push(BTreeMap::new());
        for (target, value) in &b.assignments {
            let flow = self.expr(value, false);
            self.assign(target, &flow);
        }
        b.body.iter().for_each(|s| self.statement(s));
        self.scopes.pop();
    }

    fn set(&mut self, s: &Set<'t>) {
        let flow = self.expr(&s.expr, false);
        self.assign(&s.target, &flow);
    }

    fn set_block(&mut self, s: &SetBlock<'t>) {
        let from = self.found.emits.len();
        self.perhaps(&s.body);
        let mut flow = self.captured(from);
        if let Some(Expr::Filter(filter)) = &s.filter {
            self.filter(filter);
            if filter.name == "mask" {
                flow.sources.clear();
            }
        }
        self.assign(&s.target, &flow);
    }

    /// The paths that are set if `expr` is true (or false).
    fn known(&self, expr: &Expr<'t>, truth: bool) -> Vec<Known> {
        let at = |e: &Expr<'t>| self.path(e).map(|p| (p.root, p.keys)).into_iter().collect::<Vec<_>>();
        let is_none = |e: &Expr<'t>| matches!(e, Expr::Const(c) if c.value.is_none());
        let compared = |equal: bool, left: &Expr<'t>, right: &Expr<'t>| {
            if is_none(right) {
                if equal == truth { Vec::new() } else { at(left) }
            } else if equal == truth && matches!(right, Expr::Const(_)) {
                at(left)
            } else {
                Vec::new()
            }
        };
        match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) if truth => at(expr),
            Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => self.known(&op.expr, !truth),
            Expr::BinOp(op) => match op.op {
                BinOpKind::ScAnd if truth => [self.known(&op.left, true), self.known(&op.right, true)].concat(),
                BinOpKind::ScOr if !truth => [self.known(&op.left, false), self.known(&op.right, false)].concat(),
                BinOpKind::Eq => compared(true, &op.left, &op.right),
                BinOpKind::Ne => compared(false, &op.left, &op.right),
                _ => Vec::new(),
            },
            Expr::Compare(c) => match c.ops.as_slice() {
                [only] => match only.op {
                    CompareOpKind::Eq => compared(true, &c.expr, &only.expr),
                    CompareOpKind::Ne => compared(false, &c.expr, &only.expr),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            },
            Expr::Test(t) => match (t.name, truth) {
                ("defined", true) | ("undefined" | "none", false) => at(&t.expr),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The path of a root that an expression is, and where its known part stands.
    fn path(&self, expr: &Expr<'t>) -> Option<Path> {
        let mut links = Vec::new();
        let mut at = expr;
        let root = loop {
            match at {
                Expr::GetAttr(get) => {
                    links.push((Some(Arc::from(get.name)), range(get.span()).end));
                    at = &get.expr;
                }
                Expr::GetItem(get) => {
                    links.push((constant_key(&get.subscript_expr), range(get.span()).end));
                    at = &get.expr;
                }
                Expr::Var(var) if self.local(var.id).is_none() => break var,
                _ => return None,
            }
        };
        let mut whole = range(root.span());
        let mut links = links.into_iter().rev().peekable();
        let mut kind = root_of(root.id)?;
        if root.id == "context" && links.peek().is_some_and(|(key, _)| key.as_deref() == Some("user")) {
            kind = Root::User;
            whole.end = links.next().map_or(whole.end, |(_, end)| end);
        }
        let mut keys: Vec<Arc<str>> = Vec::new();
        let mut beyond = 0;
        for (key, end) in links {
            let Some(key) = key.filter(|_| beyond == 0) else {
                beyond += 1;
                continue;
            };
            whole.end = end;
            keys.push(if kind == Root::Variables && keys.is_empty() && key.contains('-') { key.replace('-', "_").into() } else { key });
        }
        Some(Path { root: kind, keys, range: whole, beyond })
    }

    fn site(&mut self, path: Path, tested: bool) -> Source {
        let Path { root, keys, range, beyond } = path;
        let common = |g: &Known| {
            let n = g.1.len().min(keys.len());
            (g.0 == root && g.1.get(..n) == keys.get(..n)).then_some(n)
        };
        let proved = if tested { keys.len() } else { self.guards.iter().filter_map(common).max().unwrap_or(0) };
        let members = keys.iter().cloned().map(Segment::Key).chain(std::iter::repeat_n(Segment::Any, beyond));
        let source = Source { root, path: members.collect() };
        self.found.sites.push(Site { read: Read { root, keys, range, guarded: proved > 0 }, proved });
        source
    }

    /// Walks an expression; `tested` where only its truth, or whether it is set, is asked.
    fn expr(&mut self, expr: &Expr<'t>, tested: bool) -> Flow {
        if let Some(read) = self.path(expr) {
            self.subscripts(expr);
            let source = self.site(read, tested);
            let picked = source.path.contains(&Segment::Any);
            let shows = if picked { Vec::new() } else { shown_by(&source) };
            return Flow { sources: vec![source.clone()], path: Some(source), shows, weight: 1 };
        }
        match expr {
            Expr::Var(var) => {
                if let Some(flow) = self.local(var.id) {
                    return flow.clone();
                }
                self.unknown_root(var.id, range(var.span()));
                Flow::default()
            }
            Expr::Const(_) => Flow { weight: 1, ..Flow::default() },
            Expr::GetAttr(get) => self.expr(&get.expr, tested).member(Segment::Key(get.name.into())),
            Expr::GetItem(get) => {
                let flow = self.expr(&get.expr, tested);
                let key = constant_key(&get.subscript_expr);
                if key.is_none() {
                    self.expr(&get.subscript_expr, false);
                }
                match key {
                    Some(key) => flow.member(Segment::Key(key)),
                    None => flow.member(Segment::Any).perhaps(),
                }
            }
            Expr::Slice(slice) => {
                let flow = self.expr(&slice.expr, tested);
                for bound in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expr(bound, false);
                }
                flow.perhaps()
            }
            Expr::UnaryOp(op) => self.expr(&op.expr, tested || matches!(op.op, UnaryOpKind::Not)).computed(),
            Expr::BinOp(op) => self.binary(op, tested, range(expr.span())),
            Expr::Compare(compare) => self.compared(compare),
            Expr::IfExpr(i) => self.chosen(i, tested),
            Expr::Filter(filter) => self.filter(filter),
            Expr::Test(test) => self.test(test),
            Expr::Call(call) => self.call(call, range(call.span())),
            Expr::List(list) => self.all(&list.items),
            Expr::Tuple(tuple) => self.all(&tuple.items),
            Expr::Map(map) => {
                let keys = self.all(&map.keys);
                keys.join(self.all(&map.values))
            }
        }
    }

    fn binary(&mut self, op: &BinOp<'t>, tested: bool, span: Range<usize>) -> Flow {
        let (left_tested, known) = match op.op {
            BinOpKind::ScAnd => (true, self.known(&op.left, true)),
            BinOpKind::ScOr => (true, self.known(&op.left, false)),
            BinOpKind::Eq | BinOpKind::Ne => (matches!(&op.right, Expr::Const(c) if c.value.is_none()), Vec::new()),
            _ => (false, Vec::new()),
        };
        let and_or = matches!(op.op, BinOpKind::ScAnd | BinOpKind::ScOr);
        let left = self.expr(&op.left, left_tested);
        let right = self.guarded(known, |w| w.expr(&op.right, tested && and_or));
        let mut joined = left.join(right);
        if !matches!(op.op, BinOpKind::Concat | BinOpKind::Add) {
            joined.shows.clear();
        }
        self.within_weight(&joined, span);
        joined
    }

    fn compared(&mut self, compare: &Compare<'t>) -> Flow {
        let to_none = compare.ops.iter().all(|op| matches!(&op.expr, Expr::Const(c) if c.value.is_none()));
        let mut flow = self.expr(&compare.expr, to_none);
        for op in &compare.ops {
            flow = flow.join(self.expr(&op.expr, false));
        }
        flow.weight = 1;
        flow.shows.clear();
        flow
    }

    fn chosen(&mut self, i: &IfExpr<'t>, tested: bool) -> Flow {
        self.expr(&i.test_expr, true);
        let (when, otherwise) = (self.known(&i.test_expr, true), self.known(&i.test_expr, false));
        let mut flow = self.guarded(when, |w| w.expr(&i.true_expr, tested));
        flow = match &i.false_expr {
            Some(value) => flow.join(self.guarded(otherwise, |w| w.expr(value, tested))),
            None => flow.computed(),
        };
        flow.shows.clear();
        flow
    }

    fn test(&mut self, test: &Spanned<Test<'t>>) -> Flow {
        if !TESTS.contains(&test.name) {
            let place = self.name_in(range(test.span()), test.name);
            self.unknown("test", test.name, &TESTS, place);
        }
        let asks_presence = matches!(test.name, "defined" | "undefined" | "none");
        let mut flow = self.expr(&test.expr, asks_presence);
        for arg in &test.args {
            flow = flow.join(self.argument(arg));
        }
        if asks_presence { Flow::default() } else { Flow { weight: 1, ..flow.computed().perhaps() } }
    }

    fn all(&mut self, items: &[Expr<'t>]) -> Flow {
        items.iter().fold(Flow::default(), |flow, item| flow.join(self.expr(item, false)))
    }

    /// Reads inside the brackets of a path.
    fn subscripts(&mut self, expr: &Expr<'t>) {
        let mut at = expr;
        loop {
            at = match at {
                Expr::GetAttr(get) => &get.expr,
                Expr::GetItem(get) => {
                    if constant_key(&get.subscript_expr).is_none() {
                        self.expr(&get.subscript_expr, false);
                    }
                    &get.expr
                }
                _ => return,
            };
        }
    }

    fn argument(&mut self, arg: &CallArg<'t>) -> Flow {
        match arg {
            CallArg::Pos(e) | CallArg::Kwarg(_, e) | CallArg::PosSplat(e) | CallArg::KwargSplat(e) => self.expr(e, false),
        }
    }

    fn filter(&mut self, filter: &Spanned<minijinja::machinery::ast::Filter<'t>>) -> Flow {
        let place = self.name_in(range(filter.span()), filter.name);
        if !FILTERS.contains(&filter.name) {
            self.unknown("filter", filter.name, &FILTERS, place.clone());
        }
        let optional = matches!(filter.name, "default" | "d");
        let mut flow = filter.expr.as_ref().map_or_else(Flow::default, |e| self.expr(e, optional));
        let first = filter.args.first().and_then(|arg| match arg {
            CallArg::Pos(e) => constant_key(e),
            _ => None,
        });
        if let Some((message, help)) = super::filters::constant_fault(filter.name, first.as_deref()) {
            self.fault(Code::WP0701, place, message, Some(help));
        }
        for arg in &filter.args {
            flow = flow.join(self.argument(arg).perhaps());
        }
        if !TELLING.contains(&filter.name) {
            flow.shows.clear();
        }
        if filter.name == "mask" { Flow { weight: 1, shows: flow.shows, ..Flow::default() } } else { flow.computed() }
    }

    fn call(&mut self, call: &Call<'t>, span: Range<usize>) -> Flow {
        let mut flow = Flow { weight: 1, ..Flow::default() };
        match &call.expr {
            Expr::Var(var) if FUNCTIONS.contains(&var.id) => {}
            Expr::Var(var) => {
                let place = range(var.span());
                if FILTERS.contains(&var.id) {
                    let name = var.id;
                    let help = format!("write it as a filter: `… | {name}`");
                    self.fault(Code::WP0701, place, format!("unknown function `{name}`"), Some(help));
                } else {
                    self.unknown("function", var.id, &FUNCTIONS, place);
                }
            }
            Expr::GetAttr(get) => {
                flow = flow.join(self.expr(&get.expr, false));
                let help = if FILTERS.contains(&get.name) {
                    format!("write it as a filter: `… | {}`", get.name)
                } else {
                    "use a filter".to_owned()
                };
                let place = self.name_in(span, get.name);
                self.fault(Code::WP0701, place, format!("a value has no method `{}`", get.name), Some(help));
            }
            other => {
                flow = flow.join(self.expr(other, false));
                self.fault(Code::WP0701, span, "a value cannot be called".into(), None);
            }
        }
        for arg in &call.args {
            flow = flow.join(self.argument(arg));
        }
        flow.perhaps()
    }

    fn within_weight(&mut self, flow: &Flow, span: Range<usize>) {
        let already = self.found.faults.iter().any(|f| f.code == Code::WP0107);
        if flow.weight > MAX_WEIGHT && !already {
            let help = "build it in fewer steps".to_owned();
            self.fault(Code::WP0107, span, format!("this joins more than {MAX_WEIGHT} values"), Some(help));
        }
    }

    fn unknown(&mut self, kind: &str, name: &str, known: &[&'static str], place: Range<usize>) {
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected one of {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
        };
        self.fault(Code::WP0701, place, format!("unknown {kind} `{name}`"), Some(help));
    }

    fn unknown_root(&mut self, name: &str, place: Range<usize>) {
        let before = self.text.get(..place.start).unwrap_or("");
        let hyphened = before
            .strip_suffix('-')
            .map(|b| b.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))).next().unwrap_or(""))
            .filter(|b| b.split('.').next().is_some_and(|r| root_of(r).is_some()) && b.contains('.'));
        if let Some(path) = hyphened {
            let (start, written) = (place.start - 1 - path.len(), format!("{path}-{name}"));
            let help = format!("`-` subtracts here; write `{}`", written.replace('-', "_"));
            self.fault(Code::WP0403, start..place.end, format!("`{written}` is not a name"), Some(help));
            return;
        }
        let (message, help) = if name == "response" {
            let message = "`response` is known only in an outcome's condition".to_owned();
            (message, "keep it with `as`, and read it from `variables`".to_owned())
        } else {
            let message = format!("unknown root `{name}`");
            match did_you_mean(name, ROOTS) {
                Some(near) => (message, format!("did you mean `{near}`?")),
                None => (message, format!("for a variable write `{}.{name}`", Root::Variables.bare())),
            }
        };
        self.fault(Code::WP0403, place, message, Some(help));
    }

    /// Where a name stands last inside a range.
    fn name_in(&self, span: Range<usize>, name: &str) -> Range<usize> {
        let inside = self.text.get(span.clone()).unwrap_or("");
        let bar = inside.match_indices(name).find(|(i, _)| {
            let before = inside.get(..*i).unwrap_or("").trim_end();
            before.ends_with('|')
                || before.ends_with('.')
                || before.ends_with("is")
                || before.ends_with("not")
                || before.ends_with("filter")
        });
        match bar.map(|(i, _)| i).or_else(|| inside.rfind(name)) {
            Some(i) => span.start + i..span.start + i + name.len(),
            None => span,
        }
    }
}
