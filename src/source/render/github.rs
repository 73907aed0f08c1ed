//! Workflow commands of GitHub Actions: each finding becomes an annotation on its line.

use std::fmt::Write as _;

use super::{Report, message, printable};

pub(super) fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    for d in &report.diagnostics.0 {
        let _ = write!(out, "::{} ", d.severity.word());
        if let Some(place) = report.place(d.span) {
            let _ = write!(out, "file={},line={},", property(&printable(place.file)), place.start.line);
            // Columns mean something only where a span stays on its line.
            if place.end.line == place.start.line {
                let _ = write!(out, "endLine={},col={},endColumn={},", place.end.line, place.start.column, place.end.column);
            }
        }
        let _ = writeln!(out, "title={}::{}", property(d.code.as_str()), data(&message(d)));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
