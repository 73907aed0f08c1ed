//! Exploration: every path of a journey within bounds, found by handing the machine all that a user, an agent and the services might say,
//! state by state, without doing any of it. States that are alike are gone on from once. What was found is written as transcripts.

mod hints;
mod moves;
mod replies;
mod sample;
mod search;
mod why;
mod writing;

use std::sync::Arc;

use super::cover::{Covered, Point};
use super::script::StubLists;
use crate::engine::Command;
use crate::model::Journey;
use crate::value::{Json, Name};

pub use search::explore;
pub use writing::{Written, write};

/// How far to go.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// States to look at, in all.
    pub states: usize,
    /// Things that are said or answered on one path.
    pub length: usize,
    /// Times that a path comes to the same step.
    pub visits: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { states: 20_000, length: 60, visits: 2 }
    }
}

/// One thing on a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// The user says that.
    Say(Arc<str>),
    /// The user asks for something by name.
    User(Command),
    /// The agent does.
    Agent(Command),
    /// A person of the company does.
    Operator(Command),
    /// So many seconds pass.
    Wait(u64),
}

/// A way through a journey.
#[derive(Debug, Clone)]
pub struct Path {
    /// What is said and done, in order.
    pub moves: Vec<Move>,
    /// How the services answer, in the order of their calls.
    pub stubs: StubLists,
    /// What it comes to.
    pub covered: Covered,
    /// How it ends, in words.
    pub ends: String,
}

/// What exploring a journey came to.
#[derive(Debug)]
pub struct Explored {
    /// The journey.
    pub journey: Arc<Journey>,
    /// The shortest first.
    pub paths: Vec<Path>,
    /// States that were looked at.
    pub states: usize,
    /// Whether a bound ended it.
    pub cut: bool,
    /// What no path comes to, of the journey and what it calls, and why.
    pub unreached: Vec<Unreached>,
    /// Journeys that it can come to, itself among them.
    pub journeys: Vec<Arc<Journey>>,
}

/// What no path comes to.
#[derive(Debug, Clone)]
pub struct Unreached {
    /// The journey.
    pub journey: Name,
    /// What.
    pub point: Point,
    /// Why, in words.
    pub why: String,
}

impl Explored {
    /// For each path that comes to something that neither `covered` nor a path before it does: its number, and what.
    #[must_use]
    pub fn new_paths(&self, covered: &Covered) -> Vec<(usize, Vec<(Name, Point)>)> {
        let mut known = covered.clone();
        let mut left: Vec<(Name, Point)> = Vec::new();
        for journey in &self.journeys {
            let name = &journey.slug.name;
            left.extend(super::cover::points(journey).into_iter().filter(|p| !known.has(name, p)).map(|p| (name.clone(), p)));
        }
        let mut out = Vec::new();
        for (number, path) in self.paths.iter().enumerate() {
            let (new, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|(journey, p)| path.covered.has(journey, p));
            left = rest;
            if !new.is_empty() {
                known.add(&path.covered);
                out.push((number, new));
            }
        }
        out
    }
}

/// The variables of the run on top, as a likeness holds them.
fn variables(likeness: &Json) -> Option<&serde_json::Map<String, Json>> {
    likeness.get("runs")?.as_array()?.last()?.get("variables")?.as_object()
}
