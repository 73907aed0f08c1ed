//! What the literals say: numbers, and texts with their escapes.

use super::ast::Literal;

/// What is wrong with a literal: bytes of it, a sentence, a help.
pub(super) struct Bad {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

/// The value of an integer token, negative if a minus stands before it.
pub(super) fn int(token: &str, negative: bool) -> Result<Literal, Bad> {
    let digits = token.trim_end_matches(['u', 'U']);
    let parsed = match digits.get(..2) {
        Some("0x" | "0X") => i128::from_str_radix(digits.get(2..).unwrap_or(""), 16),
        _ => digits.parse::<i128>(),
    };
    parsed.ok().map(|n| if negative { -n } else { n }).and_then(|n| i64::try_from(n).ok()).map(Literal::Int).ok_or(Bad {
        start: 0,
        end: token.len(),
        message: "this integer does not fit in 64 bits",
        help: "integers go from -9223372036854775808 to 9223372036854775807",
    })
}

/// The value of a double token.
pub(super) fn double(token: &str, negative: bool) -> Result<Literal, Bad> {
    match token.parse::<f64>() {
        Ok(n) if n.is_finite() => Ok(Literal::Double(if negative { -n } else { n })),
        _ => Err(Bad { start: 0, end: token.len(), message: "this number is too large", help: "write a smaller one" }),
    }
}

/// The value of a text token with its quotes and prefix.
pub(super) fn text(token: &str) -> Result<Literal, Bad> {
    let prefix = token.find(['\'', '"']).unwrap_or(0);
    let (head, quoted) = token.split_at_checked(prefix).unwrap_or(("", token));
    if head.contains(['b', 'B']) {
        return Err(Bad { start: 0, end: prefix, message: "there are no bytes, only text", help: "leave out the `b`" });
    }
    let quote = if quoted.starts_with("'''") || quoted.starts_with("\"\"\"") { 3 } else { 1 };
    let body = quoted.get(quote..quoted.len().saturating_sub(quote)).unwrap_or("");
    if head.contains(['r', 'R']) || !body.contains('\\') {
        return Ok(Literal::Text(body.into()));
    }
    let mut out = String::with_capacity(body.len());
    let mut chars = body.char_indices();
    while let Some((start, c)) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let letter = chars.next().map(|(_, c)| c);
        let (code, digits, radix) = match letter {
            Some('a') => (Some('\x07'), 0, 8),
            Some('b') => (Some('\x08'), 0, 8),
            Some('f') => (Some('\x0c'), 0, 8),
            Some('n') => (Some('\n'), 0, 8),
            Some('r') => (Some('\r'), 0, 8),
            Some('t') => (Some('\t'), 0, 8),
            Some('v') => (Some('\x0b'), 0, 8),
            Some(c @ ('\\' | '?' | '"' | '\'' | '`')) => (Some(c), 0, 8),
            Some('x' | 'X') => (None, 2, 16),
            Some('u') => (None, 4, 16),
            Some('U') => (None, 8, 16),
            Some(c @ '0'..='3') => (char::from_digit(c.to_digit(8).unwrap_or(0), 8), 2, 8),
            _ => (None, 0, 8),
        };
        let mut number = if digits == 2 && radix == 8 { code.and_then(|c| c.to_digit(8)) } else { Some(0) };
        let simple = if digits == 0 { code } else { None };
        let mut end = start + 1 + letter.map_or(0, char::len_utf8);
        for _ in 0..digits {
            let digit = chars.next().and_then(|(at, c)| {
                end = at + c.len_utf8();
                c.to_digit(radix)
            });
            number = number.zip(digit).and_then(|(n, d)| n.checked_mul(radix)?.checked_add(d));
        }
        match if digits == 0 { simple } else { number.and_then(char::from_u32) } {
            Some(c) => out.push(c),
            None => {
                return Err(Bad {
                    start: prefix + quote + start,
                    end: prefix + quote + end.min(body.len()),
                    message: "this is no escape",
                    help: r"write `\\` for a backslash; escapes are \n \t \r \a \b \f \v \' \` \? \xHH \ooo \uHHHH \UHHHHHHHH",
                });
            }
        }
    }
    Ok(Literal::Text(out.into()))
}
