//! For people: a line a transcript, then each failure with the line of its expectation, then the sum.

use std::fmt::Write;

use super::super::terminal::{BAD, BOLD, DIM, GOOD, NAME};
use super::{Failure, Results, Tested};

pub(super) fn render(results: &Results) -> String {
    let mut out = String::new();
    for file in results.tests.chunk_by(|a, b| a.file == b.file) {
        let Some(first) = file.first() else { continue };
        let _ = writeln!(out, "{BOLD}{}{BOLD:#}", first.file);
        for test in file {
            let mark = if test.failures.is_empty() { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
            let slow = if test.ms >= 1_000 { format!(" {DIM}({} ms){DIM:#}", test.ms) } else { String::new() };
            let _ = writeln!(out, "  {mark} {}{slow}", test.name);
        }
    }
    for test in &results.tests {
        for failure in &test.failures {
            draw(&mut out, results, test, failure);
        }
    }
    let failed = results.failed();
    let passed = results.tests.len() - failed;
    let sum = if failed == 0 { format!("{GOOD}{passed} passed{GOOD:#}") } else { format!("{BAD}{failed} failed{BAD:#}, {passed} passed") };
    let ms: u64 = results.tests.iter().map(|t| t.ms).sum();
    let _ = writeln!(out, "\n{sum} {DIM}in {}.{:02} s{DIM:#}", ms / 1_000, ms % 1_000 / 10);
    out
}

fn draw(out: &mut String, results: &Results, test: &Tested, failure: &Failure) {
    let start = results.sources.position(failure.span.file, failure.span.start);
    let end = results.sources.position(failure.span.file, failure.span.end);
    let text = results.sources.file(failure.span.file).map_or("", |f| &*f.text);
    let line = text.lines().nth(start.line as usize - 1).unwrap_or("");
    let width = start.line.to_string().len();
    let from = start.column as usize - 1;
    let to = if end.line == start.line { end.column as usize - 1 } else { line.chars().count() };
    // A long line of flow style is shown around the place.
    let cut = from.saturating_sub(60);
    let shown: String = line.chars().skip(cut).take(110).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let carets = "^".repeat(to.saturating_sub(from).clamp(1, 110 - (from - cut).min(109)));
    let dots = if cut > 0 { "…" } else { "" };
    let _ = writeln!(out, "\n{BAD}failed{BAD:#}{BOLD}: {}: {}{BOLD:#}", test.name, failure.message);
    let _ = writeln!(out, "{:width$}{NAME}-->{NAME:#} {}:{}:{}", "", test.file, start.line, start.column);
    let _ = writeln!(out, "{NAME}{:width$} |{NAME:#}", "");
    let _ = writeln!(out, "{NAME}{} |{NAME:#} {dots}{shown}", start.line);
    let _ = writeln!(out, "{NAME}{:width$} |{NAME:#} {}{BAD}{carets}{BAD:#}", "", " ".repeat(from - cut + dots.chars().count()));
    for (what, look, value) in [("expected", GOOD, &failure.expected), ("  actual", BAD, &failure.actual)] {
        if let Some(value) = value {
            let indent = format!("\n{:1$}", "", width + 13);
            let value = value.trim_end().replace('\n', &indent);
            let _ = writeln!(out, "{NAME}{:width$} ={NAME:#} {look}{what}{look:#}: {value}", "");
        }
    }
}
