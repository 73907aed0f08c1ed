//! With the lines of the file, as rustc shows them. The only importer of `annotate-snippets`.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Report, printable, witness};
use crate::source::{Diagnostic, Severity, SourceFile, Span};

pub(super) fn render(report: &Report<'_>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for d in &report.diagnostics.0 {
        out.push_str(&renderer.render(&[group(report, d)]));
        out.push_str("\n\n");
    }
    out
}

fn group<'a>(report: &Report<'a>, d: &'a Diagnostic) -> Group<'a> {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(printable(&d.message)).id(d.code.as_str()));
    let mut places = vec![(AnnotationKind::Primary, d.span, d.here.as_deref())];
    places.extend(d.labels.iter().map(|l| (AnnotationKind::Context, l.span, Some(l.message.as_str()))));
    while let Some(&(_, Span { file, .. }, _)) = places.first() {
        let (here, elsewhere): (Vec<_>, Vec<_>) = places.into_iter().partition(|(_, s, _)| s.file == file);
        places = elsewhere;
        if let Some(source) = report.sources.file(file) {
            group = group.element(snippet(source, &here));
        }
    }
    let notes = witness(d).map(|w| Level::NOTE.message(w)).into_iter();
    let helps = d.help.iter().map(|h| Level::HELP.message(printable(h)));
    group.elements(notes.chain(helps))
}

/// Only the lines between the first and the last place: a large file is not searched again for each finding.
fn snippet<'a>(source: &'a SourceFile, places: &[(AnnotationKind, Span, Option<&str>)]) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = &*source.text;
    let clamp = |offset: u32| text.floor_char_boundary(offset as usize);
    let first = places.iter().map(|(_, s, _)| clamp(s.start)).min().unwrap_or(0);
    let last = places.iter().map(|(_, s, _)| clamp(s.end)).max().unwrap_or(0).max(first);
    let from = text.get(..first).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let upto = text.get(last..).and_then(|t| t.find('\n')).map_or(text.len(), |i| last + i);
    let line = 1 + text.get(..from).unwrap_or("").matches('\n').count();
    // INVARIANT: a range past the end of the window, or inside a character, would make the drawing library panic.
    let window = text.get(from..upto).unwrap_or("").trim_end_matches('\r');
    let within = |offset: u32| (clamp(offset) - from).min(window.len());
    let annotations = places
        .iter()
        .map(|(kind, span, label)| kind.span(within(span.start)..within(span.end.max(span.start))).label(label.map(printable)));
    Snippet::source(window).line_start(line).path(printable(&source.name)).annotations(annotations)
}
