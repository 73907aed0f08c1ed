//! Shows each event as soon as it is durable: the trace, as it happens.

use std::sync::Arc;

use crate::engine::{TraceLine, trace};
use crate::store::{Commit, Commits, Committed, Store, StoreError};

/// Shows lines of the trace.
pub(in crate::cli) type Watch = Arc<dyn Fn(&TraceLine) + Send + Sync>;

/// Whoever watches what is committed, if anybody does.
pub(in crate::cli) struct Watched(pub(in crate::cli) Option<Watch>);

impl Commits for Watched {
    async fn commit<S: Store>(&self, store: &S, commit: Commit) -> Result<Committed, StoreError> {
        let lines = if self.0.is_some() { trace(&commit.events) } else { Vec::new() };
        let committed = store.commit(commit).await?;
        if let (Some(watch), Committed::Done { .. }) = (&self.0, &committed) {
            for line in &lines {
                watch(line);
            }
        }
        Ok(committed)
    }
}
