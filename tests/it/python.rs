//! The Python that has `tests/python/requirements.txt`: `target/python`, which `.ci/run` makes, or the one that `WAYPOST_PYTHON` names.

#![expect(clippy::disallowed_methods, reason = "the environment says whether this is CI, and which Python to use")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Its interpreter; `None` if there is none here. In CI there must be.
pub fn interpreter() -> Option<PathBuf> {
    let made = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python"));
    let python = std::env::var_os("WAYPOST_PYTHON").map_or(made, PathBuf::from);
    if python.is_file() {
        return Some(python);
    }
    let how = "`python3 -m venv target/python && target/python/bin/pip install -r tests/python/requirements.txt`";
    assert!(std::env::var_os("CI").is_none(), "there is no {}: {how}", python.display());
    eprintln!("skipped: there is no {}: {how}", python.display());
    None
}

/// A script of `tests/python` at work; it ends with its standard input, so with this.
pub struct Script {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Script {
    /// Starts it; `None` if there is no Python for it.
    pub fn start(name: &str, args: &[&str]) -> Option<Self> {
        let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python")).join(name);
        let mut command = Command::new(interpreter()?);
        let mut child = command.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, lines })
    }

    /// Sends it a line.
    pub fn send(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the script ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
