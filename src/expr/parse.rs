//! From text to tree: precedence by a hand-written Pratt parser that goes on after a fault.
//!
//! Names, styles and numbers of arguments are settled here; types are not.

use std::sync::Arc;

use super::ast::{At, Expr, Kind, Link, Literal, MacroCall, Op, OpKind, Operator, Pattern, Snippet};
use super::builtins::{self, Builtin, Style};
use super::lex::{self, Symbol, Token};
use super::macros::{self, Macro};
use super::{Fault, Root, literal};
use crate::source::{Code, did_you_mean};

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

pub(super) fn root_named(name: &str) -> Option<Root> {
    ROOTS.iter().find(|(n, _)| *n == name).map(|(_, root)| *root)
}

pub(super) fn parse(text: &str) -> (Snippet, Vec<Fault>) {
    let mut p =
        Parser { text, token: Token::End, at: At::default(), last: At::default(), depth: 0, locals: Vec::new(), faults: Vec::new() };
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
    token: Token,
    at: At,
    last: At,
    depth: u32,
    locals: Vec<Arc<str>>,
    faults: Vec<Fault>,
}

impl<'t> Parser<'t> {
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
        if root_named(written).is_some() {
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

    fn arity(&mut self, function: &'static Builtin, at: At, given: usize, receiver: usize) {
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
    fn function(&mut self, name: &str, at: At, style: Style) -> Option<&'static Builtin> {
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
    fn pattern(&mut self, function: &'static Builtin, argument: Option<&Expr>) -> Option<Pattern> {
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

    fn macro_call(&mut self, row: &'static macros::Row, at: At) -> Option<Op> {
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

    fn comma(&mut self, row: &'static macros::Row) {
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
    fn is_free(&self, name: &str) -> bool {
        !self.locals.iter().any(|l| &**l == name) && root_named(name).is_none() && !matches!(name, "true" | "false" | "null")
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

    fn primary(&mut self) -> Expr {
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
                match root_named(name) {
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

    fn no_value(&mut self, at: At) -> Expr {
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

    fn number(&mut self, at: At, negative: bool) -> Expr {
        let written = self.slice(at);
        let hex = written.starts_with("0x") || written.starts_with("0X");
        let read =
            if !hex && written.contains(['.', 'e', 'E']) { literal::double(written, negative) } else { literal::int(written, negative) };
        self.literal(at, read)
    }

    fn literal(&mut self, at: At, read: Result<Literal, literal::Bad>) -> Expr {
        match read {
            Ok(literal) => Expr { at, kind: Kind::Literal(literal) },
            Err(bad) => {
                let start = at.start as usize;
                self.fault(Code::WP0404, At::new(start + bad.start, start + bad.end), bad.message, Some(bad.help.into()));
                Self::error(at)
            }
        }
    }

    fn name(&mut self, at: At, written: &'t str) -> Expr {
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
        if let Some(root) = root_named(written) {
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

    fn unknown(&mut self, at: At, name: &str) -> Expr {
        let before = self.text.get(..at.start as usize).unwrap_or("");
        let names = ROOTS.iter().map(|(n, _)| *n).chain(self.locals.iter().map(|l| &**l));
        let help = match name {
            "True" | "TRUE" => "write `true`".into(),
            "False" | "FALSE" => "write `false`".into(),
            "None" | "nil" | "NULL" | "Null" | "undefined" => "write `null`".into(),
            _ if before.ends_with('-') && before.trim_end_matches('-').ends_with(|c: char| c.is_ascii_alphanumeric()) => {
                let joined = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next().unwrap_or("");
                format!("a name in an expression has `_` for `-`: write `{}{name}`", joined.replace('-', "_"))
            }
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

    fn global_call(&mut self, at: At, name: &str) -> Expr {
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

    fn skip_arguments(&mut self) {
        self.advance();
        self.skip_to(&[Symbol::CloseParen]);
        self.eat(Symbol::CloseParen);
    }

    fn map(&mut self, at: At) -> Expr {
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

/// Whether an expression names a place: a root, a bound name, or a chain that ends in a member.
pub(super) fn is_path(e: &Expr) -> bool {
    match &e.kind {
        Kind::Root(_) | Kind::Local(..) => true,
        Kind::Postfix(_, ops) => ops.last().is_some_and(|op| matches!(op.kind, OpKind::Member(_) | OpKind::Index(_))),
        _ => false,
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
