//! Runs conversations: every input is loaded, handled and committed, then what it allowed is performed, and each result is an input again.
//!
//! Long because a turn is one loop over load, handle, commit and perform, and what it holds has to be seen together.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use super::audit::Chain;
use super::cache::{Seen, States};
use super::carry::{Broken, Carried};
use super::clock::{Clock, Draws, Entropy, later, new_id, until};
use super::flights::{Flight, Flights};
use super::locks::{Held, Locks};
use super::perform::Perform;
use super::texts::{self, Saved};
use super::turn::{DriverError, Sent, Turn, TurnResult, is_sent, kind, opened};
use super::versions::Versions;
use super::watchers::{Watch, Watchers};
use super::writable::{Unkept, Writable};
use crate::check::Loaded;
use crate::engine::effect::{EffectId, Refused};
use crate::engine::input::Open;
use crate::engine::{
    Actor, Answer, CallEffect, CallFailure, CallResult, Claim, Effect, Event, EventBody, Happened, Input, InputBody, Keys, Machine, Phase,
    Principal, State, Status, attempts, happened, holds, may_happen,
};
use crate::model::Workspace;
use crate::model::action::ErrorKind;
use crate::registry::EventKind;
use crate::store::records::{NewOwed, Owing};
use crate::store::{Commit, Committed, ConversationKey, MESSAGE_IDS_KEPT, Owner, Reply, SNAPSHOT_EVERY, Store, StoreError};
use crate::telemetry::{self, Telemetry};
use crate::value::Name;

/// Times that a commit is tried again after somebody else's.
const CONFLICTS: usize = 16;
/// Refused claims that one input may meet.
const CLAIMS: usize = 16;
/// How long what came of a call is kept while the store cannot be written, and how long it is left alone meanwhile, at first and at last.
const KEPT_FOR: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// Inputs that one turn may lead to; the machine's own bounds end it long before.
const INPUTS: usize = 10_000;
/// How long after its time a sender is given up.
const TAKE_OVER: Duration = Duration::from_secs(1);
/// The kind of the names under which conversations are opened once.
const STARTED: &str = "started";
/// Timers handled in one call.
const WAKES: usize = 10_000;

/// Runs conversations over a store and a performer. Clones share everything.
pub struct Runtime<S, P>(pub(super) Arc<Inner<S, P>>);

impl<S, P> Clone for Runtime<S, P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S, P> std::fmt::Debug for Runtime<S, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("conversations", &self.0.turns.len()).finish_non_exhaustive()
    }
}

pub(super) struct Inner<S, P> {
    pub(super) store: S,
    performer: P,
    pub(super) clock: Clock,
    draws: Draws,
    keys: Keys,
    audit: Chain,
    versions: Versions,
    saved: Saved,
    // A turn holds the first until it is answered; each input holds the second from its load to its commit.
    turns: Locks,
    inputs: Locks,
    pub(super) states: States,
    flights: Flights,
    background: Mutex<BTreeMap<ConversationKey, usize>>,
    landed: Notify,
    timer_set: Notify,
    // When the timers are looked at next, in milliseconds: what is set for later need not be told.
    pub(super) looks_at: AtomicI64,
    owed: Notify,
    watchers: Watchers,
    telemetry: Telemetry,
    writable: Writable,
}

/// A turn under way: whose it is, and where it stands. What follows from its input is told to the same caller, so it has the same actor.
struct Turning {
    key: ConversationKey,
    actor: Actor,
    principal: Principal,
    // The id under which the answer is recorded, and the digest of what was sent.
    message: Option<(Arc<str>, Arc<str>)>,
    // How it is opened, with the turn's own input; and the name under which it is opened once.
    opening: Option<Open>,
    started: Option<Arc<str>>,
    at: Option<u64>,
    // Whether something was asked in it before its own input was handled.
    unaware: bool,
    told: Arc<Told>,
    // The conversation as it was when the turn began, for its first input.
    seen: Mutex<Option<Seen>>,
    began: Timestamp,
    standing: Arc<Mutex<TurnResult>>,
    // The journeys that were under way when it began.
    journeys: OnceLock<Vec<Name>>,
}

/// How far a turn's caller is told of it.
#[derive(Debug, Default)]
struct Told {
    // Whether the caller has an answer: what comes later is told to nobody.
    answered: AtomicBool,
    // Held by each input until what it said is in the turn's standing; whether nothing follows from the last.
    ended: AsyncMutex<bool>,
}

/// The calls of a turn that are under way.
type Calls = FuturesUnordered<BoxFuture<'static, (Flight, CallResult)>>;

/// One input that was committed.
#[derive(Default)]
struct Stepped {
    effects: Vec<Effect>,
    wake_at: Option<Timestamp>,
    working: bool,
}

