//! What nothing is said of, because a mistake that is reported already may be the reason for it.
//!
//! A part of a file that could not be read as it was meant may set or use anything that it speaks of. So every word that stands in
//! such a part is taken for a variable that is set and used, and a step that it might have led to for one that is reached.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Code, Diagnostics, FileId, Severity, SourceMap, Span};
use crate::value::Name;

/// The parts of a workspace that could not be read.
#[derive(Debug)]
pub struct Poison<'a> {
    sources: &'a SourceMap,
    files: BTreeMap<FileId, File>,
}

#[derive(Debug, Default)]
struct File {
    words: BTreeSet<Name>,
    faults: Vec<u32>,
}

impl<'a> Poison<'a> {
    /// From what the earlier phases found.
    #[must_use]
    pub fn of(diagnostics: &Diagnostics, sources: &'a SourceMap) -> Self {
        let mut files: BTreeMap<FileId, File> = BTreeMap::new();
        for d in diagnostics.0.iter().filter(|d| d.severity == Severity::Error && hides(d.code)) {
            let Some(source) = sources.file(d.span.file) else { continue };
            let file = files.entry(d.span.file).or_default();
            file.faults.push(d.span.start);
            for line in part(&source.text, d.span.start as usize) {
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                file.words.extend(line.split(|c| !word(c)).filter(|w| !w.is_empty()).map(Name::new));
            }
        }
        Self { sources, files }
    }

    /// Whether that name stands in a part of that file that could not be read.
    #[must_use]
    pub fn covers(&self, file: FileId, name: &Name) -> bool {
        self.files.get(&file).is_some_and(|f| f.words.contains(name))
    }

    /// Whether what leads to the step at that place could not be read: the step before it in its list, or, for the first of a list,
    /// anything beside the key that holds the list.
    #[must_use]
    pub fn may_lead_to(&self, step: Span) -> bool {
        let (Some(file), Some(source)) = (self.files.get(&step.file), self.sources.file(step.file)) else { return false };
        let mut offset = 0;
        let mut lines = Vec::new();
        for line in source.text.split_inclusive('\n') {
            if !line.trim().is_empty() {
                lines.push((offset, line));
            }
            offset += line.len();
        }
        let own = lines.partition_point(|(at, _)| *at <= step.start as usize).saturating_sub(1);
        let (above, below) = lines.split_at(own.min(lines.len()));
        let item = below.first().map_or(0, |(_, l)| keys(l));
        let is_item = |l: &str| l.trim_start().starts_with('-');
        // The step before it in its list, if there is one, else the key that holds the list.
        let before = above.iter().rev().find(|(_, l)| keys(l) < item || (keys(l) == item && is_item(l)));
        let Some((at, line)) = before else { return false };
        let faulty = |from: usize, upto: usize| file.faults.iter().any(|f| (from..upto).contains(&(*f as usize)));
        if keys(line) == item {
            return faulty(*at, step.start as usize);
        }
        let depth = keys(line);
        let from = above.iter().rev().take_while(|(_, l)| keys(l) >= depth).last().map_or(*at, |(at, _)| *at);
        let upto = below.iter().skip(1).find(|(_, l)| keys(l) < depth || (keys(l) == depth && is_item(l))).map_or(offset, |(at, _)| *at);
        faulty(from, upto)
    }
}

/// Whether what such a mistake stands in is lost to the rules.
fn hides(code: Code) -> bool {
    let code = code.as_str();
    code.starts_with("WP01") || code.starts_with("WP02") || ["WP0404", "WP0405", "WP0701", "WP0802"].contains(&code)
}

/// The line of a place and all after it that stand deeper.
fn part(text: &str, offset: usize) -> impl Iterator<Item = &str> {
    let start = text.get(..offset).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let mut lines = text.get(start..).unwrap_or("").lines();
    let first = lines.next().unwrap_or("");
    let depth = keys(first);
    std::iter::once(first).chain(lines.take_while(move |l| l.trim().is_empty() || keys(l) > depth))
}

/// Where the first key of a line stands.
fn keys(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}
