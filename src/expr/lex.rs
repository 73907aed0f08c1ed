//! Tokens. Reading one never fails: what fits nothing is a token of its own, and the parser says what to type instead.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::character::complete::{anychar, char, digit1, hex_digit1, one_of};
use nom::combinator::{not, opt, recognize, value, verify};
use nom::sequence::{pair, terminated};
use nom::{IResult, Parser as _};

use super::ast::At;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Int,
    Double,
    /// A text with its quotes; `closed` is whether it ends.
    Text {
        closed: bool,
    },
    Name,
    /// `$name`
    Root,
    /// `` `name` ``: a member whose name is no identifier.
    Quoted,
    Symbol(Symbol),
    /// A number that runs into letters.
    BadNumber,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    And,
    Or,
    Equal,
    NotEqual,
    LessEqual,
    GreaterEqual,
    Less,
    Greater,
    Not,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Question,
    Colon,
    Dot,
    Comma,
    Semicolon,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    /// `=`, which is no operator but often typed for one.
    Assign,
    /// Others of that kind, and what was meant.
    Wrong(&'static str),
}

/// The first token of `rest`, and its length.
pub(super) fn token(rest: &str) -> (Token, usize) {
    match any_token(rest) {
        Ok((after, token)) => (token, rest.len() - after.len()),
        Err(_) => (Token::End, 0),
    }
}

/// The length of the white space and comments that `rest` starts with.
pub(super) fn blank(rest: &str) -> usize {
    let mut at = rest;
    loop {
        let trimmed = at.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        at = trimmed;
        let Some(comment) = at.strip_prefix("//") else { return rest.len() - at.len() };
        at = comment.find('\n').and_then(|end| comment.get(end..)).unwrap_or("");
    }
}

/// The place of the first token at or after `offset`, and what it is.
pub(super) fn next(text: &str, offset: usize) -> (Token, At) {
    let rest = text.get(offset..).unwrap_or("");
    let start = offset + blank(rest);
    let (token, length) = token(text.get(start..).unwrap_or(""));
    (token, At::new(start, start + length))
}

fn any_token(i: &str) -> IResult<&str, Token> {
    alt((text, name, number, symbol, curly, value(Token::Unknown, anychar))).parse(i)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn identifier(i: &str) -> IResult<&str, &str> {
    verify(take_while1(is_name), |s: &str| !s.starts_with(|c: char| c.is_ascii_digit())).parse(i)
}

/// Whether a text can be written as a name.
pub(super) fn is_identifier(text: &str) -> bool {
    identifier(text).is_ok_and(|(rest, _)| rest.is_empty())
}

fn name(i: &str) -> IResult<&str, Token> {
    alt((
        value(Token::Name, identifier),
        value(Token::Root, pair(char('$'), identifier)),
        value(Token::Quoted, (char('`'), take_while1(|c: char| is_name(c) || matches!(c, '.' | '-' | '/' | ' ')), char('`'))),
    ))
    .parse(i)
}

fn number(i: &str) -> IResult<&str, Token> {
    let exponent = || (one_of("eE"), opt(one_of("+-")), digit1);
    let fraction = || pair(char('.'), digit1);
    let (rest, token) = alt((
        value(Token::Int, (tag_no_case("0x"), hex_digit1, opt(one_of("uU")))),
        value(Token::Double, recognize((digit1, fraction(), opt(exponent())))),
        value(Token::Double, recognize((fraction(), opt(exponent())))),
        value(Token::Double, recognize((digit1, exponent()))),
        value(Token::Int, (digit1, opt(one_of("uU")))),
    ))
    .parse(i)?;
    let (after, run_on) = take_while(is_name).parse(rest)?;
    Ok(if run_on.is_empty() { (rest, token) } else { (after, Token::BadNumber) })
}

/// A quoted text with its prefix. One that does not end reaches to the end of the line.
fn text(i: &str) -> IResult<&str, Token> {
    let (rest, prefix) = recognize((opt(one_of("bB")), opt(one_of("rR")), opt(one_of("bB")))).parse(i)?;
    let (body, quote) = alt((tag("'''"), tag("\"\"\""), tag("'"), tag("\""))).parse(rest)?;
    let raw = prefix.contains(['r', 'R']);
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && !raw {
            escaped = true;
        } else if let Some(after) = body.get(at..).and_then(|b| b.strip_prefix(quote)) {
            return Ok((after, Token::Text { closed: true }));
        } else if matches!(c, '\n' | '\r') && quote.len() == 1 {
            return Ok((body.get(at..).unwrap_or(""), Token::Text { closed: false }));
        }
    }
    Ok(("", Token::Text { closed: false }))
}

/// Text in quotes as a word processor makes them.
fn curly(i: &str) -> IResult<&str, Token> {
    let quotes = "‘’“”„«»";
    let quote = || one_of(quotes);
    value(Token::Unknown, (quote(), take_while(|c| !quotes.contains(c) && c != '\n'), opt(quote()))).parse(i)
}

fn symbol(i: &str) -> IResult<&str, Token> {
    use Symbol as S;
    let wrong = alt((
        value(S::Wrong("=="), tag("===")),
        value(S::Wrong("!="), tag("!==")),
        value(S::Wrong("!="), tag("<>")),
        value(S::Wrong("<="), tag("=<")),
        value(S::Wrong(">="), tag("=>")),
        value(S::Wrong("coalesce"), tag("??")),
        value(S::Wrong("."), alt((terminated(tag("?."), not(digit1)), tag(".?")))),
    ));
    let double = alt((
        value(S::And, tag("&&")),
        value(S::Or, tag("||")),
        value(S::Equal, tag("==")),
        value(S::NotEqual, tag("!=")),
        value(S::LessEqual, tag("<=")),
        value(S::GreaterEqual, tag(">=")),
        value(S::Wrong("&&"), tag("&")),
        value(S::Wrong("||"), tag("|")),
    ));
    let (rest, symbol) = alt((wrong, double, single)).parse(i)?;
    Ok((rest, Token::Symbol(symbol)))
}

fn single(i: &str) -> IResult<&str, Symbol> {
    use Symbol as S;
    nom::combinator::map_opt(anychar, |c| {
        Some(match c {
            '<' => S::Less,
            '>' => S::Greater,
            '!' => S::Not,
            '+' => S::Plus,
            '-' => S::Minus,
            '*' => S::Star,
            '/' => S::Slash,
            '%' => S::Percent,
            '?' => S::Question,
            ':' => S::Colon,
            '.' => S::Dot,
            ',' => S::Comma,
            ';' => S::Semicolon,
            '(' => S::OpenParen,
            ')' => S::CloseParen,
            '[' => S::OpenBracket,
            ']' => S::CloseBracket,
            '{' => S::OpenBrace,
            '}' => S::CloseBrace,
            '=' => S::Assign,
            _ => return None,
        })
    })
    .parse(i)
}
