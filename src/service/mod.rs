//! A workspace in service: who calls, what they may see and say, and the workspace taken anew while conversations go on.
//!
//! One implementation behind every surface. Knows no wire: no HTTP, no status codes, no Model Context Protocol.

pub mod access;
mod calls;
mod conditions;
mod converse;
mod decide;
mod defined;
mod error;
mod journeys;
mod live;
mod look;
mod owed;
mod page;
mod provider;
mod recorded;
pub mod storage;
mod token;
mod trigger;
mod watch;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::driver::{Clock, Entropy, Runtime};
use crate::model::Workspace;
use crate::outbound::Secrets;
use crate::store::AnyStore;

pub use access::{Caller, Denied, Role};
pub use calls::Calls;
pub use conditions::Listing;
pub use converse::{Request, Told};
pub use decide::{Evaluate, Explained};
pub use error::ServiceError;
pub use journeys::Validate;
pub use live::{Live, ReloadError};
pub use look::{Asked, Audited, Conversation, HeldAction, ID_MAX, Line, Page, is_id};
pub use page::{Page as QuestionPage, Ticket};
pub use provider::{Offers, Ran, Run, Wanted as WantedExecutions};
pub use storage::{Storage, StorageError};
pub use token::{TokenSettings, Tokens, Unbelieved};
pub use trigger::Trigger;
pub use watch::TracesTo;

use live::Current;

/// Pages that a list gives at most.
pub const PAGE_MAX: usize = 200;

/// A workspace in service. Clones share it.
#[derive(Debug, Clone)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Runtime<AnyStore, Calls>,
    calls: Calls,
    secrets: Secrets,
    current: Current,
    insecure: bool,
    looked: watch::Looked,
    conditions: decide::Conditions,
    // Instead of what files have registered.
    drafts: OnceLock<defined::Drafts>,
    // What is done behind answers.
    doing: TaskTracker,
}

/// How a service is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// Without keys, also serve callers that are not on this machine.
    pub insecure: bool,
}

impl Service {
    /// Puts a workspace into service over a store.
    pub fn open(
        loaded: crate::check::Loaded,
        storage: Storage,
        secrets: Secrets,
        clock: Clock,
        setup: Setup,
    ) -> Result<Self, ServiceError> {
        let live = Live::new(&loaded, &secrets).map_err(ServiceError::Setup)?;
        let calls = Calls::new(&loaded, &secrets, &clock, setup.insecure);
        let runtime = Runtime::with(loaded, storage.store, calls.clone(), clock, Entropy::System, storage.keys)?;
        Ok(Self(Arc::new(Inner {
            runtime,
            calls,
            secrets,
            current: Current::new(live),
            insecure: setup.insecure,
            looked: watch::Looked::default(),
            conditions: decide::Conditions::default(),
            drafts: OnceLock::new(),
            doing: TaskTracker::new(),
        })))
    }

    /// What runs the conversations.
    #[must_use]
    pub fn runtime(&self) -> &Runtime<AnyStore, Calls> {
        &self.0.runtime
    }

    /// The workspace, as it is today.
    #[must_use]
    pub fn workspace(&self) -> Arc<Workspace> {
        self.0.runtime.workspace()
    }

    /// What of the workspace's settings says who may call.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.0.current.get()
    }

    /// Whether there are no keys, and anybody on this machine may call.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.live().access.is_open()
    }

    /// Whether callers without keys need not be on this machine.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.0.insecure
    }

    /// Begins what a server does beside its requests: wakes conversations, evaluates what is owed, sends what is due. It ends with the set.
    #[must_use]
    pub fn beside(&self) -> JoinSet<()> {
        let mut beside = JoinSet::new();
        let (timers, conditions, deliveries) = (self.clone(), self.clone(), self.clone());
        beside.spawn(async move { timers.runtime().run_timers().await });
        beside.spawn(async move { conditions.run_conditions().await });
        beside.spawn(async move { deliveries.run_deliveries().await });
        beside
    }

    /// Waits until nothing is done behind answers any more, at most so long: no turn is under way, and no action.
    pub async fn rest(&self, limit: Duration) {
        self.0.doing.close();
        let acted = tokio::time::timeout(limit, self.0.doing.wait());
        if tokio::join!(self.runtime().quiet(limit), acted).1.is_err() {
            tracing::warn!("actions are left under way: whoever comes next takes them up");
        }
    }

    /// Does something to its end, also where whoever waits for it goes away.
    async fn whole<T: Send + 'static>(
        &self,
        what: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.0.doing.spawn(what).await.unwrap_or_else(|_| Err(ServiceError::Internal("what was begun broke off".into())))
    }

    /// What of the integrations cannot be called, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(Arc<str>, String)> {
        self.0.calls.problems()
    }
}
