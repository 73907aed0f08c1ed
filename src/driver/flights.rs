//! The calls that are under way in this process, each until what came of it is committed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::effect::EffectId;
use crate::store::ConversationKey;

type Of = (ConversationKey, EffectId);

/// All of them. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<BTreeSet<Of>>>);

/// One of them: over when it is dropped, however it ended.
#[derive(Debug)]
pub(super) struct Flight {
    all: Flights,
    of: Of,
}

impl Flights {
    /// A call begins.
    pub(super) fn begin(&self, key: &ConversationKey, effect: &EffectId) -> Flight {
        let of = (key.clone(), effect.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone());
        Flight { all: self.clone(), of }
    }

    /// Whether it is under way here.
    pub(super) fn has(&self, key: &ConversationKey, effect: &EffectId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(key.clone(), effect.clone()))
    }
}

impl Flight {
    /// Of which effect it is the call.
    pub(super) fn effect(&self) -> &EffectId {
        &self.of.1
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.of);
    }
}