impl<S: Store, P: Perform> Runtime<S, P> {
    /// A runtime of a workspace, with the machine's clock and randomness, and keys of its own.
    pub fn new(loaded: Loaded, store: S, performer: P, clock: Clock) -> Result<Self, DriverError> {
        let entropy = Entropy::System;
        let key = entropy.draw().ok_or(DriverError::Broken("the machine has no randomness to give"))?;
        Self::with(loaded, store, performer, clock, entropy, Keys::derive(&key))
    }

    /// The same, with its randomness and keys from outside: both the same, and the same inputs give the same events.
    pub fn with(loaded: Loaded, store: S, performer: P, clock: Clock, entropy: Entropy, keys: Keys) -> Result<Self, DriverError> {
        Ok(Self(Arc::new(Inner {
            store,
            performer,
            clock,
            draws: Draws::of(entropy),
            audit: Chain::new(keys.clone()),
            versions: Versions::new(loaded, keys.clone()),
            keys,
            saved: Saved::default(),
            turns: Locks::default(),
            inputs: Locks::default(),
            states: States::default(),
            flights: Flights::default(),
            background: Mutex::default(),
            landed: Notify::new(),
            timer_set: Notify::new(),
            looks_at: AtomicI64::new(i64::MAX),
            owed: Notify::new(),
            watchers: Watchers::default(),
            telemetry: Telemetry::default(),
            writable: Writable::default(),
        })))
    }

    /// The workspace, as it is today.
    #[must_use]
    pub fn workspace(&self) -> Arc<Workspace> {
        self.0.versions.workspace()
    }

