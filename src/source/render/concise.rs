//! `file:line:column: error[WP0401]: message`, one line each.

use std::fmt::Write as _;

use super::{Report, printable};
use crate::source::Severity;

pub(super) fn render(report: &Report<'_>, color: bool) -> String {
    let mut out = String::new();
    for d in &report.diagnostics.0 {
        if let Some(place) = report.place(d.span) {
            let _ = write!(out, "{}:{}:{}: ", printable(place.file), place.start.line, place.start.column);
        }
        let (on, off) = match (color, d.severity) {
            (false, _) => ("", ""),
            (true, Severity::Error) => ("\x1b[1m\x1b[91m", "\x1b[0m"),
            (true, Severity::Warning) => ("\x1b[1m\x1b[33m", "\x1b[0m"),
        };
        let _ = writeln!(out, "{on}{}[{}]{off}: {}", d.severity.word(), d.code, printable(&d.message));
    }
    out
}
