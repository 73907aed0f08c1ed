//! Timers: conversations are woken when they wanted to be, late rather than never, whatever the store or one of them does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::clock::{later, until};
use super::{DriverError, Perform, Runtime};
use crate::store::{ConversationKey, Store, StoreError};

/// How often the store is asked what other processes want to be woken for.
const POLL: Duration = Duration::from_secs(1);
/// At least so long between two looks at what is due.
const SHORTEST: Duration = Duration::from_millis(5);
/// How long what failed, or wants the same again, is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// Conversations that are woken at once.
const AT_ONCE: usize = 64;

/// A conversation, and when it wanted to be woken.
type Timer = (Timestamp, ConversationKey);

/// What is being woken, and what was: that timer is left alone until then.
#[derive(Default)]
struct Waking {
    tasks: JoinSet<(Timer, Result<(), DriverError>)>,
    now: BTreeSet<ConversationKey>,
    woken: BTreeMap<Timer, Timestamp>,
}

impl<S: Store, P: Perform> Runtime<S, P> {
    /// Wakes conversations as their time comes, those of processes that are gone too, until it is dropped.
    pub async fn run_timers(&self) {
        let mut waking = Waking::default();
        loop {
            // Whatever is set while it looks is told, and afterwards what comes before it looks again.
            self.0.looks_at.store(i64::MAX, Ordering::SeqCst);
            let set = self.timer_set();
            let next = match self.start_due(&mut waking).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "the timers cannot be read");
                    None
                }
            };
            let now = self.clock().now();
            let wait = next.map_or(POLL, |at| until(now, at).min(POLL));
            self.0.looks_at.store(later(now, wait).as_millisecond(), Ordering::SeqCst);
            tokio::select! {
                () = set => {}
                () = tokio::time::sleep(wait) => {}
                Some(done) = waking.tasks.join_next() => waking.done(done, now),
            }
        }
    }

    /// Begins to wake what is due, and says when the next is.
    async fn start_due(&self, waking: &mut Waking) -> Result<Option<Timestamp>, StoreError> {
        let now = self.clock().now();
        waking.woken.retain(|_, until| *until > now);
        let known = waking.now.len() + waking.woken.len();
        for timer in self.store().due(Timestamp::MAX, known + AT_ONCE).await? {
            let (at, key) = &timer;
            if waking.now.contains(key) || waking.woken.contains_key(&timer) {
                continue;
            }
            if *at > now || waking.now.len() >= AT_ONCE {
                return Ok(Some((*at).max(later(now, SHORTEST))));
            }
            waking.now.insert(key.clone());
            let this = self.clone();
            waking.tasks.spawn(async move {
                let woken = this.wake(&timer.1).await.map(drop);
                (timer, woken)
            });
        }
        Ok(None)
    }
}

impl Waking {
    fn done(&mut self, done: Result<(Timer, Result<(), DriverError>), tokio::task::JoinError>, now: Timestamp) {
        // A task that broke off does not say whose it was: all are looked at again.
        let Ok((timer, woken)) = done else { return self.now.clear() };
        self.now.remove(&timer.1);
        if let Err(error) = woken {
            tracing::warn!(conversation = %timer.1.id, %error, "a conversation cannot be woken");
        }
        // One that wants the same again would be woken for ever.
        self.woken.insert(timer, later(now, PAUSE));
    }
}
