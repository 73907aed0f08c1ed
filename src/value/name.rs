//! Names: `-` and `_` are the same letter.

use std::sync::Arc;

/// A name in the form it is looked up by: lower case, `_` for `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// The look-up form of a written name.
    #[must_use]
    pub fn new(written: &str) -> Self {
        if written.contains('-') { Self(written.replace('-', "_").into()) } else { Self(written.into()) }
    }

    /// The same text, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The look-up form of a written name that is held shared: without a copy if it is that form already.
    #[must_use]
    pub fn of(written: &Arc<str>) -> Self {
        if written.contains('-') { Self::new(written) } else { Self(Arc::clone(written)) }
    }

    /// As it is looked up: with `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name as its author wrote it, compared by its [`Name`].
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Slug {
    /// As written: shown in answers, files and graphs.
    pub shown: Arc<str>,
    /// As looked up.
    pub name: Name,
}

impl Slug {
    /// A slug from its written form.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self { shown: written.into(), name: Name::new(written) }
    }

    /// The slug that a human name defaults to: lower case, every run of other characters as one `-`.
    #[must_use]
    pub fn from_title(title: &str) -> Self {
        let mut out = String::new();
        for c in title.to_lowercase().chars() {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' {
                out.push(c);
            } else if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
        }
        Self::new(out.trim_end_matches('-'))
    }

    /// A name that may be written as people write it, shown so, and looked up as the slug made of it.
    #[must_use]
    pub fn named(written: &str) -> Self {
        if Self::is_valid(written) { Self::new(written) } else { Self { shown: written.into(), name: Self::from_title(written).name } }
    }

    /// Whether a written name is a slug: `[a-z0-9][a-z0-9_-]*`.
    #[must_use]
    pub fn is_valid(written: &str) -> bool {
        let mut bytes = written.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    }
}

impl PartialEq for Slug {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for Slug {}
impl std::hash::Hash for Slug {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
impl PartialOrd for Slug {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Slug {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}
impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}
