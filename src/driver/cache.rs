//! The states of the conversations that spoke last, so that a turn need not fold what the turn before it folded.
//!
//! Nothing hangs on it: a state counts only with the version that the store says it has, and anything may be missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::State;
use crate::engine::input::Open;
use crate::store::ConversationKey;

/// How many are kept.
const KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct States(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    used: u64,
    states: BTreeMap<ConversationKey, (u64, Arc<State>)>,
}

impl States {
    /// The state as it was last seen.
    pub(super) fn get(&self, key: &ConversationKey) -> Option<Arc<State>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.used += 1;
        let now = inner.used;
        let (used, state) = inner.states.get_mut(key)?;
        *used = now;
        Some(state.clone())
    }

    /// How a conversation was opened.
    pub(super) fn opened(&self, key: &ConversationKey) -> Option<Arc<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).states.get(key)?.1.opened().cloned()
    }

    /// The version of the state as it was last seen.
    pub(super) fn version(&self, key: &ConversationKey) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).states.get(key).map(|(_, state)| state.version)
    }

    /// Keeps a state that was committed; the one that was not used for longest goes.
    pub(super) fn put(&self, key: &ConversationKey, state: Arc<State>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.used += 1;
        let now = inner.used;
        inner.states.insert(key.clone(), (now, state));
        if inner.states.len() > KEPT {
            let oldest = inner.states.iter().min_by_key(|(_, (used, _))| *used).map(|(k, _)| k.clone());
            if let Some(oldest) = oldest {
                inner.states.remove(&oldest);
            }
        }
    }

    /// Forgets a state that turned out not to be the store's.
    pub(super) fn forget(&self, key: &ConversationKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).states.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_spoke_last_are_kept() {
        let states = States::default();
        let key = |n: usize| ConversationKey::new("t", format!("c-{n}"));
        for n in 0..KEPT {
            states.put(&key(n), Arc::default());
        }
        assert!(states.get(&key(0)).is_some(), "it speaks again");
        for n in KEPT..KEPT + 100 {
            states.put(&key(n), Arc::default());
        }
        let kept: Vec<usize> = (0..KEPT + 100).filter(|n| states.version(&key(*n)).is_some()).collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0], kept[1]), (0, 101), "what was not used for longest is gone");
    }
}
