//! Where each byte of a scalar's text stands in its file, through quotes, escapes, folds and indentation.

use std::sync::Arc;

use super::yaml::{Scalar, Style};
use crate::source::{Span, Text};

/// The text of a scalar, with its places.
pub fn text(scalar: &Scalar<'_>, span: Span, source: &str) -> Text {
    let value: Arc<str> = Arc::from(&*scalar.text);
    let raw = source.get(span.start as usize..span.end as usize).unwrap_or("");
    let pieces = match scalar.style {
        Style::Plain if raw == &*value => return Text::plain(value, span, span.start),
        Style::Single | Style::Double if raw.len() == value.len() + 2 => return Text::plain(value, span, span.start + 1),
        Style::Plain => flow(&value, raw, 0, false),
        Style::Single => flow(&value, raw, 1, false),
        Style::Double => flow(&value, raw, 1, true),
        Style::Literal | Style::Folded => block(&value, span, source),
    };
    let offset = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut ascending: Vec<(u32, u32)> = Vec::with_capacity(pieces.len());
    for (at, place) in pieces {
        let piece = (offset(at), span.start.saturating_add(offset(place)));
        // Two pieces at one byte of the value: the later is where that byte really stands.
        if ascending.last().is_some_and(|(v, _)| *v == piece.0) {
            ascending.pop();
        }
        ascending.push(piece);
    }
    Text { value, span, pieces: ascending.into() }
}

/// Plain and quoted scalars: line breaks fold, `''` and `\…` are one character.
fn flow(value: &str, raw: &str, skip: usize, escapes: bool) -> Vec<(usize, usize)> {
    let mut pieces = vec![(0, skip)];
    let (mut v, mut r) = (0, skip);
    // INVARIANT: every turn moves `r` on.
    while let (Some(rest), Some(wanted)) = (raw.get(r..), value.get(v..)) {
        let Some(c) = rest.chars().next() else { break };
        let blank: usize = rest.bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
        if rest.get(..blank).is_some_and(|b| b.contains('\n')) {
            let breaks = rest.get(..blank).unwrap_or("").matches('\n').count();
            v += if breaks == 1 { 1 } else { breaks - 1 };
            r += blank;
            pieces.push((v, r));
        } else if escapes && c == '\\' {
            let (taken, made) = escape(rest, wanted);
            pieces.push((v, r));
            r += taken;
            v += made;
            pieces.push((v, r));
        } else if skip == 1 && !escapes && rest.starts_with("''") {
            v += 1;
            r += 2;
            pieces.push((v, r));
        } else {
            v += c.len_utf8();
            r += c.len_utf8();
        }
        if v > value.len() {
            break;
        }
    }
    pieces
}

/// How many bytes an escape takes, and how many it makes.
fn escape(rest: &str, wanted: &str) -> (usize, usize) {
    let made = wanted.chars().next().map_or(0, char::len_utf8);
    match rest.as_bytes().get(1) {
        Some(b'x') => (4, made),
        Some(b'u') if made == 4 => (12, made),
        Some(b'u') => (6, made),
        Some(b'U') => (10, made),
        Some(b'\n' | b'\r') => {
            let folded = rest.bytes().skip(1).take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
            (1 + folded, 0)
        }
        Some(_) => (1 + rest.chars().nth(1).map_or(0, char::len_utf8), made),
        None => (1, 0),
    }
}

/// Block scalars: each line loses its indentation.
fn block(value: &str, span: Span, source: &str) -> Vec<(usize, usize)> {
    let start = span.start as usize;
    let line_start = source.get(..start).and_then(|s| s.rfind('\n')).map_or(0, |n| n + 1);
    let raw = source.get(line_start..span.end as usize).unwrap_or("");
    let indent = indentation(raw, start - line_start);
    let mut pieces = Vec::new();
    let (mut v, mut at) = (0, line_start);
    for line in raw.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let body = content.get(indent.min(content.len())..).unwrap_or("");
        let place = at + (content.len() - body.len());
        if !body.is_empty() {
            // Between two lines stands a folded space, or as many line breaks as the fold left.
            let gap = match value.get(v..) {
                Some(rest) if v > 0 && rest.starts_with(' ') && !rest.starts_with(body) => 1,
                Some(rest) => rest.bytes().take_while(|b| *b == b'\n').count(),
                None => break,
            };
            if v > 0 || gap > 0 {
                pieces.push((v, at.saturating_sub(1).saturating_sub(start)));
            }
            v += gap;
            pieces.push((v, place.saturating_sub(start)));
            v += body.len();
        }
        at += line.len();
    }
    if pieces.first().is_none_or(|(v, _)| *v > 0) {
        pieces.insert(0, (0, 0));
    }
    pieces
}

/// The indentation of a block: that of its first line, or of the least indented one if the first is blank.
fn indentation(raw: &str, column: usize) -> usize {
    let of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let first = raw.lines().next().unwrap_or("");
    if first.trim().is_empty() {
        raw.lines().filter(|l| !l.trim().is_empty()).map(of).min().unwrap_or(column)
    } else {
        column.min(of(first))
    }
}
