//! What an operator stands between: literals, roots, names, lists and maps.

use std::sync::Arc;

use super::super::Place;
use super::super::ast::{At, Expr, Kind, Literal};
use super::super::lex::{Symbol, Token};
use super::super::literal;
use super::{Parser, RESERVED};
use crate::source::{Code, did_you_mean};

impl<'t> Parser<'t> {
    pub(super) fn primary(&mut self) -> Expr {
        let at = self.at;
        let written = self.slice(at);
        match self.token {
            Token::Int | Token::Double => {
                self.advance();
                self.number(at, false)
            }
            Token::Symbol(Symbol::Minus) => {
                self.advance();
                let digits = self.at;
                self.advance();
                let mut e = self.number(digits, true);
                e.at = at.to(digits);
                e
            }
            Token::Text { closed: true } => {
                self.advance();
                self.literal(at, literal::text(written))
            }
            Token::Name => self.name(at, written),
            Token::Root => {
                self.advance();
                let name = written.trim_start_matches('$');
                match self.root_named(name) {
                    Some(root) => Expr { at, kind: Kind::Root(root) },
                    None => self.unknown(at, name),
                }
            }
            Token::Symbol(Symbol::OpenParen) => {
                self.advance();
                let mut e = self.expr();
                if !self.close(Symbol::CloseParen, at) {
                    e.kind = Kind::Error;
                }
                e.at = at.to(self.last);
                e
            }
            Token::Symbol(Symbol::OpenBracket) => {
                self.advance();
                let items = self.items(Symbol::CloseBracket);
                let closed = self.close(Symbol::CloseBracket, at);
                Expr { at: at.to(self.last), kind: if closed { Kind::List(items.into()) } else { Kind::Error } }
            }
            Token::Symbol(Symbol::OpenBrace) => self.map(at),
            Token::Text { closed: false } | Token::BadNumber | Token::Unknown => {
                self.bad_token();
                self.advance();
                Self::error(at)
            }
            Token::End | Token::Quoted | Token::Symbol(_) => self.no_value(at),
        }
    }

    pub(super) fn no_value(&mut self, at: At) -> Expr {
        let found = self.found();
        let help = match self.token {
            Token::End if self.text.trim().is_empty() => "write a value, such as `$variables.order_id`",
            Token::Symbol(Symbol::Assign) => "write `==` to compare, with a value on both sides",
            Token::Symbol(Symbol::Dot) => "write a root before the `.`, such as `$variables.name`",
            _ => "a value is a literal, a root such as `$variables.name`, or a call",
        };
        // An operator in a value's place is passed over, so that its right side is still read.
        let closes = matches!(
            self.token,
            Token::End
                | Token::Symbol(
                    Symbol::CloseParen
                        | Symbol::CloseBracket
                        | Symbol::CloseBrace
                        | Symbol::Comma
                        | Symbol::Semicolon
                        | Symbol::Colon
                        | Symbol::Question
                )
        );
        self.fault(Code::WP0404, at, format!("expected a value, found {found}"), Some(help.into()));
        if !closes {
            self.advance();
        }
        Self::error(at)
    }

    pub(super) fn number(&mut self, at: At, negative: bool) -> Expr {
        let written = self.slice(at);
        let hex = written.starts_with("0x") || written.starts_with("0X");
        let read =
            if !hex && written.contains(['.', 'e', 'E']) { literal::double(written, negative) } else { literal::int(written, negative) };
        self.literal(at, read)
    }

    pub(super) fn literal(&mut self, at: At, read: Result<Literal, literal::Bad>) -> Expr {
        match read {
            Ok(literal) => Expr { at, kind: Kind::Literal(literal) },
            Err(bad) => {
                let start = at.start as usize;
                self.fault(Code::WP0404, At::new(start + bad.start, start + bad.end), bad.message, Some(bad.help.into()));
                Self::error(at)
            }
        }
    }

