//! How bad a finding is taken to be: `lints` of the workspace and of its journeys, and `# waypost: allow(…)` on the line.
//!
//! Only what leaves a journey runnable can be lowered: warnings, what the rules say of order, types and variables (`0301`, `0302`,
//! `0401` to `0403`, `0406`), and the proofs of supervision (`0501` to `0509`, `06xx`), since the engine keeps its rules whether or not they are
//! proved. What could not be read or resolved stays an error.

use std::collections::BTreeMap;

use crate::model::{Journey, Workspace};
use crate::source::{Code, Diagnostic, Diagnostics, FileId, Severity, SourceMap};

/// The levels of a workspace.
pub struct Levels<'a> {
    sources: &'a SourceMap,
    workspace: &'a BTreeMap<Code, Option<Severity>>,
    /// Journeys with levels of their own, by file and by the offset where their document begins.
    journeys: BTreeMap<(FileId, u32), Option<&'a Journey>>,
    allows: BTreeMap<(FileId, u32), Vec<&'a crate::syntax::Allow>>,
}

impl<'a> Levels<'a> {
    /// Gathers them.
    #[must_use]
    pub fn of(workspace: &'a Workspace) -> Self {
        let mut levels =
            Self { sources: &workspace.sources, workspace: &workspace.settings.lints, journeys: BTreeMap::new(), allows: BTreeMap::new() };
        for allow in &workspace.allows {
            levels.allows.entry((allow.span.file, allow.covers)).or_default().push(allow);
        }
        for journey in workspace.journeys.values().filter(|j| !j.lints.is_empty()) {
            let file = journey.span.file;
            let starts = document_starts(workspace.sources.file(file).map_or("", |f| &f.text));
            for start in &starts {
                levels.journeys.entry((file, *start)).or_insert(None);
            }
            let own = starts.iter().rfind(|s| **s <= journey.span.start).copied().unwrap_or(0);
            levels.journeys.insert((file, own), Some(journey));
        }
        levels
    }

    /// The findings at their levels, without those that are allowed.
    pub fn apply(&self, found: Diagnostics) -> Diagnostics {
        Diagnostics(found.0.into_iter().filter_map(|d| self.at_level(d)).collect())
    }

    fn at_level(&self, mut d: Diagnostic) -> Option<Diagnostic> {
        let place = (d.span.file, self.sources.position(d.span.file, d.span.start).line);
        let allows = self.allows.get(&place).into_iter().flatten();
        let allowed = allows.flat_map(|a| &a.codes).any(|c| *c == d.code);
        let own = self.journey(&d).and_then(|j| j.lints.get(&d.code)).or_else(|| self.workspace.get(&d.code));
        let level = if allowed { Some(None) } else { own.copied() };
        match level {
            None => Some(d),
            Some(Some(Severity::Error)) => {
                d.severity = Severity::Error;
                Some(d)
            }
            Some(_) if !can_be_lowered(d.code) => {
                d.help = Some(d.help.map_or(String::new(), |h| h + "; ") + "this cannot be allowed: the workspace would not be whole");
                Some(d)
            }
            Some(None) => None,
            Some(Some(Severity::Warning)) => {
                d.severity = Severity::Warning;
                Some(d)
            }
        }
    }

    fn journey(&self, d: &Diagnostic) -> Option<&'a Journey> {
        let (at, journey) = self.journeys.range(..=(d.span.file, d.span.start)).next_back()?;
        (*journey).filter(|_| at.0 == d.span.file)
    }
}

fn can_be_lowered(code: Code) -> bool {
    let runnable = ["WP0205", "WP0301", "WP0302", "WP0401", "WP0402", "WP0403", "WP0406"];
    let proof = ("WP0501".."WP0510").contains(&code.as_str()) || code.as_str().starts_with("WP06");
    code.severity() == Severity::Warning || proof || runnable.contains(&code.as_str())
}

/// Where the documents of a file begin.
fn document_starts(text: &str) -> Vec<u32> {
    let mut starts = vec![0];
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            starts.push(offset);
        }
        offset += u32::try_from(line.len()).unwrap_or(0);
    }
    starts
}
