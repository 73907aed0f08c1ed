//! What of an expression's value may be sensitive before there are values: the evaluator's rules of taint, over what its reads may hold.

use super::Root;
use super::ast::{Expr, Kind, MacroCall, Op, OpKind, Snippet};
use super::builtins::Flow;
use super::macros::Macro;
use crate::value::Secrets;

/// What a root's member may hold (`None`: the whole root).
pub(super) type Of<'f> = &'f dyn Fn(Root, Option<&str>) -> Secrets;

pub(super) fn secrets(snippet: &Snippet, of: Of<'_>) -> Secrets {
    let mut walk = Walk { of, locals: Vec::new() };
    for (_, value) in &snippet.lets {
        let value = walk.expr(value);
        walk.locals.push(value);
    }
    walk.expr(&snippet.body)
}

struct Walk<'f> {
    of: Of<'f>,
    locals: Vec<Secrets>,
}

impl Walk<'_> {
    fn expr(&mut self, e: &Expr) -> Secrets {
        match &e.kind {
            Kind::Error | Kind::Literal(_) => Secrets::default(),
            Kind::Root(root) => (self.of)(*root, None),
            Kind::Local(slot, _) => self.locals.get(*slot as usize).cloned().unwrap_or_default(),
            Kind::List(items) => self.join(items).under(None),
            Kind::Map(entries) => {
                let mut all = Secrets::default();
                for (key, value) in entries {
                    let name = match &key.kind {
                        Kind::Literal(super::ast::Literal::Text(text)) => Some(&**text),
                        _ => None,
                    };
                    all = all.join(&self.expr(value).under(name));
                    all = all.join(&self.expr(key).computed());
                }
                all
            }
            Kind::Not(inner) | Kind::Negate(inner) | Kind::Has(inner) => self.expr(inner).computed(),
            Kind::All(items) | Kind::Any(items) => self.join(items).computed(),
            Kind::Chain(first, links) => {
                let first = self.expr(first);
                links.iter().fold(first, |all, link| all.join(&self.expr(&link.right))).computed()
            }
            // Which of them it is is not tracked.
            Kind::If(parts) => {
                let [_, then, other] = &**parts;
                self.expr(then).join(&self.expr(other))
            }
            Kind::Coalesce(items) => self.join(items),
            Kind::Call(function, args, _) => {
                let args = self.join(args);
                through(function.flow, args)
            }
            Kind::Postfix(base, ops) => self.postfix(base, ops),
        }
    }

    fn join(&mut self, items: &[Expr]) -> Secrets {
        items.iter().fold(Secrets::default(), |all, item| all.join(&self.expr(item)))
    }

    fn postfix(&mut self, base: &Expr, ops: &[Op]) -> Secrets {
        let (mut value, rest) = match (&base.kind, ops.split_first()) {
            (Kind::Root(root), Some((Op { kind: OpKind::Member(key), .. }, rest))) => ((self.of)(*root, Some(key)), rest),
            _ => (self.expr(base), ops),
        };
        for op in rest {
            value = match &op.kind {
                OpKind::Member(key) => value.member(key),
                OpKind::Index(index) => {
                    let at = self.expr(index).computed();
                    let element = if matches!(index.kind, Kind::Literal(_)) { value.element() } else { value.any_member() };
                    element.join(&at)
                }
                OpKind::Call(function, args, _) => {
                    let args = self.join(args);
                    through(function.flow, value.join(&args))
                }
                OpKind::Macro(call) => self.each(call, &value),
            };
        }
        value
    }

    fn each(&mut self, call: &MacroCall, over: &Secrets) -> Secrets {
        let bound = self.locals.len();
        let two = call.variables.len() == 2;
        let element = if two { over.any_member() } else { over.element() };
        if two {
            self.locals.push(Secrets::default());
        }
        self.locals.push(element);
        let mut bodies = call.bodies.iter().map(|b| self.expr(b));
        let tested = matches!(call.which, Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter) || call.bodies.len() > 1;
        let test = if tested { bodies.next().unwrap_or_default().computed() } else { Secrets::default() };
        let result = bodies.next().unwrap_or_default();
        drop(bodies);
        self.locals.truncate(bound);
        let gathered = match call.which {
            Macro::All | Macro::Exists | Macro::ExistsOne => Secrets::default(),
            Macro::Filter => over.clone(),
            Macro::Map | Macro::TransformList | Macro::TransformMap => result.under(None),
            Macro::TransformMapEntry => result,
        };
        gathered.join(&test)
    }
}

fn through(flow: Flow, value: Secrets) -> Secrets {
    match flow {
        Flow::Kept => value,
        Flow::Cleared => Secrets::default(),
        Flow::Computed => value.computed(),
    }
}
