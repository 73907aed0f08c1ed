//! Runs a transcript: each turn through the driver, over a store in memory and a clock that stands still.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::cover::{Covered, Watch};
use super::expect::{Failure, Seen, check_all, has_unasked_write, is_gate, is_pinned};
use super::script::{Check, CheckKind, Entry, EntryKind, Script, Speaker, Word};
use super::stubs::{Call, Stubs};
use crate::check::Loaded;
use crate::driver::{Clock, DriverError, Entropy, Perform, Runtime, Turn, TurnResult};
use crate::engine::input::Open;
use crate::engine::{
    Actor, Answer, AuditEntry, CallEffect, CallResult, Case, Command, Event, EventBody, ExecutionStatus, Keys, Phase, Principal, State,
    Status,
};
use crate::model::ErrorKind;
use crate::outbound::{HttpPerformer, Secrets};
use crate::source::Span;
use crate::store::{ConversationKey, MemoryStore, Store, StoreError};
use crate::supervise::Identity;
use crate::understand::{Locale, Reply, classify};
use crate::value::{Json, Name, Value};

/// Where the clock stands if a transcript does not say.
pub(super) const NOW: &str = "2026-01-05T09:00:00Z";
/// How long a host's verification holds if a transcript does not say.
const VERIFIED: SignedDuration = SignedDuration::from_mins(15);
/// Events that one turn may lead to.
const EVENTS: usize = 1 << 20;

/// How transcripts are run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether calls that `calls` does not list and stubs that nothing calls are failures.
    pub strict: bool,
    /// Whether the real services are called where a transcript has no `stubs`.
    pub live: bool,
    /// The workspace's directory: secrets in files are relative to it.
    pub root: PathBuf,
}

/// Runs transcripts of one workspace.
#[derive(Debug)]
pub struct Runner {
    loaded: Loaded,
    options: Options,
}

/// Stubs, or the real services.
#[derive(Debug, Clone)]
enum Services {
    Stubbed(Stubs),
    Live(Stubs, HttpPerformer),
}

impl Perform for Services {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        match self {
            Self::Stubbed(stubs) => stubs.perform(effect).await,
            Self::Live(stubs, http) => {
                stubs.note(&effect);
                http.call(effect).await
            }
        }
    }
}

impl Runner {
    /// A runner.
    #[must_use]
    pub fn new(loaded: Loaded, options: Options) -> Self {
        Self { loaded, options }
    }

    /// Runs a transcript to its end, and gives what there is to record of it.
    pub async fn record(&self, script: &Script) -> Result<(Vec<Failure>, Vec<Event>), DriverError> {
        let talk = Talk::open(self, script).await?;
        let (store, key) = (talk.runtime.store().clone(), talk.key.clone());
        let failures = talk.run(script).await.failures;
        let events = store.events(&key, 0, EVENTS).await?;
        Ok((failures, events.into_iter().map(|(_, event)| event).collect()))
    }

    /// Runs a transcript to its end: every expectation that is not met. The same transcript gives the same every time.
    pub async fn run(&self, script: &Script) -> Vec<Failure> {
        self.watched(script).await.failures
    }

    /// The same, with what the conversation came to.
    pub async fn watched(&self, script: &Script) -> Watched {
        match Talk::open(self, script).await {
            Ok(talk) => talk.run(script).await,
            Err(error) => {
                let failure = Failure::new(script.span, format!("the conversation cannot be opened: {error}"));
                Watched { failures: vec![failure], ..Watched::default() }
            }
        }
    }

    /// The workspace.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }
}

/// What came of a transcript.
#[derive(Debug, Default)]
pub struct Watched {
    /// Every expectation that is not met.
    pub failures: Vec<Failure>,
    /// What the conversation came to.
    pub covered: Covered,
    /// What was to be seen after each entry of the talk.
    pub seen: Vec<After>,
}

/// What was to be seen after an entry.
#[derive(Debug, Clone)]
pub struct After {
    /// The last answer.
    pub answer: Answer,
    /// The calls that were made since the entry before.
    pub calls: Vec<Call>,
    /// Codes that calls were denied with since then.
    pub denied: Vec<Arc<str>>,
}

/// A process of a transcript: each has its own randomness, and the same in every run.
fn process(
    loaded: &Loaded,
    store: MemoryStore,
    services: Services,
    clock: Clock,
    number: u64,
) -> Result<Runtime<MemoryStore, Services>, DriverError> {
    Runtime::with(loaded.clone(), store, services, clock, Entropy::seeded(number), Keys::derive(b"transcript"))
}

