//! `JUnit` XML, one suite a file.

use std::fmt::Write;

use super::{Results, Tested};

pub(super) fn render(results: &Results) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites {}>", totals(&results.tests.iter().collect::<Vec<_>>()));
    for suite in results.tests.chunk_by(|a, b| a.file == b.file) {
        let Some(first) = suite.first() else { continue };
        let _ = writeln!(out, "  <testsuite name=\"{}\" {}>", escape(&first.file), totals(&suite.iter().collect::<Vec<_>>()));
        for test in suite {
            case(&mut out, results, test);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, results: &Results, test: &Tested) {
    let (name, file, time) = (escape(&test.name), escape(&test.file), seconds(test.ms));
    let line = results.line(test.span);
    let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\" time=\"{time}\"");
    if test.failures.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for failure in &test.failures {
        let mut text = format!("{}:{}", test.file, results.line(failure.span));
        for (what, value) in [("expected", &failure.expected), ("actual", &failure.actual)] {
            if let Some(value) = value {
                let _ = write!(text, "\n{what}: {value}");
            }
        }
        let _ = writeln!(out, "      <failure message=\"{}\">{}</failure>", escape(&failure.message), escape(&text));
    }
    out.push_str("    </testcase>\n");
}

fn totals(tests: &[&Tested]) -> String {
    let failed = tests.iter().filter(|t| !t.failures.is_empty()).count();
    format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{}\"", tests.len(), seconds(tests.iter().map(|t| t.ms).sum()))
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// XML 1.0 has no place for control characters, not even escaped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