    /// The same, with its policies.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        self.0.versions.loaded()
    }

    /// Takes another version of the workspace from the next input on. Runs under way stay on the journeys that they began with; policies,
    /// limits and settings are the new ones for all. What else belongs to it is done when all but the change is: where that fails, nothing is
    /// changed.
    pub async fn reload<E: From<DriverError>>(&self, loaded: Loaded, last: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let now = self.0.clock.now();
        let saving = self.0.saved.begin().await;
        texts::save(&self.0.store, loaded.workspace(), now).await?;
        last.await?;
        self.0.versions.replace(loaded);
        saving.done(now);
        Ok(())
    }

    /// Tells of every commit to that conversation that this process makes.
    #[must_use]
    pub fn watch(&self, conversation: &ConversationKey) -> Watch {
        self.0.watchers.watch(conversation)
    }

    /// The keys of the installation.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// Why the last commit was not kept, when that changes.
    #[must_use]
    pub fn unkept(&self) -> watch::Receiver<Unkept> {
        self.0.writable.watch()
    }

    /// Whether a commit now would most likely not be kept.
    #[must_use]
    pub fn would_not_keep(&self) -> bool {
        self.0.writable.is_failing(self.0.clock.now())
    }

    /// What is counted and traced of the turns.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Opens a conversation, with an id of its own if `open` has none. Opening one that its user has open already gives that one.
    pub async fn open(&self, open: Open) -> Result<ConversationKey, DriverError> {
        let mut open = open;
        let is_new = open.conversation.is_empty();
        if is_new {
            open.conversation = new_id(self.0.clock.now(), &self.0.draw()?);
        }
        let key = ConversationKey::new(open.tenant.clone(), open.conversation.clone());
        let _held = self.0.turns.lock(&key).await;
        if is_new || !self.0.is_theirs(&key, &open).await? {
            let turning = self.turning(&key);
            // Nobody had this id before: there is nothing to load.
            *lock(&turning.seen) = is_new.then(nothing);
            self.0.input(&turning, InputBody::Open(open)).await?;
        }
        Ok(key)
    }

    /// Opens a conversation for a caller who may ask again: the same name in the tenant gives the same one for as long as message ids are
    /// kept, whichever process is asked. Says whether it was there already.
    pub async fn open_once(&self, open: Open, name: &str) -> Result<(ConversationKey, bool), DriverError> {
        let tenant = open.tenant.clone();
        let holder = || self.0.store.holder(&tenant, STARTED, name, self.0.clock.now());
        if let Some(key) = holder().await? {
            self.0.is_theirs(&key, &open).await?;
            return Ok((key, true));
        }
        let mut open = open;
        if open.conversation.is_empty() {
            open.conversation = new_id(self.0.clock.now(), &self.0.draw()?);
        }
        let key = ConversationKey::new(tenant.clone(), open.conversation.clone());
        let _held = self.0.turns.lock(&key).await;
        let turning = Turning { started: Some(name.into()), ..self.turning(&key) };
        self.0.input(&turning, InputBody::Open(open.clone())).await?;
        // Somebody else may have been faster.
        let first = holder().await?.ok_or(DriverError::Busy)?;
        let there = first != key && self.0.is_theirs(&first, &open).await?;
        Ok((first, there))
    }

    /// Opens a conversation by its first turn, in one commit: of a command that is refused nothing is kept, and there is no conversation.
    /// With a name, the same name in the tenant is the same conversation, as for [`Runtime::open_once`].
    pub async fn begin(
        &self,
        open: Open,
        name: Option<&str>,
        (actor, principal): (Actor, Principal),
        sent: Sent,
        turn: Turn,
    ) -> Result<(Option<ConversationKey>, TurnResult), DriverError> {
        let tenant = open.tenant.clone();
        let holder = async || match name {
            Some(name) => self.0.store.holder(&tenant, STARTED, name, self.0.clock.now()).await,
            None => Ok(None),
        };
        let there = holder().await?;
        if there.is_none() {
            let id = new_id(self.0.clock.now(), &self.0.draw()?);
            let open = Open { conversation: id.clone(), ..open.clone() };
            let key = ConversationKey::new(tenant.clone(), id);
            let held = self.0.turns.lock(&key).await;
            let message = self.message(actor, &turn, &sent);
            let of = Turning { actor, principal: principal.clone(), message, at: sent.at, ..self.turning(&key) };
            let turning = Turning { opening: Some(open), started: name.map(Into::into), ..of };
            // Nobody had this id before: there is nothing to load.
            *lock(&turning.seen) = Some(nothing());
            let result = self.answered(turning, turn.clone().into(), held).await?;
            // Where even its first commit takes longer than a turn may, it will be there, as far as anybody knows.
            if result.state.opened().is_some() || result.answer.phase == Phase::Working {
                let is_refused = result.events.is_empty() && result.answer.refused.is_some();
                return Ok(((!is_refused).then_some(key), result));
            }
        }
        // Somebody was faster, with the same name.
        let key = match there {
            Some(key) => key,
            None => holder().await?.ok_or(DriverError::Busy)?,
        };
        self.0.is_theirs(&key, &open).await?;
        let result = self.turn_as(&key, actor, principal, sent, turn).await?;
        Ok((Some(key), result))
    }

    /// One turn: answered when the machine waits for a person, or with phase `working` when `limits.turn` has passed; the rest then goes on
    /// by itself. The same message id twice is one turn.
    pub async fn turn(
        &self,
        conversation: &ConversationKey,
        actor: Actor,
        principal: Principal,
        message_id: Option<Arc<str>>,
        turn: Turn,
    ) -> Result<TurnResult, DriverError> {
        self.turn_as(conversation, actor, principal, Sent { id: message_id, ..Sent::default() }, turn).await
    }

    /// The same, with all that a caller may say of what it sends.
    pub async fn turn_as(
        &self,
        conversation: &ConversationKey,
        actor: Actor,
        principal: Principal,
        sent: Sent,
        turn: Turn,
    ) -> Result<TurnResult, DriverError> {
        let held = self.0.turns.lock(conversation).await;
        let message = self.message(actor, &turn, &sent);
        let turning = Turning { actor, principal, message, at: sent.at, ..self.turning(conversation) };
        let mut result = self.answered(turning, turn.into(), held).await?;
        let is_it = |e: &Event| matches!(e.body.plain(), EventBody::Turn(turn) if turn.id == sent.id);
        let answer = &mut result.answer;
        if let Some(id) = sent.id.as_ref().filter(|id| !result.repeated && result.state.has_taken(id) && !result.events.iter().any(is_it))
            && answer.messages.is_empty()
            && answer.phase != Phase::Working
        {
            // Whoever was sent it before died before it could answer: what it came to is on record.
            let (messages, sensitive) = self.said_under(conversation, id, actor).await?;
            answer.messages = messages;
            answer.sensitive |= sensitive;
        }
        Ok(result)
    }

    /// Wakes the conversations that wanted to be woken by now, and those whose sender is gone; says what came of each.
    pub async fn wake_due(&self, now: Timestamp) -> Result<Vec<(ConversationKey, TurnResult)>, DriverError> {
        let mut woken = Vec::new();
        for (_, key) in self.0.store.due(now, WAKES).await? {
            let result = self.wake(&key).await?;
            woken.push((key, result));
        }
        Ok(woken)
    }

    pub(super) async fn wake(&self, key: &ConversationKey) -> Result<TurnResult, DriverError> {
        let held = self.0.turns.lock(key).await;
        self.answered(self.turning(key), InputBody::Wake, held).await
    }

    /// Moves a manual clock, and wakes on the way whoever wants to be woken, in order.
    pub async fn advance(&self, by: Duration) -> Result<Vec<(ConversationKey, TurnResult)>, DriverError> {
        let Clock::Manual(clock) = &self.0.clock else { return Err(DriverError::NotManual) };
        let target = later(self.0.clock.now(), by);
        let mut woken = Vec::new();
        // A conversation that is woken and wants the same again would be woken for ever.
        let mut done = BTreeSet::new();
        while done.len() < WAKES {
            let due = self.0.store.due(target, done.len() + 1).await?;
            let Some((at, key)) = due.into_iter().find(|d| !done.contains(d)) else { break };
            clock.set(at);
            let result = self.wake(&key).await?;
            woken.push((key.clone(), result));
            done.insert((at, key));
        }
        clock.set(target);
        Ok(woken)
    }

    /// Resolves when a timer may have been set.
    pub(super) fn timer_set(&self) -> impl Future<Output = ()> + '_ {
        self.0.timer_set.notified()
    }

    /// Resolves when something may be owed to conditions.
    pub fn owed(&self) -> impl Future<Output = ()> + '_ {
        self.0.owed.notified()
    }

    /// An id that nothing else has.
    pub fn fresh_id(&self) -> Result<Arc<str>, DriverError> {
        Ok(new_id(self.0.clock.now(), &self.0.draw()?))
    }

    /// Waits until nothing of the conversation is under way, and gives where it stands then.
    pub async fn settled(&self, conversation: &ConversationKey, actor: Actor) -> Result<Answer, DriverError> {
        loop {
            let landed = self.0.landed.notified();
            if !self.0.background().contains_key(conversation) {
                return self.present(conversation, actor).await;
            }
            landed.await;
        }
    }

    /// Waits until no turn is under way any more, at most so long.
    pub async fn quiet(&self, limit: Duration) {
        let all = async {
            loop {
                let landed = self.0.landed.notified();
                if self.0.background().is_empty() {
                    return;
                }
                landed.await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("turns are left under way: whoever comes next takes them up");
        }
    }

    /// The id under which a turn's answer is recorded, and the digest of what was sent.
    fn message(&self, actor: Actor, turn: &Turn, sent: &Sent) -> Option<(Arc<str>, Arc<str>)> {
        // The debug form of a turn holds all of it; only its keyed digest is kept.
        let digest = || self.0.keys.digest(&[b"turn", format!("{actor:?} {turn:?}").as_bytes(), sent.with.as_bytes()]);
        sent.id.as_ref().map(|id| (id.clone(), Arc::from(digest())))
    }

    /// A turn of the driver's own.
    fn turning(&self, key: &ConversationKey) -> Turning {
        Turning {
            key: key.clone(),
            actor: Actor::System,
            principal: Principal::default(),
            message: None,
            opening: None,
            started: None,
            at: None,
            unaware: false,
            told: Arc::default(),
            seen: Mutex::default(),
            began: self.0.clock.now(),
            standing: Arc::default(),
            journeys: OnceLock::new(),
        }
    }

    /// Runs an input and all that follows from it. Holds the turn until it is answered.
    async fn answered(&self, mut turning: Turning, body: InputBody, held: Held) -> Result<TurnResult, DriverError> {
        let key = turning.key.clone();
        let (standing, told) = (turning.standing.clone(), turning.told.clone());
        let held = Arc::new(Mutex::new(Some(held)));
        *self.0.background().entry(key.clone()).or_default() += 1;
        let under_way = UnderWay { runtime: self.clone(), key, held: held.clone() };
        let this = self.0.clone();
        // A caller who goes away must not stop what has begun.
        let mut turn = Carried::new(async move {
            let _under_way = under_way;
            let what = kind(&body);
            let ran = this.run(&mut turning, body).await;
            if !lock(&turning.standing).repeated {
                this.seen(&turning, what, &ran);
            }
            ran
        });
        let limit = Duration::from_millis(self.0.versions.workspace().settings.limits.turn_ms);
        // Whoever goes away before the turn is done has no answer: what is asked from then on is put to nobody.
        let _left = Left(told.clone());
        match tokio::time::timeout(limit, &mut turn).await {
            Ok(Ok(Ok(()))) => Ok(std::mem::take(&mut lock(&standing))),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(Broken)) => Err(DriverError::Broken("a turn ended early")),
            Err(_) => {
                // It goes on by itself.
                drop(turn);
                // What is being committed at this moment is still told; of what comes after it, the caller knows nothing.
                let committed = tokio::time::timeout(TAKE_OVER, told.ended.lock()).await;
                told.answered.store(true, Ordering::Relaxed);
                let ended = committed.is_ok_and(|ended| *ended);
                lock(&held).take();
                let mut result = lock(&standing).clone();
                if !ended {
                    result.answer.phase = Phase::Working;
                    result.answer.awaiting_input = false;
                }
                Ok(result)
            }
        }
    }
}

