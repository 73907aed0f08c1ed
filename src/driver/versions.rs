//! The versions of the workspace that conversations stand on: today's, and those that runs under way began with.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use crate::check::Loaded;
use crate::engine::{Keys, Machine};
use crate::model::Workspace;

/// Older versions that are kept ready; others are loaded from the store when a run needs them.
const KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Versions {
    keys: Keys,
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    machine: Arc<Machine>,
    present: Loaded,
    older: VecDeque<Loaded>,
}

impl Versions {
    pub(super) fn new(loaded: Loaded, keys: Keys) -> Self {
        let machine = Arc::new(Machine::new(loaded.clone(), keys.clone()));
        Self { keys, inner: RwLock::new(Inner { machine, present: loaded, older: VecDeque::new() }) }
    }

    pub(super) fn machine(&self) -> Arc<Machine> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).machine.clone()
    }

    pub(super) fn loaded(&self) -> Loaded {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).present.clone()
    }

    pub(super) fn workspace(&self) -> Arc<Workspace> {
        self.machine().workspace().clone()
    }

    /// Takes another version for today's.
    pub(super) fn replace(&self, loaded: Loaded) {
        self.change(|inner| {
            let before = std::mem::replace(&mut inner.present, loaded);
            inner.older.push_back(before);
        });
    }

    /// Adds versions that runs are pinned to.
    pub(super) fn add(&self, found: Vec<Loaded>) -> Arc<Machine> {
        self.change(|inner| inner.older.extend(found))
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) -> Arc<Machine> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut inner);
        let present = inner.present.workspace().hash.clone();
        let mut known = std::collections::BTreeSet::from([present]);
        let mut older: VecDeque<Loaded> =
            inner.older.drain(..).rev().filter(|l| known.insert(l.workspace().hash.clone())).take(KEPT).collect();
        older.make_contiguous().reverse();
        let machine = Machine::new(inner.present.clone(), self.keys.clone());
        inner.machine = Arc::new(older.iter().fold(machine, Machine::with_older));
        inner.older = older;
        inner.machine.clone()
    }
}
