//! What nothing is said of, because a mistake that is reported already may be the reason for it.
//!
//! A part of a file that could not be read as it was meant may set or use anything that it speaks of. So every word that stands in
//! such a part is taken for a variable that is set and used.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Code, Diagnostics, FileId, Severity, SourceMap};
use crate::value::Name;

/// Words of parts that could not be read, by file.
#[derive(Debug, Default)]
pub struct Poison(BTreeMap<FileId, BTreeSet<Name>>);

impl Poison {
    /// From what the earlier phases found.
    #[must_use]
    pub fn of(diagnostics: &Diagnostics, sources: &SourceMap) -> Self {
        let mut words: BTreeMap<FileId, BTreeSet<Name>> = BTreeMap::new();
        for d in diagnostics.0.iter().filter(|d| d.severity == Severity::Error && hides(d.code)) {
            let Some(file) = sources.file(d.span.file) else { continue };
            let words = words.entry(d.span.file).or_default();
            for line in part(&file.text, d.span.start as usize) {
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                words.extend(line.split(|c| !word(c)).filter(|w| !w.is_empty()).map(Name::new));
            }
        }
        Self(words)
    }

    /// Whether that name stands in a part of that file that could not be read.
    #[must_use]
    pub fn covers(&self, file: FileId, name: &Name) -> bool {
        self.0.get(&file).is_some_and(|words| words.contains(name))
    }
}

/// Whether what such a mistake stands in is lost to the rules.
fn hides(code: Code) -> bool {
    let code = code.as_str();
    code.starts_with("WP01") || code.starts_with("WP02") || ["WP0404", "WP0405", "WP0701"].contains(&code)
}

/// The line of a place and all after it that stand deeper.
fn part(text: &str, offset: usize) -> impl Iterator<Item = &str> {
    let start = text.get(..offset).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let mut lines = text.get(start..).unwrap_or("").lines();
    let first = lines.next().unwrap_or("");
    let depth = indent(first);
    std::iter::once(first).chain(lines.take_while(move |l| l.trim().is_empty() || indent(l) > depth))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}
