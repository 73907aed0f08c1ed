//! Performs calls by the integrations of today's workspace.

use std::sync::{Arc, PoisonError, RwLock};

use crate::check::Loaded;
use crate::driver::{Clock, Perform};
use crate::engine::{CallEffect, CallResult};
use crate::outbound::{HttpPerformer, Post, Resolver, Secrets};
use crate::registry::Declared;

/// Who calls the services: another one after the workspace was taken anew. Clones share it.
#[derive(Clone)]
pub struct Calls {
    present: Arc<RwLock<Arc<Present>>>,
    clock: Clock,
    insecure: bool,
}

/// What today's workspace calls, and by what.
struct Present {
    performer: HttpPerformer,
    post: Post,
    declared: Arc<Declared>,
}

impl Calls {
    /// Without keys, and unless it is set up `insecure`, only this machine is called.
    pub(super) fn new(loaded: &Loaded, secrets: &Secrets, clock: &Clock, insecure: bool) -> Self {
        let present = present(loaded, secrets, clock, insecure);
        Self { present: Arc::new(RwLock::new(Arc::new(present))), clock: clock.clone(), insecure }
    }

    /// Takes the integrations of another workspace.
    pub(super) fn replace(&self, loaded: &Loaded, secrets: &Secrets) {
        let present = Arc::new(present(loaded, secrets, &self.clock, self.insecure));
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = present;
    }

    fn present(&self) -> Arc<Present> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What sends for triggered actions.
    pub(super) fn post(&self) -> Post {
        self.present().post.clone()
    }

    /// What triggered actions may name.
    pub(super) fn declared(&self) -> Arc<Declared> {
        self.present().declared.clone()
    }

    pub(super) fn problems(&self) -> Vec<(Arc<str>, String)> {
        self.present().performer.problems().iter().map(|(name, why)| (name.as_str().into(), why.to_string())).collect()
    }
}

fn present(loaded: &Loaded, secrets: &Secrets, clock: &Clock, insecure: bool) -> Present {
    let here = loaded.settings.server_keys.is_empty() && !insecure;
    let resolver = if here { Resolver::Loopback } else { Resolver::System };
    Present {
        performer: HttpPerformer::with_resolver(loaded, secrets, clock.as_fn(), &resolver),
        post: Post::new(&loaded.settings, secrets, clock.as_fn(), &resolver),
        declared: Arc::new(loaded.declared()),
    }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl Perform for Calls {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        self.present().performer.call(effect).await
    }
}
