//! Suppressions: `# waypost: allow(WP0407) reason`, on the line of the fault or on a line of its own above it.

use crate::source::{Code, Diagnostic, Diagnostics, FileId, Span, did_you_mean};

const MARK: &str = "waypost: allow";

/// One suppression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The comment.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// The line that it speaks of, from 1: its own, or the next with content if it stands alone.
    pub covers: u32,
    /// What is allowed there.
    pub codes: Vec<Code>,
    /// Why.
    pub reason: String,
}

/// The suppressions of a file, and those that are none: of an unknown code (`WP0103`), or without a reason (`WP0105`).
#[must_use]
pub fn allows(file: FileId, source: &str) -> (Vec<Allow>, Diagnostics) {
    let (mut found, mut diagnostics) = (Vec::new(), Diagnostics::default());
    if !source.contains(MARK) {
        return (found, diagnostics);
    }
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut start = 0;
    let lines: Vec<&str> = source.split('\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let at = start;
        start += line.len() + 1;
        let Some((before, comment)) = comment(line) else { continue };
        let span = |from: usize, len: usize| Span { file, start: number(at + from), end: number(at + from + len) };
        let place = span(before.len(), line.trim_end().len() - before.len());
        let (names, reason) = match comment.strip_prefix('(').and_then(|c| c.split_once(')')) {
            Some((names, reason)) => (names, reason.trim()),
            None => ("", ""),
        };
        let mut codes = Vec::new();
        for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            if let Some(code) = Code::from_name(name) {
                codes.push(code);
            } else {
                let from = line.find(name).unwrap_or(before.len());
                let near = did_you_mean(name, crate::source::CODES.iter().map(|c| c.code.as_str()));
                let d = Diagnostic::new(Code::WP0103, span(from, name.len()), format!("there is no code `{name}`"));
                diagnostics.push(match near {
                    Some(near) => d.help(format!("write `{near}`")),
                    None => d.help("the codes stand in `grammar/codes/`"),
                });
            }
        }
        if names.trim().is_empty() {
            let d = Diagnostic::new(Code::WP0105, place, "this `allow` names no code");
            diagnostics.push(d.help("write `# waypost: allow(WP0407) and why`"));
        } else if reason.is_empty() {
            let d = Diagnostic::new(Code::WP0105, place, "this `allow` gives no reason");
            diagnostics.push(d.help(format!("write `# waypost: allow({names}) and why`")));
        } else if !codes.is_empty() {
            let alone = before.trim().is_empty();
            let below = || {
                let next = lines.iter().enumerate().skip(i + 1).find(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
                next.map_or(i, |(n, _)| n)
            };
            let covers = number(1 + if alone { below() } else { i });
            found.push(Allow { span: place, line: number(i + 1), covers, codes, reason: reason.to_owned() });
        }
    }
    (found, diagnostics)
}

/// What stands before the comment, and what behind its mark.
fn comment(line: &str) -> Option<(&str, &str)> {
    for (i, _) in line.match_indices('#') {
        let (before, rest) = line.split_at_checked(i)?;
        if before.is_empty() || before.ends_with([' ', '\t']) {
            let inside = rest.trim_start_matches('#').trim_start();
            if let Some(behind) = inside.strip_prefix(MARK) {
                return Some((before, behind.trim()));
            }
        }
    }
    None
}
