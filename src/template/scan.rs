//! The tags of a template as they stand in its text: where they are, and whether they are closed and short enough.
//!
//! Knows nothing of what a tag says. The limits keep the parser's stack bounded, so they are checked before it sees the text.

use std::ops::Range;

/// Longest template, in bytes.
pub(super) const MAX_TEMPLATE: usize = 16 * 1024;
/// Longest tag, in bytes.
pub(super) const MAX_TAG: usize = 1024;
/// Most tags in a template.
pub(super) const MAX_TAGS: usize = 1_000;

/// What a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagKind {
    /// `{{ … }}`.
    Emit,
    /// `{% … %}`.
    Statement,
    /// `{# … #}`.
    Comment,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// What it is.
    pub kind: TagKind,
    /// The whole of it.
    pub range: Range<usize>,
    /// Whether its end was found.
    pub closed: bool,
}

impl Tag {
    /// What stands between the brackets, without the marks that trim white space.
    pub(super) fn inner(&self, text: &str) -> Range<usize> {
        let close = if self.closed { 2 } else { 0 };
        let mut inner = self.range.start + 2..self.range.end.saturating_sub(close).max(self.range.start + 2);
        let bytes = text.as_bytes();
        if matches!(bytes.get(inner.start), Some(b'-' | b'+')) && inner.start < inner.end {
            inner.start += 1;
        }
        if inner.end > inner.start && matches!(bytes.get(inner.end - 1), Some(b'-' | b'+')) {
            inner.end -= 1;
        }
        inner
    }

    /// The first word of a statement.
    pub(super) fn word<'t>(&self, text: &'t str) -> &'t str {
        let inner = text.get(self.inner(text)).unwrap_or("").trim_start();
        inner.get(..inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len())).unwrap_or("")
    }
}

/// All tags of a text, in order. What stands in a `raw` block is text.
pub(super) fn tags(text: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut raw = false;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('{')).map(|i| at + i) {
        let kind = match text.as_bytes().get(start + 1) {
            Some(b'{') => TagKind::Emit,
            Some(b'%') => TagKind::Statement,
            Some(b'#') => TagKind::Comment,
            _ => {
                at = start + 1;
                continue;
            }
        };
        let end = end_of(text, start + 2, kind);
        let tag = Tag { kind, range: start..end.unwrap_or(text.len()), closed: end.is_some() };
        if raw {
            if !(kind == TagKind::Statement && tag.word(text) == "endraw") {
                at = start + 2;
                continue;
            }
            raw = false;
        } else if kind == TagKind::Statement && tag.word(text) == "raw" {
            raw = true;
        }
        at = tag.range.end;
        let closed = tag.closed;
        found.push(tag);
        if !closed || found.len() > MAX_TAGS {
            break;
        }
    }
    found
}

/// Where the tag ends whose inside begins at `from`.
fn end_of(text: &str, from: usize, kind: TagKind) -> Option<usize> {
    let bytes = text.as_bytes();
    let close: &[u8] = match kind {
        TagKind::Emit => b"}}",
        TagKind::Statement => b"%}",
        TagKind::Comment => return text.get(from..)?.find("#}").map(|i| from + i + 2),
    };
    let mut open = 0_u32;
    let mut quote = None;
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(q), b) if b == q => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, _) if open == 0 && bytes.get(at..at + 2) == Some(close) => return Some(at + 2),
            (None, b'(' | b'[' | b'{') => open += 1,
            (None, b')' | b']' | b'}') => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The innermost block that is opened and never closed.
pub(super) fn open_block<'t>(text: &'t str, tags: &[Tag]) -> Option<(&'t str, Range<usize>)> {
    let mut open = Vec::new();
    for tag in tags.iter().filter(|t| t.kind == TagKind::Statement) {
        match tag.word(text) {
            word @ ("if" | "for" | "with" | "filter" | "raw") => open.push((word, tag.range.clone())),
            "set" if !text.get(tag.inner(text)).is_some_and(|i| i.contains('=')) => open.push(("set", tag.range.clone())),
            word if word.starts_with("end") => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}
