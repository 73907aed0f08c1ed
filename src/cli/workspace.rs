//! Opens the workspace that a command is given, and says what to do if it is none.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Failure;
use super::terminal::Terminal;
use crate::check::{self, Checked, Loaded};
use crate::driver::files::{self, Files};
use crate::source::render::Format;

/// What the files of a workspace came to.
pub(super) fn open(root: &Path) -> Result<Checked, Failure> {
    Ok(check::load(read(root)?))
}

/// The workspace, if it may run; if not, its findings are shown.
pub(super) fn load(root: &Path, terminal: &mut Terminal) -> Result<Option<Loaded>, Failure> {
    let checked = open(root)?;
    let loaded = checked.loaded();
    if loaded.is_none() {
        let report = checked.report();
        let text = report.render(Format::Full, terminal.colours_err());
        writeln!(terminal.err, "{}\n\n{}", text.trim_end(), report.summary())?;
    }
    Ok(loaded)
}

/// The files of a workspace.
pub(super) fn read(root: &Path) -> Result<Vec<(String, std::sync::Arc<str>)>, Failure> {
    let shown = root.display();
    let there = root.metadata().map_err(|e| unreadable(root, &e))?;
    if !there.is_dir() {
        return Err(Failure::new(format!("`{shown}` is a file, not a workspace")).help("name the directory that has `journeys/` in it"));
    }
    if !is_workspace(root) {
        return Err(Failure::new(format!(
            "`{shown}` is no workspace: it has no `waypost.yaml`, `journeys/`, `integrations/` or `datapoints/`"
        ))
        .help("name the directory of one, or make one with `waypost new DIR`"));
    }
    let Files { files, unreadable: refused } = files::read(root).map_err(|e| unreadable(root, &e))?;
    match refused.first() {
        None => Ok(files),
        Some(first) => Err(Failure::new(format!("cannot read `{}`: {}", root.join(&first.name).display(), first.why))
            .help("a workspace is read whole or not at all: make the file readable, or move it away")),
    }
}

/// Whether a directory is a workspace's.
pub(super) fn is_workspace(directory: &Path) -> bool {
    ["waypost.yaml", "waypost.yml"].iter().any(|name| directory.join(name).is_file())
        || ["journeys", "integrations", "datapoints"].iter().any(|name| directory.join(name).is_dir())
}

/// A path that cannot be read, in words.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => Failure::new(format!("there is no `{shown}`")).help("check the path"),
        ErrorKind::PermissionDenied => Failure::new(format!("there is no permission to read `{shown}`")),
        _ => Failure::new(format!("cannot read `{shown}`: {error}")),
    }
}
