//! Changes in the text of a file that leave all the rest as its author wrote it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Mutant;
use crate::source::{FileId, SourceMap};
use crate::syntax::{self, Entry, Node};
use crate::value::Json;

/// Places in a file, each with what goes there.
pub(super) type Edits = Vec<(Range<usize>, String)>;

struct Change {
    operator: &'static str,
    what: String,
    edits: Edits,
    same: Option<String>,
}

/// What was found to change in a file.
pub(super) struct Found<'s> {
    source: &'s str,
    changes: Vec<Change>,
}

impl<'s> Found<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, changes: Vec::new() }
    }

    pub(super) fn source(&self) -> &'s str {
        self.source
    }

    /// Something to change, unless it cannot be.
    pub(super) fn add(&mut self, operator: &'static str, what: impl Into<String>, edits: Option<Edits>) {
        self.add_same(operator, what, edits, None);
    }

    /// The same, with the reason why it comes to the same, if there is one.
    pub(super) fn add_same(&mut self, operator: &'static str, what: impl Into<String>, edits: Option<Edits>, same: Option<String>) {
        if let Some(edits) = edits.filter(|e| !e.is_empty()) {
            self.changes.push(Change { operator, what: what.into(), edits, same });
        }
    }

    /// Without an entry of a map that has others.
    pub(super) fn drop_entry(&mut self, operator: &'static str, what: impl Into<String>, map: &Node<'_>, key: &str) {
        let edits = self.without_entry(map, key);
        self.add(operator, what, edits);
    }

    pub(super) fn without_entry(&self, map: &Node<'_>, key: &str) -> Option<Edits> {
        let entries = map.entries();
        let index = entries.iter().position(|e| e.key == key)?;
        let starts: Vec<usize> = entries.iter().map(|e| e.key_span.start as usize).collect();
        let ends: Vec<usize> = entries.iter().map(|e| self.end(&e.value).max(e.key_span.end as usize)).collect();
        without(&starts, &ends, index)
    }

    /// Without an element of a list that has others.
    pub(super) fn without_item(&self, list: &Node<'_>, index: usize) -> Option<Edits> {
        let flow = self.is_flow(list);
        let start = |n: &Node<'_>| {
            let at = n.span.start as usize;
            if flow { Some(at) } else { self.source.get(..at)?.rfind('-') }
        };
        let starts: Option<Vec<usize>> = list.items().iter().map(start).collect();
        let ends: Vec<usize> = list.items().iter().map(|n| self.end(n)).collect();
        without(&starts?, &ends, index)
    }

    /// With two parts changed over.
    pub(super) fn swapped(&self, a: Range<usize>, b: Range<usize>) -> Option<Edits> {
        let (one, other) = (self.source.get(a.clone())?.to_owned(), self.source.get(b.clone())?.to_owned());
        (one != other).then(|| vec![(a, other), (b, one)])
    }

    /// With the keys of two entries changed over: each leads where the other did.
    pub(super) fn swapped_keys(&self, a: &Entry<'_>, b: &Entry<'_>) -> Option<Edits> {
        let range = |e: &Entry<'_>| e.key_span.start as usize..e.key_span.end as usize;
        self.swapped(range(a), range(b))
    }

    /// With two elements of a list changed over.
    pub(super) fn swapped_items(&self, a: &Node<'_>, b: &Node<'_>) -> Option<Edits> {
        self.swapped(self.range(a), self.range(b))
    }

    /// With another text in place of a node.
    pub(super) fn replaced(&self, node: &Node<'_>, with: impl Into<String>) -> Edits {
        vec![(self.range(node), with.into())]
    }

    pub(super) fn range(&self, node: &Node<'_>) -> Range<usize> {
        node.span.start as usize..self.end(node)
    }

    /// Its text in the file.
    pub(super) fn text(&self, node: &Node<'_>) -> &'s str {
        self.source.get(self.range(node)).unwrap_or("")
    }

    fn is_flow(&self, node: &Node<'_>) -> bool {
        self.source.get(node.span.start as usize..).is_some_and(|s| s.starts_with(['[', '{']))
    }

    /// Where its last content ends.
    fn end(&self, node: &Node<'_>) -> usize {
        let mut node = node;
        loop {
            if self.is_flow(node) {
                return node.span.end as usize;
            }
            let last = node.entries().last().map(|e| &e.value).or_else(|| node.items().last());
            let Some(inner) = last else { break };
            node = inner;
        }
        let text = self.source.get(node.span.start as usize..node.span.end as usize).unwrap_or("");
        node.span.start as usize + text.trim_end().len()
    }

    /// The mutants that it came to: those that are still YAML, and say something else.
    pub(super) fn mutants(self, file: &str) -> Vec<Mutant> {
        let mut sources = SourceMap::default();
        let id = sources.add(file, self.source);
        let original = data(self.source);
        let mut counts: BTreeMap<(u32, &'static str), usize> = BTreeMap::new();
        let name: Arc<str> = file.into();
        let mut out = Vec::new();
        for change in self.changes {
            let mut edits = change.edits;
            edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
            let Some(first) = edits.last().map(|(range, _)| range.start) else { continue };
            let mut text = self.source.to_owned();
            for (range, with) in edits {
                text.replace_range(range, &with);
            }
            if data(&text).is_none_or(|new| Some(new) == original) {
                continue;
            }
            // What goes with the white space before it begins where its first word does.
            let rest = self.source.get(first..).unwrap_or("");
            let at = first + rest.len() - rest.trim_start().len();
            let line = sources.position(id, u32::try_from(at).unwrap_or(u32::MAX)).line;
            let count = counts.entry((line, change.operator)).or_default();
            *count += 1;
            let more = if *count > 1 { format!("#{count}") } else { String::new() };
            out.push(Mutant {
                id: format!("{file}:{line} {}{more}", change.operator),
                file: name.clone(),
                line,
                operator: change.operator,
                what: change.what,
                text: text.into(),
                same: change.same,
            });
        }
        out.sort_by_key(|m| m.line);
        out
    }
}

fn data(text: &str) -> Option<Vec<Json>> {
    let parsed = syntax::parse(FileId(0), text);
    parsed.diagnostics.0.is_empty().then(|| parsed.documents.iter().map(Node::json).collect())
}

/// Without the part of that number, given where each begins and ends.
fn without(starts: &[usize], ends: &[usize], index: usize) -> Option<Edits> {
    let start = *starts.get(index)?;
    match (starts.get(index + 1), index.checked_sub(1).and_then(|i| ends.get(i))) {
        (Some(next), _) => Some(vec![(start..*next, String::new())]),
        (None, Some(before)) => Some(vec![(*before..*ends.get(index)?, String::new())]),
        (None, None) => None,
    }
}
