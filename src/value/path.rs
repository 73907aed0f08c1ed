//! Paths into JSON, and taint: the set of paths of a value that must not be shown (supervision, privacy).

use std::collections::BTreeSet;
use std::sync::Arc;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Segment {
    /// A key of a map.
    #[serde(rename = "k")]
    Key(Arc<str>),
    /// Any key of a map, any element of a list.
    #[serde(rename = "*")]
    Any,
}

/// A path into a value, from its root. Lists are passed through: their elements are [`Segment::Any`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Path(pub Vec<Segment>);

/// What of a value is sensitive: a set of paths, shared; the empty path is the whole value.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Taint(Option<Arc<BTreeSet<Path>>>);

impl Taint {
    /// The whole value is sensitive.
    #[must_use]
    pub fn whole() -> Self {
        Self::of([Path::default()])
    }

    /// These paths are sensitive.
    #[must_use]
    pub fn of(paths: impl IntoIterator<Item = Path>) -> Self {
        let set: BTreeSet<Path> = paths.into_iter().collect();
        if set.is_empty() { Self(None) } else { Self(Some(Arc::new(set))) }
    }

    /// Nothing is sensitive.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.0.is_none()
    }

    /// The sensitive paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().flat_map(|s| s.iter())
    }

    /// The taint of the member `key` (`None`: of any member, when the key is not known or it is a list's element).
    #[must_use]
    pub fn member(&self, key: Option<&str>) -> Self {
        let Some(set) = &self.0 else { return Self(None) };
        Self::of(set.iter().filter_map(|p| match p.0.split_first() {
            None => Some(Path::default()),
            Some((Segment::Any, rest)) => Some(Path(rest.to_vec())),
            Some((Segment::Key(k), rest)) => key.is_none_or(|key| key == &**k).then(|| Path(rest.to_vec())),
        }))
    }

    /// This value put under a key (`None`: as an element of a list).
    #[must_use]
    pub fn under(&self, key: Option<&str>) -> Self {
        Self::of(self.paths().map(|p| {
            let first = key.map_or(Segment::Any, |k| Segment::Key(k.into()));
            Path(std::iter::once(first).chain(p.0.iter().cloned()).collect())
        }))
    }

    /// Sensitive where either is.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(a), Some(b)) => Self(Some(Arc::new(a.union(b).cloned().collect()))),
        }
    }

    /// What is computed from a value with this taint: the whole of it is sensitive if any part of the value is.
    #[must_use]
    pub fn computed(&self) -> Self {
        if self.is_clean() { Self(None) } else { Self::whole() }
    }
}
