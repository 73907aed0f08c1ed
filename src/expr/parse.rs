//! From text to tree: precedence by a hand-written Pratt parser that goes on after a fault.
//!
//! Names, styles and numbers of arguments are settled here; types are not.

mod call;
mod value;

use std::sync::Arc;

use super::ast::{At, Expr, Kind, Link, Literal, Op, OpKind, Operator, Snippet};
use super::builtins::Style;
use super::lex::{self, Symbol, Token};
use super::macros::Macro;
use super::{Fault, Place, Root};
use crate::source::Code;

pub(super) const MAX_SOURCE: usize = 4096;
pub(super) const MAX_DEPTH: u32 = 64;
pub(super) const MAX_CHAIN: usize = 256;
const MAX_FAULTS: usize = 16;

const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// The roots by every name that they have; `context.user` is apart.
pub(super) const ROOTS: &[(&str, Root)] = &[
    ("user", Root::User),
    ("variables", Root::Variables),
    ("context", Root::Variables),
    ("data", Root::Variables),
    ("fields", Root::Variables),
    ("outcome", Root::Outcome),
    ("now", Root::Now),
    ("conversation", Root::Conversation),
    ("each", Root::Each),
    ("response", Root::Response),
    ("inputs", Root::Inputs),
];

/// The roots of a condition's expressions.
const CONDITION_ROOTS: &[(&str, Root)] =
    &[("entity", Root::Entity), ("data", Root::Event), ("primitives", Root::Primitives), ("now", Root::Now)];

impl Place {
    const fn roots(self) -> &'static [(&'static str, Root)] {
        match self {
            Self::Journey => ROOTS,
            Self::Condition => CONDITION_ROOTS,
        }
    }
}

pub(super) fn parse(text: &str, place: Place) -> (Snippet, Vec<Fault>) {
    let (token, at) = (Token::End, At::default());
    let mut p = Parser { text, place, token, at, last: at, depth: 0, locals: Vec::new(), faults: Vec::new() };
    if text.len() > MAX_SOURCE {
        p.faults.push(Fault {
            code: Code::WP0107,
            range: 0..text.len(),
            message: format!("this expression is longer than {MAX_SOURCE} bytes"),
            help: Some("compute parts of it in a `set` step first".into()),
        });
        return (Snippet { lets: Vec::new(), body: Expr { at: At::new(0, text.len()), kind: Kind::Error } }, p.faults);
    }
    p.advance();
    let snippet = p.snippet();
    (snippet, p.faults)
}

struct Parser<'t> {
    text: &'t str,
    place: Place,
    token: Token,
    at: At,
    last: At,
    depth: u32,
    locals: Vec<Arc<str>>,
    faults: Vec<Fault>,
}

impl<'t> Parser<'t> {
    fn root_named(&self, name: &str) -> Option<Root> {
        self.place.roots().iter().find(|(n, _)| *n == name).map(|(_, root)| *root)
    }

    fn advance(&mut self) {
        self.last = self.at;
        (self.token, self.at) = lex::next(self.text, self.at.end as usize);
    }

    fn peek(&self) -> (Token, At) {
        lex::next(self.text, self.at.end as usize)
    }

