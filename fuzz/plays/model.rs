//! Any text as files of a workspace: parsed, resolved and checked without a panic, a hang or an overflow, and shown in every form.

use std::sync::Arc;

use waypost::check;
use waypost::source::render::{Format, Report};

/// Plays one input.
pub fn play(text: &str) {
    // A line of five bars divides the text into files, so that one input can be a journey with its integration.
    let names = ["journeys/a.yaml", "integrations/b.yaml", "datapoints/c.yaml", "waypost.yaml"];
    let files: Vec<(String, Arc<str>)> = text.split("\n|||||\n").zip(names).map(|(t, n)| (n.to_owned(), Arc::from(t))).collect();
    let checked = check::load(files);
    let report = Report { diagnostics: &checked.diagnostics, sources: &checked.workspace.sources, journeys: 0, integrations: 0 };
    for format in [Format::Full, Format::Concise, Format::Json, Format::Sarif, Format::Github] {
        std::hint::black_box(report.render(format, false));
    }
}
