//! Who waits for something to happen in a conversation. Only what this process commits is told; others' work is found by looking.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::store::ConversationKey;

type Table = Arc<Mutex<BTreeMap<ConversationKey, (usize, Arc<Notify>)>>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Watchers(Table);

/// Tells of commits to a conversation, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    table: Table,
    key: ConversationKey,
    notify: Arc<Notify>,
}

impl Watchers {
    pub(super) fn watch(&self, key: &ConversationKey) -> Watch {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, notify) = table.entry(key.clone()).or_default();
        *count += 1;
        Watch { table: self.0.clone(), key: key.clone(), notify: notify.clone() }
    }

    pub(super) fn tell(&self, key: &ConversationKey) {
        if let Some((_, notify)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            notify.notify_waiters();
        }
    }
}

impl Watch {
    /// Resolves at the next commit after this call.
    pub fn next(&self) -> OwnedNotified {
        self.notify.clone().notified_owned()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = table.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.key);
            }
        }
    }
}