    fn slice(&self, at: At) -> &'t str {
        self.text.get(at.range()).unwrap_or("")
    }

    fn is(&self, symbol: Symbol) -> bool {
        self.token == Token::Symbol(symbol)
    }

    fn eat(&mut self, symbol: Symbol) -> bool {
        let found = self.is(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// What follows from a mistake is not reported again: one fault for each place.
    fn fault(&mut self, code: Code, at: At, message: impl Into<String>, help: Option<String>) {
        let stopped = self.faults.iter().any(|f| f.code == Code::WP0107);
        if !stopped && self.faults.len() < MAX_FAULTS && self.faults.iter().all(|f| f.range.start != at.start as usize) {
            self.faults.push(Fault { code, range: at.range(), message: message.into(), help });
        }
    }

    /// A limit is passed: reports it and reads no further.
    fn stop(&mut self, at: At, message: String, help: &str) {
        self.fault(Code::WP0107, at, message, Some(help.into()));
        self.at = At::new(self.text.len(), self.text.len());
        self.token = Token::End;
    }

    fn error(at: At) -> Expr {
        Expr { at, kind: Kind::Error }
    }

    /// The token at hand, as a message names it.
    fn found(&self) -> String {
        match self.token {
            Token::End => "the end".into(),
            _ => format!("`{}`", self.slice(self.at)),
        }
    }

    fn snippet(&mut self) -> Snippet {
        let mut lets = Vec::new();
        while self.token == Token::Name && self.slice(self.at) == "let" {
            self.advance();
            let at = self.at;
            let name = self.binding("let total = …;");
            if !self.eat(Symbol::Assign) {
                let found = self.found();
                self.fault(
                    Code::WP0404,
                    self.at,
                    format!("expected `=` after the name, found {found}"),
                    Some("write `let name = value;`".into()),
                );
            }
            let value = self.expr();
            if !self.eat(Symbol::Semicolon) {
                let found = self.found();
                self.fault(
                    Code::WP0404,
                    self.at,
                    format!("expected `;` after the `let`, found {found}"),
                    Some("end each `let` with `;`, and write the result after the last".into()),
                );
                self.skip_to(&[Symbol::Semicolon]);
                self.eat(Symbol::Semicolon);
            }
            if self.locals.contains(&name) {
                self.fault(Code::WP0404, at, format!("`{name}` is bound twice"), Some("give the second a name of its own".into()));
            }
            self.locals.push(Arc::clone(&name));
            lets.push((name, value));
        }
        let body = self.expr();
        if self.token != Token::End {
            self.unexpected();
        }
        Snippet { lets, body }
    }

    fn unexpected(&mut self) {
        let found = self.found();
        match self.token {
            Token::Symbol(Symbol::Semicolon) => {
                let last = self.peek().0 == Token::End;
                let help = if last { "leave out the last `;`" } else { "only `let name = value;` ends with `;`" };
                self.fault(Code::WP0404, self.at, "unexpected `;`", Some(help.into()));
            }
            Token::Symbol(Symbol::CloseParen | Symbol::CloseBracket | Symbol::CloseBrace) => {
                self.fault(
                    Code::WP0404,
                    self.at,
                    format!("{found} closes nothing"),
                    Some(format!("leave it out, or open it with {}", self.opener())),
                );
            }
            Token::Symbol(Symbol::Colon) => {
                self.fault(Code::WP0404, self.at, "unexpected `:`", Some("a choice is written `condition ? value : other`".into()));
            }
            Token::Text { .. } | Token::Unknown | Token::BadNumber => self.bad_token(),
            Token::End | Token::Int | Token::Double | Token::Name | Token::Root | Token::Quoted | Token::Symbol(_) => {
                self.fault(
                    Code::WP0404,
                    self.at,
                    format!("expected an operator or the end, found {found}"),
                    Some("join two values with an operator such as `==` or `&&`; put text into quotes".into()),
                );
            }
        }
        self.skip_to(&[]);
    }

    fn opener(&self) -> &'static str {
        match self.token {
            Token::Symbol(Symbol::CloseBracket) => "`[`",
            Token::Symbol(Symbol::CloseBrace) => "`{`",
            _ => "`(`",
        }
    }

    /// Skips to one of these outside brackets, or to the end.
    fn skip_to(&mut self, stops: &[Symbol]) {
        let mut open = 0usize;
        while self.token != Token::End {
            if let Token::Symbol(s) = self.token {
                if open == 0 && stops.contains(&s) {
                    return;
                }
                match s {
                    Symbol::OpenParen | Symbol::OpenBracket | Symbol::OpenBrace => open += 1,
                    Symbol::CloseParen | Symbol::CloseBracket | Symbol::CloseBrace => open = open.saturating_sub(1),
                    _ => {}
                }
            }
            self.advance();
        }
    }

    /// A name that is being bound.
    fn binding(&mut self, example: &str) -> Arc<str> {
        let (at, written) = (self.at, self.slice(self.at));
        if self.token != Token::Name {
            let found = self.found();
            let help = match self.token {
                Token::Root => format!("write it without the `$`: `{}`", written.trim_start_matches('$')),
                _ => format!("as in `{example}`"),
            };
            self.fault(Code::WP0404, at, format!("expected a name, found {found}"), Some(help));
            if self.token == Token::Root {
                self.advance();
            }
            return "_".into();
        }
        self.advance();
        if self.root_named(written).is_some() {
            self.fault(
                Code::WP0208,
                at,
                format!("`{written}` is the name of a root"),
                Some(format!("call it something else, such as `the_{written}`")),
            );
        } else if RESERVED.contains(&written) || matches!(written, "true" | "false" | "null") {
            self.fault(Code::WP0404, at, format!("`{written}` is reserved"), Some("call it something else".into()));
        }
        written.into()
    }

    fn expr(&mut self) -> Expr {
        self.depth += 1;
        let e = if self.depth > MAX_DEPTH {
            let at = self.at;
            self.stop(at, format!("this expression is nested more than {MAX_DEPTH} deep"), "bind parts of it with `let name = …;` first");
            Self::error(at)
        } else {
            self.choice()
        };
        self.depth -= 1;
        e
    }

    fn choice(&mut self) -> Expr {
        let condition = self.binary(0);
        if !self.eat(Symbol::Question) {
            return condition;
        }
        let then = self.expr();
        if !self.eat(Symbol::Colon) {
            let found = self.found();
            self.fault(
                Code::WP0404,
                self.at,
                format!("expected `:` and the other value, found {found}"),
                Some("write `condition ? value : other`".into()),
            );
            return Self::error(condition.at.to(self.last));
        }
        let other = self.expr();
        let at = condition.at.to(other.at);
        Expr { at, kind: Kind::If(Box::new([condition, then, other])) }
    }

    /// The operator at hand and its level, with what was typed wrong already reported.
    fn infix(&mut self) -> Option<Infix> {
        let Token::Symbol(symbol) = self.token else {
            let Token::Name = self.token else { return None };
            let (infix, right) = match self.slice(self.at) {
                "in" => return Some(Infix::Op(Operator::In)),
                "and" | "AND" => (Infix::All, "&&"),
                "or" | "OR" => (Infix::Any, "||"),
                "is" => (Infix::Op(Operator::Equal), "=="),
                "mod" => (Infix::Op(Operator::Remainder), "%"),
                _ => return None,
            };
            self.wrong_operator(right);
            return Some(infix);
        };
        Some(match symbol {
            Symbol::And => Infix::All,
            Symbol::Or => Infix::Any,
            Symbol::Equal => Infix::Op(Operator::Equal),
            Symbol::NotEqual => Infix::Op(Operator::NotEqual),
            Symbol::Less => Infix::Op(Operator::Less),
            Symbol::LessEqual => Infix::Op(Operator::LessEqual),
            Symbol::Greater => Infix::Op(Operator::Greater),
            Symbol::GreaterEqual => Infix::Op(Operator::GreaterEqual),
            Symbol::Plus => Infix::Op(Operator::Add),
            Symbol::Minus => Infix::Op(Operator::Subtract),
            Symbol::Star => Infix::Op(Operator::Multiply),
            Symbol::Slash => Infix::Op(Operator::Divide),
            Symbol::Percent => Infix::Op(Operator::Remainder),
            Symbol::Assign => {
                self.wrong_operator("==");
                Infix::Op(Operator::Equal)
            }
            Symbol::Wrong(right) => {
                let infix = match right {
                    "&&" => Infix::All,
                    "||" => Infix::Any,
                    "==" => Infix::Op(Operator::Equal),
                    "!=" => Infix::Op(Operator::NotEqual),
                    "<=" => Infix::Op(Operator::LessEqual),
                    ">=" => Infix::Op(Operator::GreaterEqual),
                    "coalesce" => {
                        self.fault(Code::WP0404, self.at, "`??` is no operator here", Some("write `coalesce(value, other)`".into()));
                        return Some(Infix::Any);
                    }
                    _ => return None,
                };
                self.wrong_operator(right);
                infix
            }
            Symbol::Not
            | Symbol::Question
            | Symbol::Colon
            | Symbol::Dot
            | Symbol::Comma
            | Symbol::Semicolon
            | Symbol::OpenParen
            | Symbol::CloseParen
            | Symbol::OpenBracket
            | Symbol::CloseBracket
            | Symbol::OpenBrace
            | Symbol::CloseBrace => return None,
        })
    }

    fn wrong_operator(&mut self, right: &str) {
        let written = self.slice(self.at);
        self.fault(Code::WP0404, self.at, format!("`{written}` is no operator here"), Some(format!("write `{right}`")));
    }

    /// Operators of this level and above, left to right; those of one level make one flat node.
    fn binary(&mut self, least: u8) -> Expr {
        let mut left = self.unary();
        while let Some(infix) = self.infix() {
            let level = infix.level();
            if level < least {
                break;
            }
            let mut links = Vec::new();
            let mut next = infix;
            loop {
                let at = self.at;
                self.advance();
                links.push((next, at, self.binary(level + 1)));
                if links.len() > MAX_CHAIN {
                    self.stop(
                        at,
                        format!("more than {MAX_CHAIN} operators in a row"),
                        "split it with `let name = …;`, or use a list and a macro such as `exists`",
                    );
                    return Self::error(left.at);
                }
                match self.infix() {
                    Some(infix) if infix.level() == level => next = infix,
                    _ => break,
                }
            }
            let at = left.at.to(self.last);
            let kind = match infix {
                Infix::All => Kind::All(std::iter::once(left).chain(links.into_iter().map(|(_, _, e)| e)).collect()),
                Infix::Any => Kind::Any(std::iter::once(left).chain(links.into_iter().map(|(_, _, e)| e)).collect()),
                Infix::Op(_) => {
                    let links = links.into_iter().filter_map(|(infix, at, right)| match infix {
                        Infix::Op(op) => Some(Link { op, at, right }),
                        Infix::All | Infix::Any => None,
                    });
                    Kind::Chain(Box::new(left), links.collect())
                }
            };
            left = Expr { at, kind };
        }
        left
    }

    fn unary(&mut self) -> Expr {
        let start = self.at;
        let before = self.depth;
        let mut prefixes = Vec::new();
        loop {
            if self.is(Symbol::Not) {
                prefixes.push((true, self.at));
            } else if self.is(Symbol::Minus) {
                if matches!(self.peek().0, Token::Int | Token::Double) {
                    break;
                }
                prefixes.push((false, self.at));
            } else if self.token == Token::Name && matches!(self.slice(self.at), "not" | "NOT") && self.is_free(self.slice(self.at)) {
                let help = "write `!` before the value, with brackets around an operation: `!(a == b)`";
                self.fault(Code::WP0404, self.at, "`not` is no operator here", Some(help.into()));
                prefixes.push((true, self.at));
            } else {
                break;
            }
            self.advance();
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                self.stop(
                    start,
                    format!("this expression is nested more than {MAX_DEPTH} deep"),
                    "leave out operators that undo each other",
                );
                self.depth = before;
                return Self::error(start);
            }
        }
        let mut e = self.postfix();
        self.depth = before;
        for (not, at) in prefixes.into_iter().rev() {
            let inner = Box::new(e);
            let at = at.to(inner.at);
            e = Expr { at, kind: if not { Kind::Not(inner) } else { Kind::Negate(inner) } };
        }
        e
    }

    fn postfix(&mut self) -> Expr {
        let mut base = self.primary();
        let mut ops = Vec::new();
        loop {
            let op = if self.is(Symbol::Dot) || self.is(Symbol::Wrong(".")) {
                self.dot()
            } else if self.is(Symbol::OpenBracket) {
                self.index()
            } else {
                break;
            };
            match op {
                Some(op) => ops.push(op),
                None => return Self::error(base.at.to(self.last)),
            }
            if ops.len() > MAX_CHAIN {
                self.stop(self.last, format!("more than {MAX_CHAIN} members in a row"), "bind parts of it with `let name = …;` first");
                return Self::error(base.at);
            }
        }
        // `$context.user` is `$user`.
        if base.kind == Kind::Root(Root::Variables)
            && self.slice(base.at).trim_start_matches('$') == "context"
            && let Some(Op { kind: OpKind::Member(key), at }) = ops.first()
            && &**key == "user"
        {
            base = Expr { at: base.at.to(*at), kind: Kind::Root(Root::User) };
            ops.remove(0);
        }
        if ops.is_empty() {
            return base;
        }
        let at = base.at.to(self.last);
        // `(a.b).c` is `a.b.c`.
        if let Kind::Postfix(inner, before) = base.kind {
            let ops: Vec<Op> = before.into_iter().chain(ops).collect();
            return Expr { at, kind: Kind::Postfix(inner, ops.into()) };
        }
        Expr { at, kind: Kind::Postfix(Box::new(base), ops.into()) }
    }

    fn dot(&mut self) -> Option<Op> {
        if self.is(Symbol::Wrong(".")) {
            self.fault(
                Code::WP0404,
                self.at,
                format!("`{}` is no operator here", self.slice(self.at)),
                Some("write `.`: a missing member, or one of null, is null anyway".into()),
            );
        }
        self.advance();
        let (at, name) = (self.at, self.slice(self.at));
        match self.token {
            Token::Quoted => {
                self.advance();
                return Some(Op { at, kind: OpKind::Member(name.trim_matches('`').into()) });
            }
            Token::Name if !matches!(name, "in" | "true" | "false" | "null") => self.advance(),
            _ => {
                let found = self.found();
                let help = match self.token {
                    Token::Int => format!("write `[{name}]` for an element of a list"),
                    Token::Name | Token::Root => format!("write `['{name}']`"),
                    _ => "write a name after the `.`, or leave out the `.`".into(),
                };
                self.fault(Code::WP0404, at, format!("expected a member's name after `.`, found {found}"), Some(help));
                if matches!(self.token, Token::Int | Token::Name | Token::Root) {
                    self.advance();
                }
                return None;
            }
        }
        if !self.is(Symbol::OpenParen) {
            return Some(Op { at, kind: OpKind::Member(name.into()) });
        }
        if let Some(row) = Macro::find(name) {
            return self.macro_call(row, at);
        }
        let Some(function) = self.function(name, at, Style::Method) else {
            self.arguments();
            return None;
        };
        let args = self.arguments()?;
        let pattern = self.pattern(function, args.first());
        if !function.forms.iter().any(|f| f.takes.len() == args.len() + 1) {
            self.arity(function, at, args.len(), 1);
        }
        Some(Op { at: at.to(self.last), kind: OpKind::Call(function, args.into(), pattern) })
    }

    fn index(&mut self) -> Option<Op> {
        let open = self.at;
        self.advance();
        if self.is(Symbol::Question) {
            self.fault(Code::WP0404, self.at, "`[?` is no operator here", Some("write `[`: a missing member is null anyway".into()));
            self.advance();
        }
        let index = self.expr();
        let closed = self.close(Symbol::CloseBracket, open);
        let at = open.to(self.last);
        let kind = match index.kind {
            Kind::Literal(Literal::Text(key)) => OpKind::Member(key),
            _ => OpKind::Index(index),
        };
        closed.then_some(Op { at, kind })
    }

    /// `(a, b, …)`; `None` if it was broken.
    fn arguments(&mut self) -> Option<Vec<Expr>> {
        let open = self.at;
        self.advance();
        let args = self.items(Symbol::CloseParen);
        self.close(Symbol::CloseParen, open).then_some(args)
    }

    fn items(&mut self, close: Symbol) -> Vec<Expr> {
        let mut items = Vec::new();
        while !self.is(close) && self.token != Token::End {
            items.push(self.expr());
            if !self.eat(Symbol::Comma) {
                break;
            }
        }
        items
    }

    fn close(&mut self, close: Symbol, open: At) -> bool {
        if self.eat(close) {
            return true;
        }
        let (closer, opener) = match close {
            Symbol::CloseParen => (")", "("),
            Symbol::CloseBracket => ("]", "["),
            _ => ("}", "{"),
        };
        if matches!(self.token, Token::Text { .. } | Token::Unknown | Token::BadNumber) {
            self.bad_token();
        } else {
            let found = self.found();
            // The opening bracket is the place that a reader looks for when the text just ends.
            let at = if self.token == Token::End { At::new(open.start as usize, (open.start + 1) as usize) } else { self.at };
            let message = if self.token == Token::End {
                format!("`{}` is never closed", self.slice(at))
            } else {
                format!("expected `{closer}` or `,`, found {found}")
            };
            let at = if self.token == Token::End && self.slice(at) != opener { open } else { at };
            self.fault(Code::WP0404, at, message, Some(format!("close it with `{closer}`, or join two values with an operator")));
        }
        self.skip_to(&[close, Symbol::Semicolon]);
        self.eat(close);
        false
    }

    fn bad_token(&mut self) {
        let (at, written) = (self.at, self.slice(self.at));
        match self.token {
            Token::Text { closed: false } => {
                let quote: String = written.trim_start_matches(['r', 'R', 'b', 'B']).chars().take(1).collect();
                self.fault(Code::WP0404, at, "this text is never closed", Some(format!("end it with `{quote}`")));
            }
            Token::BadNumber => {
                self.fault(
                    Code::WP0404,
                    at,
                    format!("`{written}` is no number"),
                    Some("put text into quotes, or an operator after the number".into()),
                );
            }
            Token::Unknown => {
                let help = match written {
                    _ if written.starts_with(['‘', '’', '“', '”', '„', '«', '»']) => {
                        "write straight quotes: `'` or `\"`".into()
                    }
                    "$" => "write a root's name after the `$`, such as `$variables.name`".into(),
                    "`" => "write text in `'` or `\"`; backquotes are for members: a.`b-c`".into(),
                    "^" => "there is no power; multiply instead".into(),
                    "≠" => "write `!=`".into(),
                    "≤" => "write `<=`".into(),
                    "≥" => "write `>=`".into(),
                    "\u{a0}" => "this is a no-break space: type a plain one".into(),
                    _ => "leave it out, or put it into quotes".to_owned(),
                };
                self.fault(Code::WP0404, at, format!("unexpected `{written}`"), Some(help));
            }
            _ => {
                let found = self.found();
                self.fault(
                    Code::WP0404,
                    at,
                    format!("expected an operator, found {found}"),
                    Some("put an operator such as `==` or `+` before it".into()),
                );
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Infix {
    Any,
    All,
    Op(Operator),
}

impl Infix {
    fn level(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::All => 1,
            Self::Op(Operator::Add | Operator::Subtract) => 3,
            Self::Op(Operator::Multiply | Operator::Divide | Operator::Remainder) => 4,
            Self::Op(_) => 2,
        }
    }
}
