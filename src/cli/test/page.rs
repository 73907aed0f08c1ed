//! Coverage as a page: figures, what is missing, and each journey's graph coloured by it. Needs nothing but itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::Trouble;
use crate::check::Loaded;
use crate::draw::{Mark, Overlay, draw_over};
use crate::model::{EdgeKind, StepId};
use crate::transcript::cover::{Coverage, JourneyCoverage, PointKind, Tally};

const STYLE: &str = include_str!("page.css");

/// Writes the page: into that file, or as `index.html` into that directory.
pub(super) fn write(path: &Path, coverages: &[(Loaded, Coverage)]) -> Result<PathBuf, Trouble> {
    let is_file = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"));
    let file = if is_file { path.to_path_buf() } else { path.join("index.html") };
    let cannot = |e: std::io::Error| Trouble::new(format!("cannot write `{}`: {e}", file.display()));
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).map_err(cannot)?;
    }
    std::fs::write(&file, page(coverages)).map_err(cannot)?;
    Ok(file)
}

fn page(coverages: &[(Loaded, Coverage)]) -> String {
    let name = coverages.first().and_then(|(loaded, _)| loaded.settings.agent_name.clone());
    let name = name.unwrap_or_else(|| "the journeys".into());
    let all = Coverage { journeys: coverages.iter().flat_map(|(_, c)| &c.journeys).cloned().collect() };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Coverage of {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
         <p>What the transcripts come to: <strong>{} %</strong>, {} of {}.</p>\n",
        all.total().percent(),
        all.total().covered,
        all.total().total,
        title = escape(&name)
    );
    out.push_str(
        "<ul class=\"legend\"><li><i class=\"hit\"></i>come to, and left in every way</li><li><i class=\"part\"></i>come to, \
         but not left in every way, or a gate of it never refused</li><li><i class=\"miss\"></i>never come to</li>\
         <li><i class=\"dash\"></i>taken only when something goes wrong</li></ul>\n</header>\n<main>\n",
    );
    table(&mut out, &all);
    for (loaded, coverage) in coverages {
        for journey in &coverage.journeys {
            section(&mut out, loaded, journey);
        }
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn table(out: &mut String, all: &Coverage) {
    out.push_str("<div class=\"wide\"><table>\n<thead><tr><th>journey</th>");
    for kind in PointKind::ALL {
        let _ = write!(out, "<th>{}</th>", kind.plural());
    }
    out.push_str("<th colspan=\"2\">covered</th></tr></thead>\n<tbody>\n");
    for journey in &all.journeys {
        let name = format!("<a href=\"#{0}\">{0}</a>", escape(&journey.shown));
        row(out, &name, |kind| journey.of_kind(kind), journey.total());
    }
    out.push_str("</tbody>\n<tfoot>\n");
    row(out, "all journeys", |kind| all.of_kind(kind), all.total());
    out.push_str("</tfoot>\n</table></div>\n");
}

fn row(out: &mut String, name: &str, of_kind: impl Fn(PointKind) -> Tally, total: Tally) {
    let _ = write!(out, "<tr><th scope=\"row\">{name}</th>");
    for kind in PointKind::ALL {
        let tally = of_kind(kind);
        let class = if tally.covered == tally.total { "" } else { " class=\"short\"" };
        let shown = if tally.total == 0 { "–".to_owned() } else { format!("{} / {}", tally.covered, tally.total) };
        let _ = write!(out, "<td{class}>{shown}</td>");
    }
    let percent = total.percent();
    let _ = writeln!(out, "<td class=\"bar\"><span style=\"width:{percent}%\"></span></td><td>{percent} %</td></tr>");
}

fn section(out: &mut String, loaded: &Loaded, journey: &JourneyCoverage) {
    let Some(of) = loaded.journeys.get(&journey.journey) else { return };
    let total = journey.total();
    let _ = writeln!(
        out,
        "<section id=\"{}\">\n<h2>{} <small>{} · {} of {} · {} %</small></h2>",
        escape(&journey.shown),
        escape(&of.name),
        escape(&journey.file),
        total.covered,
        total.total,
        total.percent()
    );
    let missing: Vec<String> = journey
        .missing()
        .map(|(p, line)| format!("<li><code>{}</code> {} <small>line {line}</small></li>", escape(&p.key.0), escape(&p.what)))
        .collect();
    if missing.is_empty() {
        out.push_str("<p class=\"full\">Nothing is missing.</p>\n");
    } else {
        let _ = writeln!(
            out,
            "<details open><summary>{} not come to</summary><ul class=\"missing\">{}</ul></details>",
            missing.len(),
            missing.concat()
        );
    }
    match draw_over(
        of,
        &Overlay { step: &|id| mark(journey, id), edge: &|id, kind| taken(journey, id, kind), note: &|id| note(journey, id) },
    ) {
        Ok(svg) => {
            let _ = writeln!(out, "<div class=\"wide graph\">{svg}</div>\n</section>");
        }
        Err(large) => {
            let _ = writeln!(out, "<p>{large}.</p>\n</section>");
        }
    }
}

fn mark(journey: &JourneyCoverage, id: StepId) -> Mark {
    let mut of_step = journey.points.iter().filter(|(p, ..)| p.step == id);
    if of_step.clone().any(|(p, _, there)| p.kind == PointKind::Step && !there) {
        Mark::Miss
    } else if of_step.all(|(.., there)| *there) {
        Mark::Hit
    } else {
        Mark::Part
    }
}

/// An edge that is nothing to cover by itself is taken where its step was come to.
fn taken(journey: &JourneyCoverage, id: StepId, kind: &EdgeKind) -> bool {
    let own = journey.points.iter().find(|(p, ..)| p.step == id && p.edge.as_ref() == Some(kind));
    own.map_or_else(|| mark(journey, id) != Mark::Miss, |(.., there)| *there)
}

fn note(journey: &JourneyCoverage, id: StepId) -> String {
    let of_step = journey.points.iter().filter(|(p, _, there)| p.step == id && !there);
    let missing: Vec<&str> = of_step.map(|(p, ..)| &*p.what).collect();
    if missing.is_empty() { String::new() } else { format!("not come to: {}", missing.join(", ")) }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
