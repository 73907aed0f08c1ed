//! Reads the files of a workspace from a directory.
//!
//! Knows which files belong to a workspace, and nothing of what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::syntax::decode;

/// A file larger than this is refused.
const FILE_MAX: u64 = 16 * 1024 * 1024;
/// All files together may have this many bytes.
const TOTAL_MAX: u64 = 256 * 1024 * 1024;
/// A workspace has at most this many files.
const FILES_MAX: usize = 50_000;
/// Directories below the workspace's.
const DEPTH_MAX: usize = 32;
/// The directories that hold a workspace's files, and nothing else is read but `waypost.yaml`.
const DIRECTORIES: [&str; 6] = ["actions", "conditions", "datapoints", "integrations", "journeys", "policies"];

/// How their names end; JSON is YAML.
const ENDINGS: &[&str] = &["yaml", "yml", "json", "cedar"];

/// A file of a workspace that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name, relative to the workspace.
    pub name: String,
    /// Why, in a few words.
    pub why: String,
}

/// What a workspace's directory holds.
#[derive(Debug, Default)]
pub struct Files {
    /// Names relative to the workspace, with `/`, in order, and texts.
    pub files: Vec<(String, Arc<str>)>,
    /// What could not be read. A workspace with any of these is not whole and should not be run.
    pub unreadable: Vec<Unreadable>,
}

/// Reads a workspace: `waypost.yaml` and the files below its directories. The first file that cannot be read is the error.
pub fn read_dir(path: &Path) -> io::Result<Vec<(String, Arc<str>)>> {
    let Files { files, unreadable } = read(path)?;
    match unreadable.into_iter().next() {
        None => Ok(files),
        Some(u) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: {}", u.name, u.why))),
    }
}

/// Reads a workspace and says which of its files could not be read. `Err` only if the directory itself cannot be.
pub fn read(path: &Path) -> io::Result<Files> {
    let mut reader = Reader::of(ENDINGS);
    reader.workspace(path)?;
    Ok(reader.done())
}

/// How the files of a workspace stand, without reading them: another number where one has come, gone or changed, or another has taken its
/// place; of this process alone. `Err` only if the directory itself cannot be read.
pub fn stand(path: &Path) -> io::Result<u64> {
    let mut reader = Reader { stand: Some(DefaultHasher::new()), ..Reader::of(ENDINGS) };
    reader.workspace(path)?;
    let mut hasher = reader.stand.take().unwrap_or_default();
    for Unreadable { name, why } in reader.done().unreadable {
        (name, why).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Reads all YAML files below a directory, or the one file that `path` is: transcripts, for one.
pub fn read_yaml(path: &Path) -> io::Result<Files> {
    let mut reader = Reader::of(&["yaml", "yml"]);
    if fs::metadata(path)?.is_dir() {
        reader.directory(path, "", 1);
    } else {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        reader.file(path, name);
    }
    Ok(reader.done())
}

struct Reader {
    endings: &'static [&'static str],
    out: Files,
    total: u64,
    seen: BTreeSet<PathBuf>,
    // Files are not read, but what tells them apart is taken.
    stand: Option<DefaultHasher>,
}

impl Reader {
    fn of(endings: &'static [&'static str]) -> Self {
        Self { endings, out: Files::default(), total: 0, seen: BTreeSet::new(), stand: None }
    }

    fn done(mut self) -> Files {
        self.out.files.sort();
        self.out.unreadable.sort_by(|a, b| a.name.cmp(&b.name));
        self.out
    }

    fn workspace(&mut self, path: &Path) -> io::Result<()> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("`{}` is not a directory", path.display())));
        }
        for name in ["waypost.yaml", "waypost.yml"] {
            let file = path.join(name);
            if fs::symlink_metadata(&file).is_ok() {
                self.file(&file, name.into());
            }
        }
        for entry in fs::read_dir(path)?.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let means = ["waypost.yaml", "waypost.yml", "waypost.json"].iter().any(|settings| name.eq_ignore_ascii_case(settings));
            if means && !["waypost.yaml", "waypost.yml"].contains(&&*name) {
                self.unreadable(name, "settings are read from `waypost.yaml`; JSON may stand there, too");
            }
        }
        for name in DIRECTORIES {
            let directory = path.join(name);
            if directory.is_dir() {
                self.directory(&directory, name, 1);
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, name: String, why: impl Into<String>) {
        self.out.unreadable.push(Unreadable { name, why: why.into() });
    }

    fn directory(&mut self, path: &Path, name: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return self.unreadable(name.into(), format!("directories are nested deeper than {DEPTH_MAX}"));
        }
        // A directory is read once, by whatever links it is reached: links in a circle end here.
        match path.canonicalize() {
            Ok(real) => {
                if !self.seen.insert(real) {
                    return;
                }
            }
            Err(e) => return self.unreadable(name.into(), plain(&e)),
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) => return self.unreadable(name.into(), plain(&e)),
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(e) => return self.unreadable(name.into(), plain(&e)),
            }
        }
        paths.sort();
        for path in paths {
            let Some(last) = path.file_name() else { continue };
            let shown = last.to_string_lossy();
            if shown.starts_with('.') || shown == "target" {
                continue;
            }
            let name = if name.is_empty() { shown.into_owned() } else { format!("{name}/{shown}") };
            let is_ours = path.extension().is_some_and(|e| self.endings.iter().any(|known| e == *known));
            if path.is_dir() && is_ours {
                self.unreadable(name, "it is a directory, and has the name of a file");
            } else if path.is_dir() {
                self.directory(&path, &name, depth + 1);
            } else if is_ours {
                self.file(&path, name);
            } else if path.extension().is_some_and(|e| self.endings.iter().any(|known| e.eq_ignore_ascii_case(known))) {
                self.unreadable(name, "the ending of its name has to be written in small letters");
            }
        }
    }

    fn file(&mut self, path: &Path, name: String) {
        if path.to_str().is_none() {
            return self.unreadable(name, "its name is not UTF-8");
        }
        if self.out.files.len() >= FILES_MAX {
            return self.unreadable(name, format!("a workspace has at most {FILES_MAX} files"));
        }
        match fs::metadata(path) {
            Ok(m) if !m.is_file() => return self.unreadable(name, "it is not a regular file"),
            Ok(m) => {
                if let Some(hasher) = &mut self.stand {
                    return (name, m.dev(), m.ino(), m.len(), m.ctime(), m.ctime_nsec()).hash(hasher);
                }
            }
            Err(e) => return self.unreadable(name, plain(&e)),
        }
        let mut bytes = Vec::new();
        match fs::File::open(path).and_then(|f| f.take(FILE_MAX + 1).read_to_end(&mut bytes)) {
            Ok(n) if n as u64 > FILE_MAX => return self.unreadable(name, format!("it is larger than {} MB", FILE_MAX / (1024 * 1024))),
            Ok(n) => self.total += n as u64,
            Err(e) => return self.unreadable(name, plain(&e)),
        }
        if self.total > TOTAL_MAX {
            return self.unreadable(name, format!("the workspace is larger than {} MB", TOTAL_MAX / (1024 * 1024)));
        }
        // What is no UTF-8 is a finding like any other, reported where the file is parsed.
        self.out.files.push((name, decode(&bytes)));
    }
}

/// What went wrong, without the number that the system has for it.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist, or is a link that leads nowhere".into(),
        io::ErrorKind::PermissionDenied => "there is no permission to read it".into(),
        _ => error.to_string(),
    }
}
