//! Why no path comes to something, in words.

use std::sync::Arc;

use super::{Path, Unreached};
use crate::model::{EdgeKind, ErrorKind, Journey, StepKind};
use crate::transcript::cover::{Covered, Point, PointKind, points};

pub(super) fn unreached(journeys: &[Arc<Journey>], paths: &[Path], cut: bool) -> Vec<Unreached> {
    let mut covered = Covered::default();
    for path in paths {
        covered.add(&path.covered);
    }
    let mut out = Vec::new();
    for journey in journeys {
        let name = &journey.slug.name;
        let all = points(journey);
        let missing: Vec<&Point> = all.iter().filter(|p| !covered.has(name, p)).collect();
        for point in &missing {
            // Of a step that is never come to, that is all there is to say.
            let never = missing.iter().any(|p| p.step == point.step && p.kind == PointKind::Step);
            if never && point.kind != PointKind::Step {
                continue;
            }
            let why = why(journey, point, cut);
            out.push(Unreached { journey: name.clone(), point: (*point).clone(), why });
        }
    }
    out
}

fn why(journey: &Journey, point: &Point, cut: bool) -> String {
    let step = journey.step(point.step).map(|s| &s.kind);
    let plain = match (point.kind, &point.edge, step) {
        (PointKind::Step, ..) => "no way that leads to it is taken".to_owned(),
        (_, Some(EdgeKind::Then | EdgeKind::Else), Some(StepKind::If(branch))) => {
            format!("none of the values that were tried decides `{}` so", branch.condition.text().value)
        }
        (PointKind::Outcome, ..) => {
            "no answer that was tried comes to it: its condition asks for more than literals and bounds show".to_owned()
        }
        (PointKind::Error, Some(EdgeKind::Error(kind)), _) => of_error(*kind).to_owned(),
        (PointKind::Error, ..) => "nothing that was tried fails there without being caught before".to_owned(),
        (PointKind::Gate, ..) => "nothing that was tried is refused there".to_owned(),
        (PointKind::Branch, Some(EdgeKind::Option(_)), _) => "the option is never offered, or never understood".to_owned(),
        (PointKind::Branch, ..) => "nothing that was tried is answered so".to_owned(),
    };
    if cut { format!("{plain}; or a bound was reached first: `--states`, `--length`") } else { plain }
}

const fn of_error(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Busy => "it takes another conversation that holds the same key",
        ErrorKind::Denied => "nothing that was tried is denied there",
        ErrorKind::InvalidInput => "the inputs that were tried are all of their types",
        ErrorKind::NotApplied => "it takes a write in doubt, and a read that says it was not applied",
        ErrorKind::Provider | ErrorKind::Internal => "no service answers so: it is an error of the program or of a provider",
        ErrorKind::Timeout
        | ErrorKind::Connect
        | ErrorKind::AuthFailed
        | ErrorKind::HttpStatus
        | ErrorKind::RateLimited
        | ErrorKind::Unmatched
        | ErrorKind::InvalidOutput
        | ErrorKind::InDoubt => "no answer that was tried comes to this error: another catches it, or a retry mends it",
    }
}
