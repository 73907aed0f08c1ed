//! Finds the transcripts that a path means, and the workspace that they belong to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Trouble;
use super::workspace::{is_workspace, unreadable};
use crate::driver::files;

/// Transcripts of one workspace.
pub(super) struct Suite {
    /// The workspace's directory.
    pub(super) workspace: PathBuf,
    /// Files and directories of transcripts; empty: all of them.
    only: Vec<PathBuf>,
}

/// Sorts paths by the workspace that they belong to: a workspace itself, or the nearest directory above that is one.
pub(super) fn suites(paths: &[PathBuf]) -> Result<Vec<Suite>, Trouble> {
    let mut suites: Vec<Suite> = Vec::new();
    for path in paths {
        path.metadata().map_err(|e| unreadable(path, &e))?;
        let (workspace, only) = if is_root(path) { (path.clone(), None) } else { (above(path)?, Some(path.clone())) };
        let whole = |path: &Path| path.canonicalize().ok();
        match suites.iter_mut().find(|s| s.workspace == workspace || whole(&s.workspace) == whole(&workspace)) {
            Some(suite) if only.is_none() || suite.only.is_empty() => suite.only.clear(),
            Some(suite) => suite.only.extend(only),
            None => suites.push(Suite { workspace, only: only.into_iter().collect() }),
        }
    }
    Ok(suites)
}

/// Whether it is a workspace. The `tests` of one is none, though it may hold a directory called `journeys`.
fn is_root(directory: &Path) -> bool {
    let tests_of_one = || {
        let whole = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
        whole.ends_with("tests") && whole.parent().is_some_and(is_workspace)
    };
    is_workspace(directory) && !tests_of_one()
}

fn above(path: &Path) -> Result<PathBuf, Trouble> {
    let whole = path.canonicalize().map_err(|e| unreadable(path, &e))?;
    // The way as it was typed reads better than the whole one.
    let typed = path.ancestors().skip(1).find(|a| !a.as_os_str().is_empty() && is_root(a)).map(Path::to_path_buf);
    typed.or_else(|| whole.ancestors().skip(1).find(|a| is_root(a)).map(Path::to_path_buf)).ok_or_else(|| {
        Trouble::new(format!("`{}` is no workspace and is in none", path.display()))
            .help("name a directory with `waypost.yaml` or `journeys/` in it, or a transcript below one")
    })
}

/// The files of a suite: what to call them, and their texts.
pub(super) fn transcripts(suite: &Suite, tests: &str) -> Result<Vec<(String, Arc<str>)>, Trouble> {
    if suite.only.is_empty() {
        let directory = suite.workspace.join(tests);
        if !directory.is_dir() {
            return Ok(Vec::new());
        }
        return texts(&directory, tests.trim_end_matches('/'));
    }
    let mut all = Vec::new();
    for path in &suite.only {
        let root = suite.workspace.canonicalize().map_err(|e| unreadable(&suite.workspace, &e))?;
        let whole = path.canonicalize().map_err(|e| unreadable(path, &e))?;
        let inside = whole.strip_prefix(&root).unwrap_or(&whole).to_string_lossy().replace('\\', "/");
        all.extend(texts(path, &inside)?);
    }
    // A file may be named twice, or with its directory.
    let mut names = BTreeSet::new();
    all.retain(|(name, _)| names.insert(name.clone()));
    Ok(all)
}

/// Named relative to the workspace, as diagnostics are.
fn texts(path: &Path, inside: &str) -> Result<Vec<(String, Arc<str>)>, Trouble> {
    let found = files::read_yaml(path).map_err(|e| unreadable(path, &e))?;
    if let Some(first) = found.unreadable.first() {
        return Err(Trouble::new(format!("cannot read `{}`: {}", first.name, first.why)).help("make the file readable, or move it away"));
    }
    let name = |file: String| if path.is_file() { inside.to_owned() } else { format!("{inside}/{file}") };
    Ok(found.files.into_iter().map(|(file, text)| (name(file), text)).collect())
}
