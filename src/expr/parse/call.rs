//! Calls of functions and macros: their names, how they are called, how many arguments they take.

use std::sync::Arc;

use super::super::ast::{At, Expr, Kind, Literal, MacroCall, Op, OpKind, Pattern};
use super::super::builtins::{self, Builtin, Style};
use super::super::lex::{Symbol, Token};
use super::super::macros::{self, Macro};
use super::Parser;
use crate::source::{Code, did_you_mean};

impl Parser<'_> {
    pub(super) fn arity(&mut self, function: &'static Builtin, at: At, given: usize, receiver: usize) {
        let mut counts: Vec<usize> = function.forms.iter().map(|f| f.takes.len().saturating_sub(receiver)).collect();
        counts.dedup();
        let counts = counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
        let name = function.name;
        self.fault(
            Code::WP0402,
            at,
            format!("`{name}` takes {counts} argument{}, not {given}", if counts == "1" { "" } else { "s" }),
            Some(format!("as in `{}`", function.example.0)),
        );
    }

    /// The function of that name, if it is called the way it is.
    pub(super) fn function(&mut self, name: &str, at: At, style: Style) -> Option<&'static Builtin> {
        let Some(function) = builtins::find(name) else {
            let (message, help) = if style == Style::Method && matches!(name, "has" | "coalesce") {
                (format!("`{name}` is called by itself"), Some(format!("write `{name}(value)`")))
            } else {
                let names = builtins::TABLE.iter().map(|b| b.name).chain(macros::MACROS.iter().map(|m| m.name)).chain(["has", "coalesce"]);
                let help = match (name, did_you_mean(name, names)) {
                    ("len" | "length" | "count", _) => Some("write `size(value)`".into()),
                    ("lower" | "toLowerCase" | "lowercase", _) => Some("write `value.lowerAscii()`".into()),
                    ("upper" | "toUpperCase" | "uppercase", _) => Some("write `value.upperAscii()`".into()),
                    ("includes", _) => Some("write `value.contains(part)` for text, `part in value` for a list".into()),
                    ("some" | "any", _) => Some("write `list.exists(x, test)`".into()),
                    ("every", _) => Some("write `list.all(x, test)`".into()),
                    ("uint", _) => Some("write `int(value)`: integers have one type".into()),
                    ("bytes" | "type" | "optional", _) => None,
                    (_, Some(near)) => Some(format!("did you mean `{near}`?")),
                    (_, None) => Some("the functions are listed in grammar/expressions.md".into()),
                };
                (format!("there is no function `{name}`"), help)
            };
            self.fault(Code::WP0403, at, message, help);
            return None;
        };
        if function.style != Style::Either && function.style != style {
            let (message, help) = match style {
                Style::Method => (format!("`{name}` is called by itself"), format!("as in `{}`", function.example.0)),
                Style::Global | Style::Either => (format!("`{name}` is called on a value"), format!("as in `{}`", function.example.0)),
            };
            self.fault(Code::WP0404, at, message, Some(help));
        }
        Some(function)
    }

    /// Compiles the pattern of `matches` if it is written down.
    pub(super) fn pattern(&mut self, function: &'static Builtin, argument: Option<&Expr>) -> Option<Pattern> {
        if function.name != "matches" {
            return None;
        }
        let Some(Expr { at, kind: Kind::Literal(Literal::Text(pattern)) }) = argument else { return None };
        match builtins::text::compile(pattern) {
            Ok(regex) => Some(Pattern(regex)),
            Err(reason) => {
                self.fault(Code::WP0404, *at, reason, Some("patterns are those of RE2: no look-around and no back-references".into()));
                None
            }
        }
    }

    pub(super) fn macro_call(&mut self, row: &'static macros::Row, at: At) -> Option<Op> {
        self.advance();
        let bound = self.locals.len();
        let mut variables: Vec<Arc<str>> = vec![self.binding(row.example.0)];
        self.comma(row);
        let most = row.variables.last().copied().unwrap_or(1);
        if most == 2 && self.token == Token::Name && self.peek().0 == Token::Symbol(Symbol::Comma) && self.is_free(self.slice(self.at)) {
            let second = self.binding(row.example.0);
            if variables.contains(&second) {
                self.fault(Code::WP0404, self.last, format!("`{second}` is bound twice"), Some("give each its own name".into()));
            }
            variables.push(second);
            self.comma(row);
        }
        self.locals.extend(variables.iter().cloned());
        let mut bodies = Vec::new();
        while !self.is(Symbol::CloseParen) && self.token != Token::End {
            bodies.push(self.expr());
            if !self.eat(Symbol::Comma) {
                break;
            }
        }
        self.locals.truncate(bound);
        self.close(Symbol::CloseParen, at);
        let at = at.to(self.last);
        if !row.variables.contains(&variables.len()) || !row.bodies.contains(&bodies.len()) {
            self.fault(
                Code::WP0404,
                at,
                format!("`{}` is not called like this", row.name),
                Some(format!("write `{}`", row.forms.join("` or `"))),
            );
            return None;
        }
        let call = MacroCall { which: row.which, variables: variables.into(), bodies: bodies.into() };
        Some(Op { at, kind: OpKind::Macro(Box::new(call)) })
    }

    pub(super) fn comma(&mut self, row: &'static macros::Row) {
        if !self.eat(Symbol::Comma) && !self.is(Symbol::CloseParen) {
            let found = self.found();
            self.fault(
                Code::WP0404,
                self.at,
                format!("expected `,` after the name, found {found}"),
                Some(format!("write `{}`", row.forms.join("` or `"))),
            );
        }
    }

    /// Whether a name means nothing yet, so that a macro may bind it.
    pub(super) fn is_free(&self, name: &str) -> bool {
        !self.locals.iter().any(|l| &**l == name) && self.root_named(name).is_none() && !matches!(name, "true" | "false" | "null")
    }

    pub(super) fn global_call(&mut self, at: At, name: &str) -> Expr {
        if Macro::find(name).is_some() {
            let form = Macro::find(name).and_then(|row| row.forms.first()).copied().unwrap_or("");
            self.fault(Code::WP0404, at, format!("`{name}` is called on a list or a map"), Some(format!("write `list.{form}`")));
            self.skip_arguments();
            return Self::error(at.to(self.last));
        }
        let function = if matches!(name, "has" | "coalesce") { None } else { self.function(name, at, Style::Global) };
        if function.is_none() && !matches!(name, "has" | "coalesce") {
            self.arguments();
            return Self::error(at.to(self.last));
        }
        let Some(mut args) = self.arguments() else { return Self::error(at.to(self.last)) };
        let at_call = at.to(self.last);
        let Some(function) = function else {
            if name == "coalesce" && !args.is_empty() {
                return Expr { at: at_call, kind: Kind::Coalesce(args.into()) };
            }
            let path = if args.len() == 1 { args.pop() } else { None };
            return match path {
                Some(path) if name == "has" && is_path(&path) => Expr { at: at_call, kind: Kind::Has(Box::new(path)) },
                Some(path) if path.kind == Kind::Error => Self::error(at_call),
                _ => {
                    let (message, help) = if name == "has" {
                        ("`has` takes one path", "as in `has($variables.order.id)`")
                    } else {
                        ("`coalesce` takes at least one value", "as in `coalesce($variables.name, 'you')`")
                    };
                    self.fault(Code::WP0404, at, message, Some(help.into()));
                    Self::error(at_call)
                }
            };
        };
        let pattern = self.pattern(function, args.get(1));
        if !function.forms.iter().any(|f| f.takes.len() == args.len()) {
            self.arity(function, at, args.len(), 0);
        }
        Expr { at: at_call, kind: Kind::Call(function, args.into(), pattern) }
    }

    pub(super) fn skip_arguments(&mut self) {
        self.advance();
        self.skip_to(&[Symbol::CloseParen]);
        self.eat(Symbol::CloseParen);
    }
}

/// Whether an expression names a place: a root, a bound name, or a chain that ends in a member.
fn is_path(e: &Expr) -> bool {
    match &e.kind {
        Kind::Root(_) | Kind::Local(..) => true,
        Kind::Postfix(_, ops) => ops.last().is_some_and(|op| matches!(op.kind, OpKind::Member(_) | OpKind::Index(_))),
        _ => false,
    }
}
