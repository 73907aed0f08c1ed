//! Files of an author's, written anew: whole, or left as they were.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a text to a file by way of one beside it, so that a full disk takes nothing.
pub(super) fn whole(path: &Path, text: &str) -> io::Result<()> {
    // Where the name is a link, what it leads to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let written = write(&beside, path, text);
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write(beside: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(beside)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}
