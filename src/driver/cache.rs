//! The states of the conversations that spoke last, so that a turn need not fold what the turn before it folded.
//!
//! Nothing hangs on it: a state counts only with the version that the store says it has, and anything may be missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::State;
use crate::engine::input::Open;
use crate::store::{AuditHead, ConversationKey};

/// How many are kept: of one that is not, all events since its snapshot are read and folded for each turn.
const KEPT: usize = 1_024;
/// How often the store is asked first, after somebody else turned out to have committed.
const WARY: u32 = 16;

/// A conversation as it stands: its state, its version and the end of its audit; none, 0 and none if there is none.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) state: Option<Arc<State>>,
    pub(super) version: u64,
    pub(super) audit: AuditHead,
    /// Whether the store was asked. Else it is how this process left it, which only a commit can confirm.
    pub(super) is_asked: bool,
}

#[derive(Debug, Default)]
pub(super) struct States(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    used: u64,
    states: BTreeMap<ConversationKey, (u64, Arc<State>, AuditHead)>,
    // Those, by when they were used last.
    order: BTreeMap<u64, ConversationKey>,
    wary: u32,
}

impl States {
    /// The state as it was last seen.
    pub(super) fn get(&self, key: &ConversationKey) -> Option<Arc<State>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { used, states, order, .. } = &mut *inner;
        let (last, state, _) = states.get_mut(key)?;
        *used += 1;
        let known = order.remove(last);
        order.insert(*used, known.unwrap_or_else(|| key.clone()));
        *last = *used;
        Some(state.clone())
    }

    /// The conversation as this process left it, unless others have been about of late.
    pub(super) fn left(&self, key: &ConversationKey) -> Option<Seen> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.wary > 0 {
            inner.wary -= 1;
            return None;
        }
        let (_, state, audit) = inner.states.get(key)?;
        Some(Seen { state: Some(state.clone()), version: state.version, audit: audit.clone(), is_asked: false })
    }

    /// Somebody else committed to a conversation of ours: the next turns ask the store first.
    pub(super) fn beware(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wary = WARY;
    }

    /// How a conversation was opened.
    pub(super) fn opened(&self, key: &ConversationKey) -> Option<Arc<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).states.get(key)?.1.opened().cloned()
    }

    /// The version of the state as it was last seen.
    pub(super) fn version(&self, key: &ConversationKey) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).states.get(key).map(|(_, state, _)| state.version)
    }

    /// Keeps a state that was committed, with the end of its audit; the one that was not used for longest goes.
    pub(super) fn put(&self, key: &ConversationKey, state: Arc<State>, audit: AuditHead) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { used, states, order, .. } = &mut *inner;
        *used += 1;
        if let Some((last, ..)) = states.insert(key.clone(), (*used, state, audit)) {
            order.remove(&last);
        }
        order.insert(*used, key.clone());
        if states.len() > KEPT
            && let Some((_, oldest)) = order.pop_first()
        {
            states.remove(&oldest);
        }
    }

    /// Forgets a state that turned out not to be the store's.
    pub(super) fn forget(&self, key: &ConversationKey) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, ..)) = inner.states.remove(key) {
            inner.order.remove(&last);
        }
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
            states.put(&key(n), Arc::default(), AuditHead::default());
        }
        assert!(states.get(&key(0)).is_some(), "it speaks again");
        for n in KEPT..KEPT + 100 {
            states.put(&key(n), Arc::default(), AuditHead::default());
        }
        let kept: Vec<usize> = (0..KEPT + 100).filter(|n| states.version(&key(*n)).is_some()).collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0], kept[1]), (0, 101), "what was not used for longest is gone");
        states.forget(&key(200));
        states.put(&key(KEPT + 100), Arc::default(), AuditHead::default());
        assert!(states.get(&key(101)).is_some(), "there was room");
        let inner = states.0.lock().unwrap();
        assert!(inner.states.iter().map(|(k, (used, ..))| (used, k)).collect::<BTreeMap<_, _>>().into_iter().eq(&inner.order));
    }
}
