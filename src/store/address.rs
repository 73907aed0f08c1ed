//! Where a store is: `sqlite:FILE`, `postgres://…` or `memory`, read in one place.

use std::path::{Path, PathBuf};

use super::StoreError;

/// The address of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// In memory, gone with the process.
    Memory,
    /// A file.
    Sqlite(PathBuf),
    /// A server, by its whole URL.
    Postgres(String),
}

impl Address {
    /// Reads an address; the path of a file is taken from `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, StoreError> {
        let text = text.trim();
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            Some(":memory:") => Err(unsupported("a store of SQLite is a file: for one in memory write `memory`")),
            Some("") => Err(unsupported("name the file of the store, as in `sqlite:waypost.db`")),
            Some(path) => Ok(Self::Sqlite(base.join(path))),
            // Whatever it is, it may hold a password.
            None => Err(unsupported("a store is `sqlite:FILE`, `postgres://…` or `memory`")),
        }
    }
}

impl std::fmt::Display for Address {
    /// As a person may see it: without a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => write!(f, "memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(text) => match url::Url::parse(text) {
                Ok(url) => {
                    let host = url.host_str().unwrap_or("localhost");
                    write!(f, "postgres://{host}{}{}", url.port().map(|p| format!(":{p}")).unwrap_or_default(), url.path())
                }
                Err(_) => write!(f, "postgres://…"),
            },
        }
    }
}

fn unsupported(why: &str) -> StoreError {
    StoreError::Unsupported(why.into())
}