/// A conversation under way.
struct Talk {
    loaded: Loaded,
    services: Services,
    processes: u64,
    runtime: Runtime<MemoryStore, Services>,
    stubs: Stubs,
    key: ConversationKey,
    strict: bool,
    /// Whether stubs that nothing calls are failures.
    unused: bool,
    state: State,
    variables: BTreeMap<Name, Value>,
    /// The last answer, and since the last expectations: where calls begin, and what was denied.
    answer: Answer,
    calls: usize,
    denied: Vec<Arc<str>>,
    /// Lines of the audit since the last expectations, and how many rows were read.
    audit: Vec<String>,
    audited: u64,
    failures: Vec<Failure>,
    /// Whether a gate may be another than it was, of which no expectation says anything.
    gated: bool,
    /// Whether what was said last was taken for a yes or a no to something else than a question.
    took: bool,
    /// Whether expectations since then say that no question stands there, and whether they name the calls.
    pinned: bool,
    called: bool,
    watch: Watch,
    seen: Vec<After>,
}

impl Talk {
    async fn open(runner: &Runner, script: &Script) -> Result<Self, DriverError> {
        let now = script.now.or_else(|| NOW.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let live = runner.options.live && script.stubs.is_none();
        // A real service does not wait for a clock that stands still.
        let clock = if live && script.now.is_none() { Clock::System } else { Clock::manual(now) };
        let stubs = Stubs::new(script.stubs.clone().unwrap_or_default(), clock.clone());
        let services = if live {
            let secrets = Secrets::environment(&runner.options.root);
            Services::Live(stubs.clone(), HttpPerformer::new(&runner.loaded, &secrets, clock.as_fn()))
        } else {
            Services::Stubbed(stubs.clone())
        };
        let runtime = process(&runner.loaded, MemoryStore::default(), services.clone(), clock, 1)?;
        let user_id = script.context.pointer("/identity/user_id").and_then(Json::as_str).unwrap_or("user");
        let open = Open {
            conversation: "transcript".into(),
            tenant: "test".into(),
            agent: runner.loaded.settings.agent_slug.clone(),
            user_id: user_id.into(),
            user: Arc::new(script.context.clone()),
        };
        let key = runtime.open(open).await?;
        Ok(Self {
            loaded: runner.loaded.clone(),
            services,
            processes: 1,
            runtime,
            stubs,
            key,
            strict: runner.options.strict || script.strict,
            unused: runner.options.strict,
            state: State::default(),
            variables: BTreeMap::new(),
            answer: Answer::default(),
            calls: 0,
            denied: Vec::new(),
            audit: Vec::new(),
            audited: 0,
            failures: Vec::new(),
            gated: false,
            took: false,
            pinned: false,
            called: false,
            watch: Watch::default(),
            seen: Vec::new(),
        })
    }

    async fn run(mut self, script: &Script) -> Watched {
        if let Some((journey, span)) = &script.journey {
            let start = Command::Start { journey: journey.clone(), variables: Vec::new() };
            self.turn(*span, Actor::Runtime, Turn::Command(start)).await;
            self.refused(*span, None);
        }
        let mut calls = 0;
        for (index, entry) in script.talk.iter().enumerate() {
            let denied = self.denied.len();
            self.entry(entry, script.talk.get(index + 1..).unwrap_or_default()).await;
            let denied = self.denied.get(denied..).unwrap_or_default().to_vec();
            self.seen.push(After { answer: self.answer.clone(), calls: self.stubs.calls_since(calls), denied });
            calls = self.stubs.calls();
        }
        if self.unused {
            for span in self.stubs.unused() {
                self.failures.push(Failure::new(span, "nothing called this stub"));
            }
        }
        self.gated |= has_unasked_write(&[], &self.stubs.calls_since(self.calls));
        for fix in self.failures.iter_mut().filter_map(|f| f.fix.as_mut()) {
            fix.gate |= self.gated;
        }
        Watched { failures: self.failures, covered: self.watch.covered().clone(), seen: self.seen }
    }

    /// Whether it is a yes or a no.
    fn is_a_word(&self, entry: &Entry) -> bool {
        match &entry.kind {
            EntryKind::Say(text) => matches!(classify(text, "", &Locale::new(&self.loaded.settings)), Reply::Yes | Reply::No),
            EntryKind::Command(_, command) | EntryKind::Operator(_, command) => {
                matches!(command, Command::Confirm { .. } | Command::Reject { .. })
            }
            EntryKind::Host(_) | EntryKind::Decision(..) | EntryKind::Wait(_) | EntryKind::Expect(_) | EntryKind::Crash => false,
        }
    }

    /// Whether a question may have stood where something else is said now. `after`: what follows on it.
    fn may_have_asked(&self, after: &[Entry]) -> bool {
        let reply = after.iter().find(|e| !matches!(e.kind, EntryKind::Wait(_) | EntryKind::Expect(_) | EntryKind::Crash));
        match reply {
            Some(reply) => self.is_a_word(reply) && !self.pinned,
            // Where a talk ends, no reply tells; whoever looks at the calls sees what a question kept back.
            None => !self.pinned && !self.called,
        }
    }

    async fn entry(&mut self, entry: &Entry, after: &[Entry]) {
        let next = after.first();
        match &entry.kind {
            EntryKind::Say(text) => {
                // A yes or a no that no question hears, and that is no value, option or step either: there was a question once.
                let other = matches!(self.answer.phase, Phase::Confirm | Phase::Guide | Phase::Investigate);
                let heard = other || self.answer.status == Status::Paused;
                self.took = false;
                self.turn(entry.span, Actor::User, Turn::Message(text.clone())).await;
                self.gated |= self.is_a_word(entry) && !heard && !self.took;
            }
            EntryKind::Command(speaker, command) => {
                let actor = match speaker {
                    Speaker::User => Actor::User,
                    Speaker::Agent => Actor::Agent,
                };
                self.turn(entry.span, actor, Turn::Command(command.clone())).await;
            }
            EntryKind::Operator(operator, command) => {
                let roles = operator.roles.clone().unwrap_or_else(|| self.runtime.workspace().roles());
                let principal = Principal { id: operator.id.clone(), roles, scopes: Vec::new() };
                let command = self.meant(command);
                self.turn_of(entry.span, Actor::Operator, principal, Turn::Command(command)).await;
            }
            EntryKind::Host(word) => {
                let scopes = ["context", "identity"].map(Arc::from).into();
                let principal = Principal { id: "host".into(), roles: Vec::new(), scopes };
                let command = self.sent_by_host(word);
                self.turn_of(entry.span, Actor::Runtime, principal, Turn::Command(command)).await;
            }
            EntryKind::Decision(journey, variables) => {
                let start = Command::Start { journey: journey.clone(), variables: variables.clone() };
                let principal = Principal { id: "action:test".into(), ..Principal::default() };
                self.turn_of(entry.span, Actor::System, principal, Turn::Command(start)).await;
            }
            EntryKind::Wait(by) => {
                let woken = self.runtime.advance(*by).await;
                match woken {
                    Ok(woken) => {
                        for (_, result) in woken {
                            self.take(entry.span, result).await;
                        }
                    }
                    Err(error) => self.failures.push(Failure::new(entry.span, error.to_string())),
                }
                return;
            }
            EntryKind::Expect(checks) => {
                let calls = self.stubs.calls_since(self.calls);
                let case = self.state.case().map(Case::json).unwrap_or_default();
                let seen = Seen {
                    case: &case,
                    answer: &self.answer,
                    variables: &self.variables,
                    calls: &calls,
                    denied: &self.denied,
                    audit: &self.audit,
                    strict: self.strict,
                };
                let failures = check_all(checks, &seen);
                let says = |c: &Check| matches!(c.kind, CheckKind::Says(_)) && failures.iter().any(|f| f.span == c.span);
                self.pinned |= is_pinned(checks);
                self.called |= checks.iter().any(|c| matches!(c.kind, CheckKind::Calls(_) | CheckKind::NotCalled(_)));
                self.gated |= checks.iter().any(says) && !is_gate(self.answer.phase) && self.may_have_asked(after);
                self.failures.extend(failures);
                self.gated |= has_unasked_write(checks, &calls);
                self.calls += calls.len();
                self.denied.clear();
                self.audit.clear();
                return;
            }
            EntryKind::Crash => {
                if let Err(error) = self.crash().await {
                    self.failures.push(Failure::new(entry.span, error.to_string()));
                }
                return;
            }
        }
        self.refused(entry.span, next);
    }

    /// Ends the process with all that it has in memory; the next one has only the store.
    async fn crash(&mut self) -> Result<(), DriverError> {
        self.processes += 1;
        let (store, clock) = (self.runtime.store().clone(), self.runtime.clock().clone());
        self.runtime = process(&self.loaded, store, self.services.clone(), clock, self.processes)?;
        self.answer = self.runtime.present(&self.key, Actor::User).await?;
        Ok(())
    }

    /// A refusal that nothing expects is a failure: the conversation did not go as it is written.
    fn refused(&mut self, span: Span, next: Option<&Entry>) {
        let expected = next.is_some_and(|n| match &n.kind {
            EntryKind::Expect(checks) => checks.iter().any(|c| matches!(c.kind, CheckKind::Refused(_))),
            _ => false,
        });
        if let (Some(refusal), false) = (&self.answer.refused, expected) {
            let actual = format!("{}: {}", refusal.code, refusal.reason);
            self.failures
                .push(Failure::new(span, "this was refused").expected("taken, or `refused` in the `expect` that follows").actual(actual));
        }
    }

    async fn turn(&mut self, span: Span, actor: Actor, turn: Turn) {
        self.turn_of(span, actor, Principal { id: "test".into(), roles: Vec::new(), scopes: Vec::new() }, turn).await;
    }

    /// The command with the id of what waits, where it names none.
    fn meant(&self, command: &Command) -> Command {
        let waits = || self.state.holds().last().map(|h| h.id.clone()).unwrap_or_default();
        match command.clone() {
            Command::Approve { hold, note } if hold.is_empty() => Command::Approve { hold: waits(), note },
            Command::Refuse { hold, note } if hold.is_empty() => Command::Refuse { hold: waits(), note },
            command => command,
        }
    }

    fn sent_by_host(&self, word: &Word) -> Command {
        match word {
            Word::Context(user) => Command::Context(user.clone()),
            Word::Command(command) => command.clone(),
            Word::Identified { subject, level, at, expires } => {
                let at = at.unwrap_or_else(|| self.runtime.clock().now());
                let expires = expires.or_else(|| at.checked_add(VERIFIED).ok()).unwrap_or(at);
                Command::Identified(Identity { subject: subject.clone(), level: *level, at, expires })
            }
        }
    }

    async fn turn_of(&mut self, span: Span, actor: Actor, principal: Principal, turn: Turn) {
        (self.pinned, self.called) = (false, false);
        match self.runtime.turn(&self.key, actor, principal, None, turn).await {
            Ok(result) => self.take(span, result).await,
            Err(error) => self.failures.push(Failure::new(span, error.to_string())),
        }
    }

    /// Takes in what came of a turn.
    async fn take(&mut self, span: Span, result: TurnResult) {
        self.answer = result.answer;
        match self.runtime.store().events(&self.key, self.state.version, EVENTS).await {
            Ok(events) => {
                for (_, event) in &events {
                    self.watch.see(&event.body);
                    self.took |= match &event.body {
                        EventBody::Filled(filled) => filled.value.json.is_boolean(),
                        EventBody::Entered { via: Some(via), .. } => via.starts_with("option:") || **via == *"picked",
                        _ => false,
                    };
                    if let EventBody::Failed { kind: ErrorKind::Denied | ErrorKind::RateLimited | ErrorKind::Busy, code, .. } = &event.body
                    {
                        self.denied.push(code.clone().unwrap_or_else(|| "denied".into()));
                    }
                    if let EventBody::Executing(executing) = &event.body
                        && executing.attempt.status == ExecutionStatus::Denied
                    {
                        self.denied.extend(executing.attempt.code.clone());
                    }
                    // A run takes its variables along when it ends.
                    if matches!(event.body, EventBody::Ended(_)) {
                        self.remember();
                    }
                    self.state.apply(event);
                }
            }
            Err(error) => self.failures.push(Failure::new(span, error.to_string())),
        }
        if self.state.place().is_some() {
            self.remember();
        }
        if let Err(error) = self.read_audit().await {
            self.failures.push(Failure::new(span, error.to_string()));
        }
        let already = |failures: &[Failure], message: &str| failures.iter().any(|f| f.message == message);
        for Call { action, shown, unanswered, .. } in self.stubs.calls_since(self.calls) {
            let message = format!("`{action}` was called, and no stub answers it");
            if unanswered && !already(&self.failures, &message) {
                let help = format!("a stub of `{action}` that fits these inputs");
                self.failures.push(Failure::new(span, message).expected(help).actual(format!("{action} {shown}")));
            }
        }
    }

    async fn read_audit(&mut self) -> Result<(), StoreError> {
        for row in self.runtime.store().audit(&self.key, self.audited + 1, EVENTS).await? {
            self.audited = row.seq;
            if let Ok(entry) = serde_json::from_str::<AuditEntry>(&row.text) {
                self.audit.extend(entry.texts());
            }
        }
        Ok(())
    }

    fn remember(&mut self) {
        self.variables = self.state.variables().map(|(name, value)| (name.clone(), value.clone())).collect();
    }
}
