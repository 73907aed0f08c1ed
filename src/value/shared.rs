//! A sorted map of which copies share most: what a conversation holds is copied at every turn, and little of it changes.
//!
//! Knows nothing of what it holds.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries that lie together, at most: to change one of them copies these.
const TOGETHER: usize = 32;

/// A sorted map. A copy shares all entries; a change copies those that lie near.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(from = "BTreeMap<K, V>", into = "BTreeMap<K, V>")]
#[serde(bound(serialize = "K: Ord + Clone + serde::Serialize, V: Clone + serde::Serialize"))]
#[serde(bound(deserialize = "K: Ord + Clone + serde::Deserialize<'de>, V: Clone + serde::Deserialize<'de>"))]
pub struct Shared<K, V> {
    // INVARIANT: no part is empty, and keys ascend within each and from one to the next.
    parts: Vec<Arc<Vec<(K, V)>>>,
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<K, V> Shared<K, V> {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter().map(|(k, v)| (k, v)))
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, v)| v)
    }
}

impl<K: Ord + Clone, V: Clone> Shared<K, V> {
    /// The part in which a key is, or would be.
    fn part_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.parts.partition_point(|part| part.first().is_some_and(|(first, _)| first.borrow() <= key)).saturating_sub(1)
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let part = self.parts.get(self.part_of(key))?;
        let at = part.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        part.get(at).map(|(_, v)| v)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Gives a key a value, in place of the one that it had.
    pub fn insert(&mut self, key: K, value: V) {
        let at = self.part_of(&key);
        let Some(part) = self.parts.get_mut(at).map(Arc::make_mut) else { return self.parts.push(Arc::new(vec![(key, value)])) };
        match part.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(found) => {
                if let Some(entry) = part.get_mut(found) {
                    entry.1 = value;
                }
            }
            Err(place) => part.insert(place, (key, value)),
        }
        if part.len() > TOGETHER {
            let rest = part.split_off(TOGETHER / 2);
            self.parts.insert(at + 1, Arc::new(rest));
        }
    }

    /// Takes a key out, and gives its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.part_of(key);
        let found = self.parts.get(at)?.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        let part = Arc::make_mut(self.parts.get_mut(at)?);
        let (_, value) = part.remove(found);
        if part.is_empty() {
            self.parts.remove(at);
        }
        Some(value)
    }

    /// Keeps the entries that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&K, &V) -> bool) {
        for part in &mut self.parts {
            if !part.iter().all(|(k, v)| wanted(k, v)) {
                Arc::make_mut(part).retain(|(k, v)| wanted(k, v));
            }
        }
        self.parts.retain(|part| !part.is_empty());
    }
}

impl<'s, K, V> IntoIterator for &'s Shared<K, V> {
    type Item = (&'s K, &'s V);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 's>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for Shared<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Shared<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<K: Ord + Clone, V: Clone> From<BTreeMap<K, V>> for Shared<K, V> {
    fn from(entries: BTreeMap<K, V>) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Clone, V: Clone> From<Shared<K, V>> for BTreeMap<K, V> {
    fn from(map: Shared<K, V>) -> Self {
        map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

/// Where the entries lie makes no difference.
impl<K: PartialEq, V: PartialEq> PartialEq for Shared<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: std::fmt::Debug, V: std::fmt::Debug> std::fmt::Debug for Shared<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_a_map_whatever_is_done_and_copies_stay_as_they_were() {
        let step = (0..4_u8, 0..200_u16);
        proptest!(|(steps in prop::collection::vec(step, 0..400))| {
            let (mut map, mut plain) = (Shared::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (n, (what, key)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => {
                        map.insert(key, n);
                        plain.insert(key, n);
                    }
                    2 => prop_assert_eq!(map.remove(&key), plain.remove(&key)),
                    _ if key % 16 == 0 => {
                        map.retain(|k, _| k % 3 != 0);
                        plain.retain(|k, _| k % 3 != 0);
                    }
                    _ => prop_assert_eq!(map.get(&key), plain.get(&key)),
                }
                if n % 64 == 0 {
                    copies.push((map.clone(), plain.clone()));
                }
            }
            copies.push((map, plain));
            for (map, plain) in copies {
                prop_assert!(map.iter().eq(plain.iter()));
                prop_assert_eq!(map.is_empty(), plain.is_empty());
                let text = serde_json::to_string(&map).unwrap();
                prop_assert_eq!(&text, &serde_json::to_string(&plain).unwrap());
                prop_assert_eq!(serde_json::from_str::<Shared<u16, usize>>(&text).unwrap(), map);
            }
        });
    }
}
