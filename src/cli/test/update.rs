//! Writes what was seen in place of expectations that are not met. A gate or a call that is another is never taken for right by the way.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::super::terminal::{CARE, GOOD, Terminal};
use super::{Args, Results, Tested, Trouble};
use crate::transcript::Fix;

/// Rewrites the files; whether anything was written.
pub(super) fn apply(args: &Args, results: &Results, terminal: &mut Terminal) -> Result<bool, Trouble> {
    let mut edits: BTreeMap<&Path, Vec<&Fix>> = BTreeMap::new();
    let mut updated = 0;
    for test in results.tests.iter().filter(|t| !t.failures.is_empty()) {
        if !args.accept_gates && !is_of_words(test) {
            let why = "a gate or a call is another: look at it, then take it with `--accept-gates`, or write it by hand";
            writeln!(terminal.err, "{CARE}left{CARE:#} {}: {}: {why}", test.file, test.name)?;
            continue;
        }
        let fixes: Vec<&Fix> = test.failures.iter().filter_map(|f| f.fix.as_ref()).collect();
        updated += fixes.len();
        edits.entry(&test.path).or_default().extend(fixes);
    }
    edits.retain(|_, fixes| !fixes.is_empty());
    let files = edits.len();
    for (path, mut fixes) in edits {
        let Some(file) = fixes.first().and_then(|f| results.sources.file(f.span.file)) else { continue };
        let mut text = file.text.to_string();
        fixes.sort_by_key(|f| std::cmp::Reverse(f.span.start));
        for fix in fixes {
            text.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.text);
        }
        std::fs::write(path, text).map_err(|e| Trouble::new(format!("cannot write `{}`: {e}", path.display())))?;
    }
    if updated > 0 {
        let plural = |n: usize, one: &str| if n == 1 { format!("{n} {one}") } else { format!("{n} {one}s") };
        writeln!(terminal.err, "{GOOD}updated{GOOD:#} {} in {}", plural(updated, "expectation"), plural(files, "file"))?;
    }
    Ok(updated > 0)
}

/// Whether all that fails is words, which may be taken as they are now.
fn is_of_words(test: &Tested) -> bool {
    test.failures.iter().all(|f| f.fix.as_ref().is_some_and(|fix| !fix.gate))
}
