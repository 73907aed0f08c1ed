//! Workspaces whose findings are marked on their lines, as `tests/corpus/README.md` has it: read, checked and compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use waypost::check::{Checked, load};
use waypost::source::Severity;

/// Files by name, and the findings that are expected of them.
#[derive(Debug, Default, Clone)]
pub struct Marked {
    pub files: BTreeMap<String, String>,
    pub expected: Vec<Mark>,
}

/// A finding that is expected.
#[derive(Debug, Clone)]
pub struct Mark {
    pub severity: Severity,
    pub code: String,
    /// `None`: about the workspace as a whole.
    pub place: Option<(String, u32)>,
    pub column: Option<u32>,
    pub text: String,
}

impl Marked {
    /// Adds a file and reads the marks on its lines.
    pub fn add(&mut self, name: &str, text: &str) {
        let mut waiting: Vec<Mark> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let marks = marks(line);
            let alone = line.trim_start().starts_with(['#', '/']) && !marks.is_empty();
            for mut mark in marks {
                mark.place = Some((name.to_owned(), number));
                waiting.push(mark);
            }
            if !alone {
                for mut mark in waiting.drain(..) {
                    mark.place = Some((name.to_owned(), number));
                    self.expected.push(mark);
                }
            }
        }
        assert!(waiting.is_empty(), "{name}: an expectation at the end is about no line");
        self.files.insert(name.to_owned(), text.to_owned());
    }

    /// Checks the files.
    pub fn check(&self) -> Checked {
        load(self.files.iter().map(|(name, text)| (name.clone(), Arc::from(&**text))).collect())
    }

    /// What differs between what is found and what is expected; empty if nothing does.
    pub fn differences(&self) -> String {
        let checked = self.check();
        let sources = &checked.workspace.sources;
        let mut open = self.expected.clone();
        let mut out = String::new();
        for d in &checked.diagnostics.0 {
            let at = sources.file(d.span.file).map(|f| (f.name.to_string(), sources.position(d.span.file, d.span.start)));
            let fits = |m: &Mark| {
                let place = match (&m.place, &at) {
                    (None, None) => true,
                    (Some((file, line)), Some((f, p))) => file == f && *line == p.line && m.column.is_none_or(|c| c == p.column),
                    _ => false,
                };
                place && m.severity == d.severity && m.code == d.code.as_str() && d.message.contains(&m.text)
            };
            if let Some(i) = open.iter().position(fits) {
                open.remove(i);
            } else {
                let place = at.map_or("-".to_owned(), |(f, p)| format!("{f}:{}:{}", p.line, p.column));
                let _ = writeln!(out, "  found    {place} {:?} [{}] {}", d.severity, d.code, d.message);
            }
        }
        for m in open {
            let place = m.place.map_or("-".to_owned(), |(f, l)| format!("{f}:{l}"));
            let _ = writeln!(out, "  expected {place} {:?} [{}] {}", m.severity, m.code, m.text);
        }
        out
    }
}

/// The marks of a line: `# error: [WP0401] "text"`, any number of them.
fn marks(line: &str) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((at, severity)) = next_mark(rest) {
        let Some((code, tail)) = rest.split_at(at).1.split_once('[').and_then(|(_, t)| t.split_once(']')) else { break };
        let (text, tail) = quoted(tail);
        found.push(Mark { severity, code: code.to_owned(), place: None, column: None, text });
        rest = tail;
    }
    found
}

fn next_mark(text: &str) -> Option<(usize, Severity)> {
    let error = text.find("# error: [").map(|i| (i, Severity::Error));
    let warning = text.find("# warning: [").map(|i| (i, Severity::Warning));
    [error, warning].into_iter().flatten().min_by_key(|(i, _)| *i)
}

/// A text in double quotes at the start, if there is one, and what comes after it.
fn quoted(text: &str) -> (String, &str) {
    let trimmed = text.trim_start();
    match trimmed.strip_prefix('"').and_then(|t| t.split_once('"')) {
        Some((inner, rest)) => (inner.to_owned(), rest),
        None => (String::new(), text),
    }
}

/// A case file of the corpus.
pub fn case(path: &Path) -> Marked {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let stem = path.file_name().and_then(|n| n.to_str()).unwrap_or("case").trim_end_matches(".yaml").trim_end_matches(".fixed");
    let mut marked = Marked::default();
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut header = String::new();
    for line in text.split_inclusive('\n') {
        let file = line.trim_end().strip_prefix("--- file: ").and_then(|l| l.strip_suffix(" ---"));
        match (file, sections.last_mut()) {
            (Some(name), _) => sections.push((name.to_owned(), String::new())),
            (None, Some((_, section))) => section.push_str(line),
            (None, None) => header.push_str(line),
        }
    }
    if sections.is_empty() {
        sections.push((format!("journeys/{stem}.yaml"), text.clone()));
        header = text.lines().take_while(|l| l.starts_with('#')).collect::<Vec<_>>().join("\n");
    }
    for (name, text) in &sections {
        marked.add(name, text);
    }
    for line in header.lines() {
        if line.trim() == "# with: common" {
            let common = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/common");
            for file in yaml_files(&common) {
                let name = file.strip_prefix(&common).unwrap_or(&file).to_string_lossy().replace('\\', "/");
                let text = fs::read_to_string(&file).unwrap_or_default();
                marked.files.entry(name).or_insert(text);
            }
        } else if let Some(mark) = line.strip_prefix("# expect: ") {
            marked.expected.push(expect(mark).unwrap_or_else(|| panic!("{}: cannot read `{line}`", path.display())));
        }
    }
    marked
}

/// `error [WP0101] journeys/ask.yaml:3:7 "text"`.
fn expect(line: &str) -> Option<Mark> {
    let (severity, rest) = line.split_once(" [")?;
    let (code, rest) = rest.split_once("] ")?;
    let (place, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut parts = place.split(':');
    let file = parts.next()?.to_owned();
    let line = parts.next().and_then(|l| l.parse().ok());
    Some(Mark {
        severity: match severity {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => return None,
        },
        code: code.to_owned(),
        place: (file != "-").then_some((file, line.unwrap_or(0))),
        column: parts.next().and_then(|c| c.parse().ok()),
        text: quoted(text).0,
    })
}

/// All `.yaml` files below a directory, sorted.
pub fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    files_with(dir, "yaml")
}

/// All files below a directory with that ending, sorted.
pub fn files_with(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
