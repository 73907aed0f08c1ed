//! A tree as text again, with brackets only where they are needed: `parse(print(e)) == e`.

use std::fmt::Write as _;

use super::ast::{Expr, Kind, Literal, Op, OpKind, Operator, Snippet};
use super::lex;

/// How tightly a part holds together; a part looser than its place needs brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    Choice,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Prefix,
    Whole,
}

impl Tie {
    fn tighter(self) -> Self {
        match self {
            Self::Choice => Self::Or,
            Self::Or => Self::And,
            Self::And => Self::Relation,
            Self::Relation => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::Prefix,
            Self::Prefix | Self::Whole => Self::Whole,
        }
    }
}

pub(super) fn snippet(snippet: &Snippet) -> String {
    let mut out = String::new();
    for (name, value) in &snippet.lets {
        let _ = write!(out, "let {name} = ");
        expr(&mut out, value, Tie::Choice);
        out.push_str("; ");
    }
    expr(&mut out, &snippet.body, Tie::Choice);
    out
}

/// One part, as it would stand alone.
pub(super) fn part(e: &Expr) -> String {
    let mut out = String::new();
    expr(&mut out, e, Tie::Choice);
    out
}

fn tie(e: &Expr) -> Tie {
    match &e.kind {
        Kind::If(_) => Tie::Choice,
        Kind::Any(_) => Tie::Or,
        Kind::All(_) => Tie::And,
        Kind::Chain(_, links) => match links.first().map(|l| l.op) {
            Some(Operator::Add | Operator::Subtract) => Tie::Sum,
            Some(Operator::Multiply | Operator::Divide | Operator::Remainder) => Tie::Product,
            _ => Tie::Relation,
        },
        Kind::Not(_) | Kind::Negate(_) => Tie::Prefix,
        _ => Tie::Whole,
    }
}

fn expr(out: &mut String, e: &Expr, least: Tie) {
    let own = tie(e);
    if own < least {
        out.push('(');
        expr(out, e, Tie::Choice);
        out.push(')');
        return;
    }
    match &e.kind {
        Kind::Error => out.push_str("<error>"),
        Kind::Literal(l) => literal(out, l),
        Kind::Root(root) => out.push_str(root.written()),
        Kind::Local(_, name) => out.push_str(name),
        Kind::List(items) => listed(out, "[", items, "]"),
        Kind::Map(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                expr(out, key, Tie::Choice);
                out.push_str(": ");
                expr(out, value, Tie::Choice);
            }
            out.push('}');
        }
        Kind::Not(inner) => {
            out.push('!');
            expr(out, inner, Tie::Prefix);
        }
        Kind::Negate(inner) => {
            out.push('-');
            let start = out.len();
            expr(out, inner, Tie::Prefix);
            // A minus right before digits would become part of the number.
            if out.get(start..).is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit())) {
                out.insert(start, '(');
                out.push(')');
            }
        }
        Kind::All(items) => joined(out, items, " && ", own.tighter()),
        Kind::Any(items) => joined(out, items, " || ", own.tighter()),
        Kind::Chain(first, links) => {
            expr(out, first, own.tighter());
            for link in links {
                let _ = write!(out, " {} ", link.op.as_str());
                expr(out, &link.right, own.tighter());
            }
        }
        Kind::If(parts) => {
            let [condition, then, other] = &**parts;
            expr(out, condition, Tie::Or);
            out.push_str(" ? ");
            expr(out, then, Tie::Choice);
            out.push_str(" : ");
            expr(out, other, Tie::Choice);
        }
        Kind::Postfix(base, ops) => {
            expr(out, base, Tie::Whole);
            ops.iter().for_each(|op| postfix(out, op));
        }
        Kind::Call(function, args, _) => {
            out.push_str(function.name);
            listed(out, "(", args, ")");
        }
        Kind::Coalesce(args) => {
            out.push_str("coalesce");
            listed(out, "(", args, ")");
        }
        Kind::Has(path) => {
            out.push_str("has(");
            expr(out, path, Tie::Choice);
            out.push(')');
        }
    }
}

fn postfix(out: &mut String, op: &Op) {
    match &op.kind {
        OpKind::Member(key) if lex::is_identifier(key) && !matches!(&**key, "in" | "true" | "false" | "null") => {
            let _ = write!(out, ".{key}");
        }
        OpKind::Member(key) => {
            out.push('[');
            text(out, key);
            out.push(']');
        }
        OpKind::Index(index) => {
            out.push('[');
            expr(out, index, Tie::Choice);
            out.push(']');
        }
        OpKind::Call(function, args, _) => {
            let _ = write!(out, ".{}", function.name);
            listed(out, "(", args, ")");
        }
        OpKind::Macro(call) => {
            let _ = write!(out, ".{}({}", call.which.name(), call.variables.join(", "));
            listed(out, ", ", &call.bodies, ")");
        }
    }
}

fn listed(out: &mut String, open: &str, items: &[Expr], close: &str) {
    out.push_str(open);
    joined(out, items, ", ", Tie::Choice);
    out.push_str(close);
}

fn joined(out: &mut String, items: &[Expr], between: &str, least: Tie) {
    for (i, item) in items.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { between });
        expr(out, item, least);
    }
}

fn literal(out: &mut String, literal: &Literal) {
    let _ = match literal {
        Literal::Null => write!(out, "null"),
        Literal::Bool(b) => write!(out, "{b}"),
        Literal::Int(n) => write!(out, "{n}"),
        Literal::Double(n) => write!(out, "{n:?}"),
        Literal::Text(s) => {
            text(out, s);
            Ok(())
        }
    };
}

/// A text in quotes.
pub(super) fn text(out: &mut String, text: &str) {
    out.push('\'');
    for c in text.chars() {
        let _ = match c {
            '\'' | '\\' => write!(out, "\\{c}"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            c if c.is_control() => write!(out, "\\U{:08x}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push('\'');
}
