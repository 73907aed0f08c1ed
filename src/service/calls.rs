//! Performs calls by the integrations of today's workspace.

use std::sync::{Arc, PoisonError, RwLock};

use crate::check::Loaded;
use crate::driver::{Clock, Perform};
use crate::engine::{CallEffect, CallResult};
use crate::outbound::{HttpPerformer, Resolver, Secrets};

/// Who calls the services: another one after the workspace was taken anew. Clones share it.
#[derive(Clone)]
pub struct Calls {
    present: Arc<RwLock<Arc<HttpPerformer>>>,
    clock: Clock,
    insecure: bool,
}

impl Calls {
    /// Without keys, and unless it is set up `insecure`, only this machine is called.
    pub(super) fn new(loaded: &Loaded, secrets: &Secrets, clock: &Clock, insecure: bool) -> Self {
        let performer = performer(loaded, secrets, clock, insecure);
        Self { present: Arc::new(RwLock::new(Arc::new(performer))), clock: clock.clone(), insecure }
    }

    /// Takes the integrations of another workspace.
    pub(super) fn replace(&self, loaded: &Loaded, secrets: &Secrets) {
        let performer = Arc::new(performer(loaded, secrets, &self.clock, self.insecure));
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = performer;
    }

    fn present(&self) -> Arc<HttpPerformer> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn problems(&self) -> Vec<(Arc<str>, String)> {
        self.present().problems().iter().map(|(name, why)| (name.as_str().into(), why.to_string())).collect()
    }
}

fn performer(loaded: &Loaded, secrets: &Secrets, clock: &Clock, insecure: bool) -> HttpPerformer {
    let here = loaded.settings.server_keys.is_empty() && !insecure;
    let resolver = if here { Resolver::Loopback } else { Resolver::System };
    HttpPerformer::with_resolver(loaded, secrets, clock.as_fn(), &resolver)
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl Perform for Calls {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        self.present().call(effect).await
    }
}
