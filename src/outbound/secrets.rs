//! Secrets: `${NAME}` from the environment and `${file:NAME}` from a file, in the texts of integrations.
//!
//! The only reader of the environment for the sake of a workspace. Values live in [`SecretString`]s: errors and logs name the variable, never
//! what it holds.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// A file with a secret has at most this many bytes.
const FILE_MAX: u64 = 64 * 1024;

/// Where `${…}` in an integration's texts is looked up.
#[derive(Debug, Clone)]
pub struct Secrets {
    source: Source,
    root: PathBuf,
}

#[derive(Debug, Clone)]
enum Source {
    Environment,
    Given(BTreeMap<String, SecretString>),
}

/// Why a text with `${…}` has no value. Names the variable, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The environment does not have it.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// It is set to something that is not text.
    #[error("the environment variable `{0}` is not UTF-8")]
    NotText(String),
    /// The file cannot be read.
    #[error("the secret file `{0}` cannot be read")]
    File(String),
    /// What stands between the braces is no name.
    #[error("`${{{0}}}` is neither the name of an environment variable nor `file:` and the name of a file")]
    Name(String),
}

/// Names that a program which is started here finds in its environment whatever it is: where things are and how they are written.
const INHERITED: [&str; 9] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What every program that is started here finds in its environment.
pub(super) fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    #[expect(clippy::disallowed_methods, reason = "the one home of reading the environment")]
    INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

impl Secrets {
    /// From the environment; names of files are relative to the workspace's directory.
    #[must_use]
    pub fn environment(workspace: &Path) -> Self {
        Self { source: Source::Environment, root: workspace.into() }
    }

    /// From these values, and nothing else but files.
    #[must_use]
    pub fn given<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values.into_iter().map(|(n, v)| (n.into(), SecretString::from(v.into()))).collect();
        Self { source: Source::Given(values), root: PathBuf::new() }
    }

    /// The text with every `${…}` in it replaced. What a secret holds is not looked into again.
    pub fn resolve(&self, text: &str) -> Result<SecretString, SecretError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            out.push_str(before);
            out.push_str(self.lookup(name.trim())?.expose_secret());
            rest = after;
        }
        out.push_str(rest);
        Ok(out.into())
    }

    /// The value of a name: `NAME` or `file:NAME`.
    pub fn lookup(&self, name: &str) -> Result<SecretString, SecretError> {
        if let Some(file) = name.strip_prefix("file:") {
            return self.read(file.trim());
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(SecretError::Name(name.into()));
        }
        match &self.source {
            Source::Given(values) => values.get(name).cloned().ok_or_else(|| SecretError::Unset(name.into())),
            #[expect(clippy::disallowed_methods, reason = "the one home of reading secrets")]
            Source::Environment => match std::env::var(name) {
                Ok(value) => Ok(value.into()),
                Err(std::env::VarError::NotPresent) => Err(SecretError::Unset(name.into())),
                Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText(name.into())),
            },
        }
    }

    fn read(&self, name: &str) -> Result<SecretString, SecretError> {
        let failed = || SecretError::File(name.into());
        if name.is_empty() {
            return Err(SecretError::Name("file:".into()));
        }
        let path = self.root.join(name);
        if !path.metadata().is_ok_and(|m| m.is_file() && m.len() <= FILE_MAX) {
            return Err(failed());
        }
        let mut text = String::new();
        std::fs::File::open(&path).and_then(|f| f.take(FILE_MAX).read_to_string(&mut text)).map_err(|_| failed())?;
        // Editors end files with a line end that is no part of the secret.
        Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
    }
}