/// Whoever waits for a turn's answer: gone when it is dropped.
struct Left(Arc<Told>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.answered.store(true, Ordering::Relaxed);
    }
}

/// What is under way in a conversation: gone when it is dropped, however it ended.
struct UnderWay<S: Store, P: Perform> {
    runtime: Runtime<S, P>,
    key: ConversationKey,
    held: Arc<Mutex<Option<Held>>>,
}

impl<S: Store, P: Perform> Drop for UnderWay<S, P> {
    fn drop(&mut self) {
        let inner = &self.runtime.0;
        {
            let mut background = inner.background();
            if let Some(n) = background.get_mut(&self.key) {
                *n -= 1;
                if *n == 0 {
                    background.remove(&self.key);
                }
            }
        }
        lock(&self.held).take();
        inner.landed.notify_waiters();
    }
}

impl<S: Store, P: Perform> Inner<S, P> {
    /// An input and all that follows from it, until somebody is waited for.
    async fn run(self: &Arc<Self>, turning: &mut Turning, body: InputBody) -> Result<(), DriverError> {
        let tried = match self.left(turning) {
            Some(left) => {
                *lock(&turning.seen) = Some(left);
                self.try_input(turning, body.clone(), true).await?
            }
            None => None,
        };
        let (mut calls, mut stepped) = match tried {
            Some(stepped) => (Calls::new(), stepped),
            None if self.is_repeated(turning).await? => return Ok(()),
            None => (self.take_up(turning).await?, self.input(turning, body).await?),
        };
        let turning = &*turning;
        let last = later(turning.began, Duration::from_millis(self.versions.workspace().settings.limits.turn_ms));
        for _ in 0..INPUTS {
            self.perform(&turning.key, stepped.effects, &calls);
            stepped = if let Some((flight, result)) = calls.next().await {
                self.keep(turning, flight, result).await?
            } else if let Some(at) = stepped.wake_at.filter(|at| stepped.working && *at <= last) {
                self.clock.sleep_until(at).await;
                self.input(turning, InputBody::Wake).await?
            } else {
                return Ok(());
            };
        }
        Err(DriverError::Broken("a turn did not come to an end"))
    }

