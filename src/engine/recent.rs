//! The newest of many: a list that forgets, most of it shared between copies. Knows nothing of what it holds.

use std::sync::Arc;

/// Entries that a copy copies, at most.
const LOOSE: usize = 16;

/// The newest `N` entries of a list, the newest last.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<Arc<str>>", into = "Vec<Arc<str>>")]
pub(super) struct Recent<const N: usize> {
    settled: Arc<[Arc<str>]>,
    loose: Vec<Arc<str>>,
}

impl<const N: usize> Recent<N> {
    pub fn push(&mut self, entry: Arc<str>) {
        self.loose.push(entry);
        if self.loose.len() >= LOOSE {
            self.settled = self.iter().cloned().collect();
            self.loose.clear();
        }
    }

    /// The entries, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        let surplus = (self.settled.len() + self.loose.len()).saturating_sub(N);
        self.settled.iter().chain(&self.loose).skip(surplus)
    }

    pub fn contains(&self, entry: &str) -> bool {
        self.iter().any(|e| **e == *entry)
    }
}

/// How the entries are held makes no difference.
impl<const N: usize> PartialEq for Recent<N> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<const N: usize> From<Vec<Arc<str>>> for Recent<N> {
    fn from(entries: Vec<Arc<str>>) -> Self {
        Self { settled: entries.into(), loose: Vec::new() }
    }
}

impl<const N: usize> From<Recent<N>> for Vec<Arc<str>> {
    fn from(recent: Recent<N>) -> Self {
        recent.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_newest_however_it_came_to_be() {
        let mut recent = Recent::<20>::default();
        for n in 0..100_usize {
            recent.push(n.to_string().into());
            let kept: Vec<Arc<str>> = recent.clone().into();
            let newest: Vec<Arc<str>> = ((n + 1).saturating_sub(20)..=n).map(|n| n.to_string().into()).collect();
            assert_eq!(kept, newest);
            assert_eq!(Recent::from(kept), recent);
            assert_eq!((recent.contains(&n.to_string()), recent.contains("101")), (true, false));
        }
    }
}