    pub(super) fn name(&mut self, at: At, written: &'t str) -> Expr {
        self.advance();
        match written {
            "true" => return Expr { at, kind: Kind::Literal(Literal::Bool(true)) },
            "false" => return Expr { at, kind: Kind::Literal(Literal::Bool(false)) },
            "null" => return Expr { at, kind: Kind::Literal(Literal::Null) },
            _ => {}
        }
        if self.is(Symbol::OpenParen) {
            return self.global_call(at, written);
        }
        if let Some(slot) = self.locals.iter().rposition(|l| &**l == written) {
            let name = self.locals.get(slot).map_or_else(|| written.into(), Arc::clone);
            return Expr { at, kind: Kind::Local(u32::try_from(slot).unwrap_or(0), name) };
        }
        if let Some(root) = self.root_named(written) {
            return Expr { at, kind: Kind::Root(root) };
        }
        if RESERVED.contains(&written) {
            let help = match written {
                "if" | "else" => "write `condition ? value : other`",
                "let" => "write `let name = value;` before the whole expression",
                "for" | "while" | "loop" => "write a macro, such as `list.map(x, value)`",
                "return" => "leave it out: an expression is its value",
                _ => "put it into quotes if it is text",
            };
            self.fault(Code::WP0404, at, format!("`{written}` is reserved"), Some(help.into()));
            return Self::error(at);
        }
        self.unknown(at, written)
    }

    pub(super) fn unknown(&mut self, at: At, name: &str) -> Expr {
        let before = self.text.get(..at.start as usize).unwrap_or("");
        let names = self.place.roots().iter().map(|(n, _)| *n).chain(self.locals.iter().map(|l| &**l));
        let help = match name {
            "True" | "TRUE" => "write `true`".into(),
            "False" | "FALSE" => "write `false`".into(),
            "None" | "nil" | "NULL" | "Null" | "undefined" => "write `null`".into(),
            _ if before.ends_with('-') && before.trim_end_matches('-').ends_with(|c: char| c.is_ascii_alphanumeric()) => {
                let joined = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next().unwrap_or("");
                format!("a name in an expression has `_` for `-`: write `{}{name}`", joined.replace('-', "_"))
            }
            _ if self.place == Place::Condition => match did_you_mean(name, names) {
                Some(near) => format!("did you mean `{near}`? text is written `'{name}'`"),
                None => {
                    format!("write `data.{name}` for what is given, `primitives.<namespace>.{name}` for a primitive, `'{name}'` for text")
                }
            },
            _ => match did_you_mean(name, names) {
                Some(near) if self.slice(at).starts_with('$') => {
                    format!("did you mean `${near}`? a variable is written `$variables.{name}`")
                }
                Some(near) => format!("did you mean `{near}`? a variable is written `$variables.{name}`, text `'{name}'`"),
                None => format!("write `$variables.{name}` for a variable, `'{name}'` for text"),
            },
        };
        let shown = self.slice(at);
        self.fault(Code::WP0403, at, format!("nothing is called `{shown}` here"), Some(help));
        Self::error(at)
    }

    pub(super) fn map(&mut self, at: At) -> Expr {
        self.advance();
        let mut entries = Vec::new();
        while !self.is(Symbol::CloseBrace) && self.token != Token::End {
            let key = if self.token == Token::Name && self.peek().0 == Token::Symbol(Symbol::Colon) && self.is_free(self.slice(self.at)) {
                let written = self.slice(self.at);
                self.fault(Code::WP0404, self.at, format!("the key `{written}` needs quotes"), Some(format!("write `'{written}':`")));
                self.advance();
                Self::error(self.last)
            } else {
                self.expr()
            };
            if !self.eat(Symbol::Colon) {
                let found = self.found();
                self.fault(
                    Code::WP0404,
                    self.at,
                    format!("expected `:` after the key, found {found}"),
                    Some("write `{'key': value}`".into()),
                );
                self.skip_to(&[Symbol::CloseBrace, Symbol::Semicolon]);
                self.eat(Symbol::CloseBrace);
                return Self::error(at.to(self.last));
            }
            let value = self.expr();
            entries.push((key, value));
            if !self.eat(Symbol::Comma) {
                break;
            }
        }
        let closed = self.close(Symbol::CloseBrace, at);
        Expr { at: at.to(self.last), kind: if closed { Kind::Map(entries.into()) } else { Kind::Error } }
    }
}