    /// Commits what came of a call. Where the store cannot be written for a while it is tried again: what a service said of a write is not lost
    /// for that, nor does anybody in this process take the call for one whose sender is gone.
    async fn keep(&self, turning: &Turning, flight: Flight, result: CallResult) -> Result<Stepped, DriverError> {
        let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
        loop {
            let error = match self.input(turning, InputBody::Result(flight.effect().clone(), result.clone())).await {
                Err(DriverError::Store(e @ (StoreError::Unavailable(_) | StoreError::Unwritable(_)))) if waited < KEPT_FOR => e,
                other => return other,
            };
            tracing::warn!(%error, conversation = &*turning.key.id, "what came of a call cannot be kept yet: it is tried again");
            tokio::time::sleep(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
    }

    /// The conversation as this process left it, if a turn may be tried on that: its message is none that was taken, and nothing in it was
    /// left by anybody. Then all that the store could say against it, it says by not committing.
    fn left(&self, turning: &Turning) -> Option<Seen> {
        if lock(&turning.seen).is_some() {
            return None;
        }
        let left = self.states.left(&turning.key)?;
        let state = left.state.as_ref()?;
        let is_taken = turning.message.as_ref().is_some_and(|(id, _)| state.has_taken(id));
        (!is_taken && !self.is_lost(state) && self.take_overs(&turning.key, state).is_empty()).then_some(left)
    }

    /// Whether the turn's message was answered before: then it gets that answer again.
    async fn is_repeated(&self, turning: &Turning) -> Result<bool, DriverError> {
        let Some((id, digest)) = turning.message.as_ref().filter(|_| turning.opening.is_none()) else { return Ok(false) };
        let Some(reply) = self.store.reply(&turning.key, id, self.clock.now()).await? else { return Ok(false) };
        if reply.digest != *digest {
            return Err(DriverError::MessageReused(id.clone()));
        }
        *lock(&turning.standing) = TurnResult { answer: reply.answer, repeated: true, ..TurnResult::default() };
        Ok(true)
    }

    /// Loads the conversation, and takes up what others have left in it; gives the calls that follow from that.
    async fn take_up(self: &Arc<Self>, turning: &mut Turning) -> Result<Calls, DriverError> {
        let calls = Calls::new();
        let seen = lock(&turning.seen).take();
        let seen = match seen {
            Some(seen) => seen,
            None => self.load(&turning.key).await?,
        };
        let mut left = seen.state.as_ref().map(|s| self.take_overs(&turning.key, s)).unwrap_or_default();
        let lost = seen.state.as_ref().is_some_and(|s| self.is_lost(s));
        *lock(&turning.seen) = Some(seen);
        if lost {
            let stepped = self.input(turning, InputBody::Unsealed).await?;
            self.perform(&turning.key, stepped.effects, &calls);
            // What is asked for now, whoever sent this has not seen.
            turning.unaware = true;
            let seen = self.load(&turning.key).await?;
            left = seen.state.map(|s| self.take_overs(&turning.key, &s)).unwrap_or_default();
        }
        for effect in left {
            let stepped = self.input(turning, InputBody::TakeOver(effect)).await?;
            self.perform(&turning.key, stepped.effects, &calls);
        }
        Ok(calls)
    }

    /// Whether there is such a conversation; an error, if it is another user's or agent's.
    async fn is_theirs(&self, key: &ConversationKey, open: &Open) -> Result<bool, DriverError> {
        let Some(stored) = self.store.load(key, u64::MAX).await? else { return Ok(false) };
        let same = stored.owner.agent == open.agent && stored.owner.user == open.user_id;
        if same { Ok(true) } else { Err(DriverError::NotYours(key.id.clone())) }
    }

    /// Tells what came of a turn.
    fn seen(&self, turning: &Turning, what: &'static str, ran: &Result<(), DriverError>) {
        let workspace = self.versions.workspace();
        self.telemetry.turn(&telemetry::Seen {
            tenant: &turning.key.tenant,
            conversation: &turning.key.id,
            what,
            journeys: turning.journeys.get().map_or(&[], Vec::as_slice),
            events: &lock(&turning.standing).events,
            began: turning.began,
            ended: self.clock.now(),
            workspace: &workspace,
            failed: ran.as_ref().err().map(DriverError::code),
        });
    }

    /// Whether sensitive values are missing that no key opens, and nobody who may have the key has an action under way.
    fn is_lost(&self, state: &State) -> bool {
        let now = self.clock.now();
        state.is_lost() && !state.pending().any(|p| p.effect.is_some() && p.retry_at.is_none() && p.until >= now)
    }

    /// Effects in flight whose sender is gone, or past its time.
    fn take_overs(&self, key: &ConversationKey, state: &State) -> Vec<EffectId> {
        let now = self.clock.now();
        let lost = state.pending().filter(|p| p.retry_at.is_none() && p.until < now).filter_map(|p| p.effect);
        lost.filter(|e| !self.flights.has(key, e)).collect()
    }

    /// Starts what was allowed.
    fn perform(self: &Arc<Self>, key: &ConversationKey, effects: Vec<Effect>, calls: &Calls) {
        for Effect::Call(call) in effects {
            let (this, flight) = (self.clone(), self.flights.begin(key, &call.id));
            calls.push(Box::pin(async move {
                let performed = AssertUnwindSafe(this.call(*call)).catch_unwind().await;
                // The performer panicked: nobody knows how far it came.
                let result = performed.unwrap_or_else(|_| failed(ErrorKind::Internal, "performer", "the performer of the call broke off"));
                (flight, result)
            }));
        }
    }

    async fn call(&self, call: CallEffect) -> CallResult {
        let within = until(self.clock.now(), call.until);
        // Boxed, to be moved no more: what sends a request is large.
        match tokio::time::timeout(within, Box::pin(self.performer.perform(call))).await {
            Ok(result) => result,
            Err(_) => failed(ErrorKind::Timeout, "timeout", "the service did not answer in time"),
        }
    }

    /// Handles and commits one input. What it says is added to where the turn stands.
    async fn input(&self, turning: &Turning, body: InputBody) -> Result<Stepped, DriverError> {
        self.try_input(turning, body, false).await?.ok_or(DriverError::Busy)
    }

    /// The same; on nothing but what the turn has seen, if so wished: `None`, if that can lead to no commit.
    ///
    /// What this process left a conversation as is nearly always how it stands. Only a commit confirms it: whatever else would come of it,
    /// the store is asked first.
    async fn try_input(&self, turning: &Turning, body: InputBody, only_seen: bool) -> Result<Option<Stepped>, DriverError> {
        let _held = self.inputs.lock(&turning.key).await;
        let mut told = turning.told.ended.lock().await;
        let opening = match &body {
            InputBody::Open(open) => Some(open),
            _ => turning.opening.as_ref(),
        };
        self.save_texts().await?;
        let mut is_asked = false;
        for _ in 0..CONFLICTS {
            // What the turn has just seen stands, unless somebody here committed since; of anybody else the commit tells.
            let is_latest = |seen: &Seen| self.states.version(&turning.key).is_none_or(|v| v <= seen.version);
            let seen = lock(&turning.seen).take().filter(is_latest);
            let seen = if is_asked { seen.filter(|seen| seen.is_asked) } else { seen.or_else(|| self.states.left(&turning.key)) };
            let Seen { state, version, audit: head, is_asked: was_asked } = match seen {
                Some(seen) => seen,
                None if only_seen => return Ok(None),
                None => self.load(&turning.key).await?,
            };
            // From now on.
            is_asked = true;
            let opening = opening.filter(|_| state.is_none());
            let owner = opening.map(|open| Owner { agent: open.agent.clone(), user: open.user_id.clone() });
            let state = match state {
                Some(state) => state,
                None if opening.is_some() => Arc::default(),
                None => return Err(DriverError::NoConversation(turning.key.id.clone())),
            };
            let machine = match self.machine(&state).await {
                Err(_) if !was_asked => continue,
                machine => machine?,
            };
            let (now, entropy) = (self.clock.now(), self.draw()?);
            // A turn that begins a conversation finds it open.
            let begun = match opening.filter(|_| !matches!(body, InputBody::Open(_))) {
                Some(open) => Some(machine.handle(&state, opened(open, now, self.draw()?))),
                None => None,
            };
            let before = begun.as_ref().map_or(&*state, |b| &b.state);
            if is_sent(&body) && turning.at.is_some_and(|at| at != before.moved()) {
                if !was_asked {
                    continue;
                }
                return Err(DriverError::Stale);
            }
            let began_with = || turning.journeys.get_or_init(|| before.journeys().cloned().collect());
            let mut refused = Vec::new();
            for _ in 0..CLAIMS {
                let input = Input {
                    at: now,
                    actor: turning.actor,
                    principal: turning.principal.clone(),
                    message_id: turning.message.as_ref().filter(|_| is_sent(&body)).map(|(id, _)| id.clone()),
                    entropy,
                    refused: refused.clone(),
                    unaware: turning.unaware && is_sent(&body),
                    answered: turning.told.answered.load(Ordering::Relaxed),
                    body: body.clone(),
                };
                let progress = machine.handle(before, input);
                if !was_asked && progress.events.is_empty() && progress.claims.is_empty() {
                    break;
                }
                let after = Arc::new(progress.state);
                let working = progress.answer.phase == Phase::Working;
                *told = progress.effects.is_empty() && !working;
                let is_refused = progress.answer.refused.is_some() && matches!(body, InputBody::Command(_));
                let answer = turning.said_with(progress.answer);
                if let (Some(begun), true) = (&begun, is_refused) {
                    let state = Arc::new(begun.state.clone());
                    began_with();
                    *lock(&turning.standing) = TurnResult { answer, state, ..TurnResult::default() };
                    return Ok(Some(Stepped::default()));
                }
                if progress.events.is_empty() && progress.claims.is_empty() {
                    began_with();
                    turning.stands(answer, Vec::new(), after);
                    return Ok(Some(Stepped { effects: progress.effects, wake_at: progress.wake_at, working }));
                }
                // A process that dies with an effect in flight does not wake for it; whoever has the timers then does.
                let landed = after.pending().filter(|p| p.effect.is_some() && p.retry_at.is_none()).map(|p| later(p.until, TAKE_OVER));
                let wake_at = landed.chain(progress.wake_at).min();
                // What is recorded under the message's id is what the turn comes to, not how far it is.
                let ended = *told;
                let finished = after.status() == Status::Abandoned;
                let reply = turning.message.as_ref().filter(|_| ended);
                let events = match &begun {
                    Some(begun) => begun.events.iter().cloned().chain(progress.events).collect(),
                    None => progress.events,
                };
                let events = Arc::new(events);
                let (audit, audit_head) = self.audit.append(&turning.key, &head, now, &events)?;
                let end = audit_head.as_ref().unwrap_or(&head).clone();
                let owed = owing(machine.workspace(), &state, &events);
                let executions = attempts(&events);
                let holds = after.opened().map(|open| holds(&open.agent, &events)).unwrap_or_default();
                let commit = Commit {
                    key: turning.key.clone(),
                    expected: version,
                    now,
                    owner: owner.clone(),
                    snapshot: if finished {
                        Some(after.remains())
                    } else {
                        (after.version / SNAPSHOT_EVERY > version / SNAPSHOT_EVERY).then(|| State::clone(&after))
                    },
                    events: events.clone(),
                    claims: progress.claims.into_iter().chain(turning.start(now)).collect(),
                    wake_at,
                    reply: reply.map(|(id, digest)| Reply { message_id: id.clone(), digest: digest.clone(), answer: answer.clone() }),
                    audit,
                    audit_head,
                    holds,
                    executions,
                    pinned: (finished || !after.pinned().eq(state.pinned()))
                        .then(|| after.pinned().filter(|_| !finished).cloned().collect()),
                    owed,
                    finished,
                };
                let committed = self.store.commit(commit).await;
                let came = self.clock.now();
                self.telemetry.stored("commit", until(now, came));
                self.writable.came(came, &committed);
                match committed? {
                    Committed::Done { owes, .. } => {
                        began_with();
                        self.states.put(&turning.key, after.clone(), end);
                        if wake_at.is_some_and(|at| at.as_millisecond() <= self.looks_at.load(Ordering::SeqCst)) {
                            self.timer_set.notify_one();
                        }
                        if owes {
                            self.owed.notify_one();
                        }
                        self.watchers.tell(&turning.key);
                        turning.stands(answer, Arc::unwrap_or_clone(events), after);
                        return Ok(Some(Stepped { effects: progress.effects, wake_at: progress.wake_at, working }));
                    }
                    Committed::Conflict { .. } => {
                        if was_asked {
                            self.states.forget(&turning.key);
                        } else {
                            self.states.beware();
                        }
                        break;
                    }
                    Committed::ClaimRefused { refused: more } => {
                        if more.iter().any(|r| matches!(&r.claim, Claim::Other { kind, .. } if kind.as_str() == STARTED)) {
                            return Ok(Some(Stepped::default()));
                        }
                        // Another process took the message while this one waited.
                        let of_turn =
                            |r: &Refused| matches!((&r.claim, &turning.message), (Claim::Message { id }, Some((of, _))) if id == of);
                        if more.iter().any(of_turn) {
                            return if self.is_repeated(turning).await? { Ok(Some(Stepped::default())) } else { Err(DriverError::Busy) };
                        }
                        refused.extend(more);
                    }
                }
            }
        }
        Err(DriverError::Busy)
    }

    /// Keeps the texts of the workspace in the store, again and again, for the store drops those of which it hears nothing.
    async fn save_texts(&self) -> Result<(), DriverError> {
        let now = self.clock.now();
        if self.saved.holds(now) {
            return Ok(());
        }
        let saving = self.saved.begin().await;
        // Somebody else may have done it meanwhile.
        if !self.saved.holds(now) {
            texts::save(&self.store, &self.versions.workspace(), now).await?;
            saving.done(now);
        }
        Ok(())
    }

    /// A conversation as the store has it.
    pub(super) async fn load(&self, key: &ConversationKey) -> Result<Seen, DriverError> {
        let known = self.states.get(key);
        let began = self.clock.now();
        let loaded = self.store.load(key, known.as_ref().map_or(0, |s| s.version)).await;
        self.telemetry.stored("load", until(began, self.clock.now()));
        let Some(stored) = loaded? else {
            return Ok(nothing());
        };
        let mut state = stored.snapshot.map(Arc::new).or(known).unwrap_or_default();
        if !stored.events.is_empty() {
            let state = Arc::make_mut(&mut state);
            for event in &stored.events {
                state.apply(event);
            }
        }
        if state.version != stored.version {
            self.states.forget(key);
            return Err(StoreError::Corrupt(format!("the conversation `{}` has not the events that it should have", key.id)).into());
        }
        Ok(Seen { state: Some(state), version: stored.version, audit: stored.audit, is_asked: true })
    }

    /// The machine, with every version of the workspace that a state is pinned to.
    pub(super) async fn machine(&self, state: &State) -> Result<Arc<Machine>, DriverError> {
        let machine = self.versions.machine();
        let missing: Vec<_> = state.pinned().filter(|h| !machine.holds(h)).cloned().collect();
        if missing.is_empty() {
            return Ok(machine);
        }
        let mut found = Vec::new();
        for hash in &missing {
            found.push(texts::load(&self.store, hash).await?);
        }
        Ok(self.versions.add(found))
    }

    pub(super) fn draw(&self) -> Result<[u8; 32], DriverError> {
        self.draws.draw().ok_or(DriverError::Broken("the machine has no randomness to give"))
    }

    fn background(&self) -> MutexGuard<'_, BTreeMap<ConversationKey, usize>> {
        lock(&self.background)
    }
}

impl Turning {
    fn start(&self, now: Timestamp) -> Option<Claim> {
        let until = now.checked_add(MESSAGE_IDS_KEPT).ok();
        self.started.as_ref().map(|name| Claim::Other { kind: Name::new(STARTED), key: name.clone(), until })
    }

