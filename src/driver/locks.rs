//! One lock a conversation, for as long as somebody holds it or waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::store::ConversationKey;

type Table = Arc<Mutex<BTreeMap<ConversationKey, Arc<AsyncMutex<()>>>>>;

/// Locks by conversation; those that nobody wants are not kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks(Table);

/// Leave to be the only one in a conversation, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    // Dropped before the ticket, which counts who is left.
    _guard: OwnedMutexGuard<()>,
    _ticket: Ticket,
}

#[derive(Debug)]
struct Ticket {
    table: Table,
    key: ConversationKey,
    lock: Arc<AsyncMutex<()>>,
}

impl Locks {
    /// Waits for its turn: first come, first served.
    pub(super) async fn lock(&self, key: &ConversationKey) -> Held {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone();
        let ticket = Ticket { table: self.0.clone(), key: key.clone(), lock };
        Held { _guard: ticket.lock.clone().lock_owned().await, _ticket: ticket }
    }

    /// How many conversations somebody is in.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one: nobody else holds it or waits, and with the table locked nobody can begin to.
        if Arc::strong_count(&self.lock) == 2 {
            table.remove(&self.key);
        }
    }
}
