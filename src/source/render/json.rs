//! `check --format json`: the object of `surfaces.md`, section 1.

use serde::Serialize;

use super::{Place, Report};
use crate::source::Diagnostic;

#[derive(Serialize)]
struct Output<'a> {
    diagnostics: Vec<Finding<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    at: At<'a>,
    path: &'a [String],
    labels: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct Label<'a> {
    message: &'a str,
    #[serde(flatten)]
    at: At<'a>,
}

/// All `null` for what is about the workspace as a whole.
#[derive(Serialize)]
struct At<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    end_line: Option<u32>,
    end_column: Option<u32>,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    journeys: usize,
    integrations: usize,
}

pub(super) fn render(report: &Report<'_>) -> String {
    let (errors, warnings) = report.count();
    let output = Output {
        diagnostics: report.diagnostics.0.iter().map(|d| finding(report, d)).collect(),
        summary: Summary { errors, warnings, journeys: report.journeys, integrations: report.integrations },
    };
    let mut text = serde_json::to_string_pretty(&output).unwrap_or_default();
    text.push('\n');
    text
}

fn finding<'a>(report: &'a Report<'_>, d: &'a Diagnostic) -> Finding<'a> {
    let here = d.here.iter().map(|message| Label { message, at: report.place(d.span).into() });
    let others = d.labels.iter().map(|l| Label { message: &l.message, at: report.place(l.span).into() });
    Finding {
        code: d.code.as_str(),
        severity: d.severity.word(),
        message: &d.message,
        help: d.help.as_deref(),
        at: report.place(d.span).into(),
        path: &d.path,
        labels: here.chain(others).collect(),
    }
}

impl<'a> From<Option<Place<'a>>> for At<'a> {
    fn from(place: Option<Place<'a>>) -> Self {
        let p = place.as_ref();
        Self {
            file: p.map(|p| p.file),
            line: p.map(|p| p.start.line),
            column: p.map(|p| p.start.column),
            end_line: p.map(|p| p.end.line),
            end_column: p.map(|p| p.end.column),
        }
    }
}