    /// An answer after one more input: all that was said, and the rest as it is now.
    fn said_with(&self, answer: Answer) -> Answer {
        let before = lock(&self.standing);
        let messages = before.answer.messages.iter().cloned().chain(answer.messages).collect();
        Answer { messages, sensitive: before.answer.sensitive || answer.sensitive, ..answer }
    }

    /// Where the turn stands now.
    fn stands(&self, answer: Answer, events: Vec<Event>, state: Arc<State>) {
        let mut standing = lock(&self.standing);
        (standing.answer, standing.state) = (answer, state);
        standing.events.extend(events);
    }
}

/// What events owe to conditions: told only where one is bound to them.
fn owing(workspace: &Arc<Workspace>, before: &Arc<State>, events: &Arc<Vec<Event>>) -> Owing {
    let names: Vec<&'static str> = may_happen(events).map(EventKind::as_str).collect();
    if names.is_empty() {
        return Owing::default();
    }
    let (workspace, before, events) = (workspace.clone(), before.clone(), events.clone());
    Owing::new(names, move || happened(&before, &events).into_iter().map(|h| owed(&workspace, h)).collect())
}

/// What an event owes to conditions. Journeys are called as their authors wrote them.
fn owed(workspace: &Workspace, happened: Happened) -> NewOwed {
    let Happened { event, mut data, depth } = happened;
    let journey = data.get("journey").and_then(|name| workspace.journey(name.as_str()?));
    if let (Some(shown), Some(map)) = (journey.map(|j| j.slug.shown.to_string()), data.as_object_mut()) {
        map.insert("journey".into(), shown.into());
    }
    NewOwed { event: event.as_str(), data: data.to_string().into(), depth }
}

/// What the store says of a conversation that is not there.
fn nothing() -> Seen {
    Seen { is_asked: true, ..Seen::default() }
}

fn failed(kind: ErrorKind, code: &str, detail: &str) -> CallResult {
    CallResult::Failed(CallFailure { kind, code: code.into(), sent: true, detail: detail.into(), retry_after_ms: None })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
