//! How much of each journey is covered, and what is not.

use serde_json::json;

use super::points::{Point, PointKind, points};
use super::watch::Covered;
use crate::model::Workspace;
use crate::value::{Json, Name};

/// The coverage of a workspace's journeys.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// By slug.
    pub journeys: Vec<JourneyCoverage>,
}

/// The coverage of one journey.
#[derive(Debug, Clone)]
pub struct JourneyCoverage {
    /// Its slug.
    pub journey: Name,
    /// Its slug as written.
    pub shown: String,
    /// Its file, relative to the workspace.
    pub file: String,
    /// All points, each with its line and whether it is covered.
    pub points: Vec<(Point, u32, bool)>,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Covered.
    pub covered: usize,
    /// In all.
    pub total: usize,
}

impl Tally {
    /// In percent, to one place, never rounded up to 100; of nothing, all.
    #[must_use]
    pub fn percent(self) -> f64 {
        let tenths = (self.covered * 1_000).checked_div(self.total).unwrap_or(1_000);
        f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
    }

    fn of<'p>(points: impl Iterator<Item = &'p (Point, u32, bool)>) -> Self {
        points.fold(Self::default(), |t, (_, _, covered)| Self { covered: t.covered + usize::from(*covered), total: t.total + 1 })
    }
}

impl Coverage {
    /// What of a workspace is covered.
    #[must_use]
    pub fn of(workspace: &Workspace, covered: &Covered) -> Self {
        let of_journey = |(name, journey): (&Name, &std::sync::Arc<crate::model::Journey>)| {
            let file = workspace.sources.file(journey.span.file).map(|f| f.name.to_string()).unwrap_or_default();
            let with = |point: Point| {
                let line = workspace.sources.position(point.span.file, point.span.start).line;
                let there = covered.has(name, &point);
                (point, line, there)
            };
            let points = points(journey).into_iter().map(with).collect();
            JourneyCoverage { journey: name.clone(), shown: journey.slug.to_string(), file, points }
        };
        Self { journeys: workspace.journeys.iter().map(of_journey).collect() }
    }

    /// Of all journeys together.
    #[must_use]
    pub fn total(&self) -> Tally {
        Tally::of(self.journeys.iter().flat_map(|j| &j.points))
    }

    /// Of one kind in all journeys together.
    #[must_use]
    pub fn of_kind(&self, kind: PointKind) -> Tally {
        Tally::of(self.journeys.iter().flat_map(|j| &j.points).filter(|(p, ..)| p.kind == kind))
    }

    /// As programs read it.
    #[must_use]
    pub fn json(&self) -> Json {
        let journeys: Vec<Json> = self.journeys.iter().map(JourneyCoverage::json).collect();
        let mut all = tallies(self.total(), |kind| self.of_kind(kind));
        all.insert("journeys".into(), Json::Array(journeys));
        Json::Object(all)
    }
}

impl JourneyCoverage {
    /// Of all points.
    #[must_use]
    pub fn total(&self) -> Tally {
        Tally::of(self.points.iter())
    }

    /// Of one kind.
    #[must_use]
    pub fn of_kind(&self, kind: PointKind) -> Tally {
        Tally::of(self.points.iter().filter(|(p, ..)| p.kind == kind))
    }

    /// What is not covered, with the line of its step. Of a step that nothing comes to, nothing else is named.
    pub fn missing(&self) -> impl Iterator<Item = (&Point, u32)> {
        let never = |point: &Point| self.points.iter().any(|(p, _, there)| p.step == point.step && p.kind == PointKind::Step && !there);
        let named = move |(point, _, there): &&(Point, u32, bool)| !there && (point.kind == PointKind::Step || !never(point));
        self.points.iter().filter(named).map(|(point, line, _)| (point, *line))
    }

    fn json(&self) -> Json {
        let mut all = tallies(self.total(), |kind| self.of_kind(kind));
        let missing = self.points.iter().filter(|(.., there)| !there);
        let missing: Vec<Json> = missing
            .map(|(p, line, _)| json!({"kind": p.kind.one(), "step": p.key, "what": p.what, "file": self.file, "line": line}))
            .collect();
        all.insert("journey".into(), self.shown.as_str().into());
        all.insert("file".into(), self.file.as_str().into());
        all.insert("missing".into(), Json::Array(missing));
        Json::Object(all)
    }
}

fn tallies(total: Tally, of_kind: impl Fn(PointKind) -> Tally) -> serde_json::Map<String, Json> {
    let mut out = serde_json::Map::new();
    let mut put = |key: &str, value: Json| out.insert(key.to_owned(), value);
    put("percent", json!(total.percent()));
    put("covered", total.covered.into());
    put("total", total.total.into());
    for kind in PointKind::ALL {
        let tally = of_kind(kind);
        put(kind.plural(), json!({"covered": tally.covered, "total": tally.total}));
    }
    out
}
