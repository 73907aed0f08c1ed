//! Changes of conditions and of what is computed: negated, always true, never true, another operator, another literal.

use super::edit::{Edits, Found};
use crate::syntax::Node;

/// What can be wrong in a condition: as a whole, and in its parts.
pub(super) fn condition(found: &mut Found<'_>, node: &Node<'_>, of: &str) {
    let Some(text) = node.str() else { return };
    // Where the author wrote no quotes, they are needed for `!` and braces.
    let quoted = |e: String| format!("{}", crate::value::Json::from(e));
    found.add("negate-condition", format!("negates {of}"), Some(found.replaced(node, quoted(format!("!({text})")))));
    found.add("widen-guard", format!("makes {of} always true"), Some(found.replaced(node, "\"true\"")));
    found.add("narrow-guard", format!("makes {of} never true"), Some(found.replaced(node, "\"false\"")));
    parts(found, node, of, true);
}

/// What can be wrong in the parts of an expression. The only comparison of a condition is negated as a whole already.
pub(super) fn parts(found: &mut Found<'_>, node: &Node<'_>, of: &str, is_condition: bool) {
    let Some(text) = node.text(found.source()) else { return };
    let tokens = tokens(&text.value);
    let comparisons = tokens.iter().filter(|t| matches!(t.kind, Kind::Operator("==" | "!="))).count();
    let alone = is_condition && comparisons == 1 && !tokens.iter().any(|t| matches!(t.kind, Kind::Operator("&&" | "||")));
    for token in &tokens {
        let span = text.part(&(token.start..token.end));
        let edit = |with: &str| -> Option<Edits> { Some(vec![(span.start as usize..span.end as usize, with.to_owned())]) };
        let Some(was) = text.value.get(token.start..token.end) else { continue };
        match token.kind {
            Kind::Operator(operator) => {
                let other = match operator {
                    "&&" => "||",
                    "||" => "&&",
                    "==" if !alone => "!=",
                    "!=" if !alone => "==",
                    "<" => "<=",
                    "<=" => "<",
                    ">" => ">=",
                    ">=" => ">",
                    _ => continue,
                };
                found.add("change-operator", format!("writes `{other}` for `{operator}` in {of}"), edit(other));
            }
            Kind::Text => {
                let quote = was.get(..1).unwrap_or("'");
                let other = if was.len() > 2 { was.get(1..was.len() - 1).map(|t| format!("{quote}{t}x{quote}")) } else { None };
                let Some(other) = other else { continue };
                found.add("change-literal", format!("writes `{other}` for `{was}` in {of}"), edit(&other));
            }
            Kind::Number => {
                let Ok(number) = was.parse::<i64>() else { continue };
                let other = (number + 1).to_string();
                found.add("change-literal", format!("writes `{other}` for `{was}` in {of}"), edit(&other));
            }
        }
    }
}

struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Operator(&'static str),
    Text,
    Number,
}

const OPERATORS: [&str; 8] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">"];

/// The operators and literals of an expression.
fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut before = ' ';
    while let Some(rest) = text.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        let mut end = at + c.len_utf8();
        if c == '\'' || c == '"' {
            let close = rest.char_indices().skip(1).scan(false, |escaped, (i, d)| {
                let closes = d == c && !*escaped;
                *escaped = d == '\\' && !*escaped;
                Some((i, closes))
            });
            let close = close.into_iter().find(|(_, closes)| *closes);
            end = close.map_or(text.len(), |(i, _)| at + i + 1);
            out.push(Token { kind: Kind::Text, start: at, end });
        } else if let Some(operator) = OPERATORS.iter().find(|o| rest.starts_with(**o)) {
            end = at + operator.len();
            out.push(Token { kind: Kind::Operator(operator), start: at, end });
        } else if c.is_ascii_digit() && !before.is_alphanumeric() && !"_.[".contains(before) {
            let digits = rest.find(|d: char| !d.is_ascii_digit()).unwrap_or(rest.len());
            end = at + digits;
            if !rest.get(digits..).is_some_and(|r| r.starts_with('.')) {
                out.push(Token { kind: Kind::Number, start: at, end });
            }
        }
        before = text.get(at..end).and_then(|t| t.chars().last()).unwrap_or(' ');
        at = end;
    }
    out
}
