//! Writes what was seen in place of expectations that are not met. A gate or a call that is another is never taken for right by the way.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::super::terminal::{CARE, GOOD, Terminal};
use super::super::written;
use super::{Args, Results, Tested, Trouble};
use crate::source::SourceMap;
use crate::transcript::{Fix, read};

/// Rewrites the files; whether anything was written.
pub(super) fn apply(args: &Args, results: &Results, terminal: &mut Terminal) -> Result<bool, Trouble> {
    let mut edits: BTreeMap<&Path, Vec<&Fix>> = BTreeMap::new();
    for test in results.tests.iter().filter(|t| !t.failures.is_empty()) {
        if !args.accept_gates && !is_of_words(test) {
            let why = "a gate or a call is another: look at it, then take it with `--accept-gates`, or write it by hand";
            writeln!(terminal.err, "{CARE}left{CARE:#} {}: {}: {why}", test.file, test.name)?;
            continue;
        }
        let fixes: Vec<&Fix> = test.failures.iter().filter_map(|f| f.fix.as_ref()).collect();
        edits.entry(&test.path).or_default().extend(fixes);
    }
    edits.retain(|_, fixes| !fixes.is_empty());
    let (mut updated, mut files) = (0, 0);
    for (path, fixes) in edits {
        let Some(file) = fixes.first().and_then(|f| results.sources.file(f.span.file)) else { continue };
        let (text, written) = rewritten(&file.text, fixes);
        if read(SourceMap::default().add("update", Arc::<str>::from(&*text)), &text, None).iter().any(|d| d.script.is_none()) {
            let why = "it would not be a transcript any more: write it by hand";
            writeln!(terminal.err, "{CARE}left{CARE:#} {}: {why}", path.display())?;
            continue;
        }
        written::whole(path, &text).map_err(|e| Trouble::new(format!("cannot write `{}`: {e}", path.display())))?;
        (updated, files) = (updated + written, files + 1);
    }
    if updated > 0 {
        let plural = |n: usize, one: &str| if n == 1 { format!("{n} {one}") } else { format!("{n} {one}s") };
        writeln!(terminal.err, "{GOOD}updated{GOOD:#} {} in {}", plural(updated, "expectation"), plural(files, "file"))?;
    }
    Ok(updated > 0)
}

/// The text with each fix in its place, and how many there are. A value that several expectations share is written once.
fn rewritten(text: &str, mut fixes: Vec<&Fix>) -> (String, usize) {
    fixes.sort_by_key(|f| f.span.start);
    let (mut out, mut done, mut written) = (String::with_capacity(text.len()), 0, 0);
    for fix in fixes {
        let (from, to) = (fix.span.start as usize, fix.span.end as usize);
        let (Some(before), Some(value)) = (text.get(done..from), text.get(from..to)) else { continue };
        let (before, value) = (before_block(before).unwrap_or(before), value.trim_end());
        out.push_str(before);
        out.push_str(&fix.text);
        (done, written) = (from + value.len(), written + 1);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (out, written)
}

/// What stands before the indicator of a block scalar, such as `|` or `>-`, whose first line comes next.
fn before_block(before: &str) -> Option<&str> {
    let header = before.trim_end().lines().next_back()?;
    let indicator = header.split(" #").next()?.trim_end();
    let start = indicator.rfind(char::is_whitespace)? + 1;
    let word = indicator.get(start..)?;
    let is_block = word.starts_with(['|', '>']) && word.chars().skip(1).all(|c| c.is_ascii_digit() || matches!(c, '-' | '+'));
    let is_next = before.get(before.trim_end().len()..)?.contains('\n');
    let line = before.trim_end().len() - header.len();
    before.get(..line + start).filter(|_| is_block && is_next)
}

/// Whether all that fails is words, which may be taken as they are now.
fn is_of_words(test: &Tested) -> bool {
    test.failures.iter().all(|f| f.fix.as_ref().is_some_and(|fix| !fix.gate))
}
