//! SARIF 2.1.0 (OASIS): what code scanners and editors read.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use super::{Report, message};
use crate::source::{Code, Diagnostic, Span};

/// What stands unencoded in a relative reference (RFC 3986): a colon does not, it would end a scheme.
const URI: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn render(report: &Report<'_>) -> String {
    let mut codes: Vec<Code> = report.diagnostics.0.iter().map(|d| d.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Json> = codes.iter().map(|c| rule(*c)).collect();
    let results: Vec<Json> = report.diagnostics.0.iter().map(|d| result(report, d, &codes)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "waypost", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn rule(code: Code) -> Json {
    let info = code.info();
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": info.map_or("", |i| i.title)},
        "help": {"text": info.map_or("", |i| i.page), "markdown": info.map_or("", |i| i.page)},
        "defaultConfiguration": {"level": code.severity().word()},
    })
}

fn result(report: &Report<'_>, d: &Diagnostic, codes: &[Code]) -> Json {
    let related: Vec<Json> = d.labels.iter().filter_map(|l| location(report, l.span, Some(&l.message))).collect();
    let step = |s: &String| json!({"location": {"logicalLocations": [{"name": s}], "message": {"text": s}}});
    let flow: Vec<Json> = d.path.iter().map(step).collect();
    let flows = if flow.is_empty() { json!([]) } else { json!([{"threadFlows": [{"locations": flow}]}]) };
    json!({
        "ruleId": d.code.as_str(),
        "ruleIndex": codes.binary_search(&d.code).unwrap_or(0),
        "level": d.severity.word(),
        "message": {"text": message(d)},
        "locations": location(report, d.span, None).into_iter().collect::<Vec<_>>(),
        "relatedLocations": related,
        "codeFlows": flows,
    })
}

fn location(report: &Report<'_>, span: Span, message: Option<&str>) -> Option<Json> {
    let place = report.place(span)?;
    let physical = json!({
        "artifactLocation": {"uri": utf8_percent_encode(place.file, URI).to_string()},
        "region": {
            "startLine": place.start.line, "startColumn": place.start.column,
            "endLine": place.end.line, "endColumn": place.end.column,
        },
    });
    Some(match message {
        None => json!({"physicalLocation": physical}),
        Some(text) => json!({"physicalLocation": physical, "message": {"text": text}}),
    })
}
