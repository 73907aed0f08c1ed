//! Coverage for people: a line a journey, then what is missing.

use std::fmt::Write;

use super::super::terminal::{BAD, BOLD, CARE, DIM, GOOD};
use crate::transcript::cover::{Coverage, PointKind, Tally};

pub(super) fn render(coverage: &Coverage) -> String {
    let mut out = String::new();
    let names = coverage.journeys.iter().map(|j| j.shown.chars().count());
    let width = names.chain(["all journeys".len()]).max().unwrap_or(0);
    let _ = write!(out, "\n{BOLD}{:width$}", "coverage");
    for kind in PointKind::ALL {
        let _ = write!(out, "  {:>8}", kind.plural());
    }
    let _ = writeln!(out, "{BOLD:#}");
    for journey in &coverage.journeys {
        line(&mut out, &journey.shown, width, |kind| journey.of_kind(kind), journey.total());
    }
    if coverage.journeys.len() > 1 {
        line(&mut out, "all journeys", width, |kind| coverage.of_kind(kind), coverage.total());
    }
    for journey in coverage.journeys.iter().filter(|j| j.missing().next().is_some()) {
        let _ = writeln!(out, "\n{BOLD}{}{BOLD:#} does not come to", journey.shown);
        for (point, line) in journey.missing() {
            let _ = writeln!(out, "  {DIM}{}:{line}{DIM:#}  {}: {}", journey.file, point.key, point.what);
        }
    }
    out
}

fn line(out: &mut String, name: &str, width: usize, of_kind: impl Fn(PointKind) -> Tally, total: Tally) {
    let _ = write!(out, "{name:width$}");
    for kind in PointKind::ALL {
        let tally = of_kind(kind);
        let shown = if tally.total == 0 { "-".to_owned() } else { format!("{}/{}", tally.covered, tally.total) };
        let look = if tally.covered == tally.total { DIM } else { CARE };
        let _ = write!(out, "  {look}{shown:>8}{look:#}");
    }
    let percent = total.percent();
    let look = if total.covered == total.total { GOOD } else { BAD };
    let _ = writeln!(out, "  {look}{percent:>5} %{look:#}");
}
