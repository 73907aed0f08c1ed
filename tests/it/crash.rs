//! The crash matrix: a process that dies at any point of any shipped conversation, and another that goes on from the store.
//!
//! Every transcript of the shipped workspace and of the retail one is run once whole, and then once for each point: at each commit before and after it, at
//! each request before it is sent, after it, and when its answer was there and not committed. What comes of it in the end is compared.
//! Once at a back end that tells repeated requests by their key, once at one that does not and would do everything again.

pub mod mortal;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use waypost::check::{self, Loaded};
use waypost::driver::{Clock, Entropy, Perform, Runtime, Turn, files};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallFailure, CallResult, EventBody, Keys, Phase, Principal};
use waypost::model::ErrorKind;
use waypost::model::action::Effects;
use waypost::source::FileId;
use waypost::store::{ConversationKey, MemoryStore, Store};
use waypost::transcript::{EntryKind, Script, Speaker, Stubs, read};

use mortal::{Life, Mortal, Point, mortal};

/// A back end that remembers what was done at it.
#[derive(Clone)]
struct Backend(Arc<Inner>);

struct Inner {
    stubs: Stubs,
    knows_keys: bool,
    after: After,
    seen: Mutex<Seen>,
}

/// Of each request, how many writes had come before it was first made.
type After = BTreeMap<String, usize>;

#[derive(Default)]
struct Seen {
    /// Writes that were done.
    done: Vec<String>,
    /// Writes that came, done or not.
    came: usize,
    after: After,
    by_key: BTreeMap<String, CallResult>,
    /// The last answer, by its effect and request.
    last: Option<(String, String, CallResult)>,
    /// An answer that nobody got: who asks the same is told the same.
    lost: Option<(String, CallResult)>,
}

impl Backend {
    async fn call(&self, effect: CallEffect) -> CallResult {
        let request = format!("{} {}", effect.request.action, effect.inputs);
        let write = effect.request.effects == Effects::Write;
        let key = effect.request.idempotency_key.as_deref().filter(|_| self.0.knows_keys).map(str::to_owned);
        let id = effect.id.0.to_string();
        let again = {
            let mut seen = self.0.seen.lock().unwrap();
            let came = seen.came;
            // What the script lets it answer to a look after a write, it does not know before one came.
            if !write && self.0.after.get(&request).is_some_and(|after| came < *after) {
                return CallResult::Failed(CallFailure {
                    kind: ErrorKind::Connect,
                    code: "refused".into(),
                    sent: false,
                    detail: "no write has come that could be looked for".into(),
                    retry_after_ms: None,
                });
            }
            seen.after.entry(request.clone()).or_insert(came);
            seen.came += usize::from(write);
            let known = key.as_ref().and_then(|k| seen.by_key.get(k).cloned());
            known.or_else(|| seen.lost.take_if(|(r, _)| !write && *r == request).map(|(_, result)| result))
        };
        let result = match again {
            Some(result) => result,
            None => self.0.stubs.perform(effect).await,
        };
        let mut seen = self.0.seen.lock().unwrap();
        let first = key.is_none_or(|k| seen.by_key.insert(k, result.clone()).is_none());
        if write && first && !matches!(&result, CallResult::Answered(a) if (400..500).contains(&a.status)) {
            seen.done.push(request.clone());
        }
        seen.last = Some((id, request, result.clone()));
        result
    }
}

/// Performs at the back end, for as long as its process lives.
struct Client {
    life: Arc<Life>,
    backend: Backend,
}

impl Perform for Client {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        let n = self.life.next_call();
        self.life.pass(Point::BeforeSend(n)).await;
        let result = self.backend.call(effect).await;
        self.life.pass(Point::AfterSend(n)).await;
        result
    }
}

/// What a conversation came to.
#[derive(Debug)]
struct Outcome {
    stands: String,
    variables: BTreeMap<String, Json>,
    identity: Option<(String, u32)>,
    said: Vec<String>,
    done: Vec<String>,
    in_doubt: bool,
    /// Whether a rate was used up.
    rated: bool,
}

impl Outcome {
    fn is_same(&self, other: &Self) -> bool {
        let all = |o: &Self| (o.stands.clone(), o.variables.clone(), o.identity.clone(), o.said.clone(), o.done.clone(), o.in_doubt);
        all(self) == all(other)
    }

    /// Whether it went to a person because a request that nobody knows the end of was one too many of a rate.
    fn ran_out(&self, whole: &Self) -> bool {
        self.stands.starts_with("Escalated") && whole.rated && self.rated
    }
}

type Living = (Arc<Life>, Runtime<Mortal, Client>);

struct World<'w> {
    loaded: &'w Loaded,
    script: &'w Script,
    store: MemoryStore,
    clock: Clock,
    backend: Backend,
    key: ConversationKey,
}

impl<'w> World<'w> {
    fn new(loaded: &'w Loaded, script: &'w Script, knows_keys: bool, after: After) -> Self {
        let clock = Clock::manual(script.now.unwrap_or_else(|| "2026-11-22T09:00:00Z".parse().unwrap()));
        let stubs = Stubs::new(script.stubs.clone().unwrap_or_default(), clock.clone());
        let backend = Backend(Arc::new(Inner { stubs, knows_keys, after, seen: Mutex::default() }));
        Self { loaded, script, store: MemoryStore::new(), clock, backend, key: ConversationKey::new("acme", "c") }
    }

    /// A process of this conversation, with that life before it.
    fn process(&self, life: &Arc<Life>) -> Runtime<Mortal, Client> {
        let store = mortal(self.store.clone(), life.clone());
        let client = Client { life: life.clone(), backend: self.backend.clone() };
        // Its own randomness, as another process has.
        let entropy = Entropy::seeded(life.seed());
        Runtime::with(self.loaded.clone(), store, client, self.clock.clone(), entropy, Keys::derive(b"matrix")).unwrap()
    }

    /// Does something in the process that lives; when that dies, once more in the next one.
    async fn surviving<T>(&self, living: &mut Living, act: impl AsyncFn(Runtime<Mortal, Client>) -> T) -> T {
        for _ in 0..2 {
            let (life, process) = living.clone();
            tokio::select! {
                biased;
                result = act(process) => return result,
                () = life.died() => {}
            }
            *living = self.born(None);
            self.lose_answer().await;
        }
        panic!("the second process died too");
    }

    fn born(&self, die_at: Option<Point>) -> Living {
        let life = Arc::new(Life::until(die_at));
        (life.clone(), self.process(&life))
    }

    /// What was answered and not committed, nobody knows of.
    async fn lose_answer(&self) {
        let last = self.backend.0.seen.lock().unwrap().last.take();
        if let Some((id, request, result)) = last {
            let events = self.store.events(&self.key, 0, usize::MAX).await.unwrap();
            let known = events.iter().any(|(_, e)| matches!(&e.body, EventBody::ActionFinished(f) if *f.effect.0 == *id));
            self.backend.0.seen.lock().unwrap().lost = (!known).then_some((request, result));
        }
    }

    async fn run(&self, die_at: Option<Point>) -> (Outcome, Arc<Life>) {
        let mut life = self.born(die_at);
        let first = life.0.clone();
        let script = self.script;
        let user = script.context.pointer("/identity/user_id").and_then(Json::as_str).unwrap_or("user");
        let open = Open {
            conversation: self.key.id.clone(),
            tenant: self.key.tenant.clone(),
            agent: self.loaded.workspace().settings.agent_slug.clone(),
            user_id: user.into(),
            user: Arc::new(script.context.clone()),
        };
        self.surviving(&mut life, async |process| drop(process.open(open.clone()).await.unwrap())).await;
        let start = script.journey.iter().map(|(journey, span)| waypost::transcript::Entry {
            span: *span,
            kind: EntryKind::Command(Speaker::User, waypost::engine::Command::Start { journey: journey.clone(), variables: Vec::new() }),
        });
        for (n, entry) in start.chain(script.talk.iter().cloned()).enumerate() {
            let (actor, turn) = match &entry.kind {
                EntryKind::Say(text) => (Actor::User, Turn::Message(text.clone())),
                EntryKind::Command(speaker, command) => (
                    match speaker {
                        Speaker::User => Actor::User,
                        Speaker::Agent => Actor::Agent,
                    },
                    Turn::Command(command.clone()),
                ),
                EntryKind::Operator(_, command) => (Actor::Operator, Turn::Command(command.clone())),
                EntryKind::Wait(by) => {
                    let until = self.clock.now() + *by;
                    let wait = async |process: Runtime<Mortal, Client>| {
                        let left = until.duration_since(self.clock.now());
                        process.advance(Duration::try_from(left).unwrap_or_default()).await.unwrap();
                    };
                    self.surviving(&mut life, wait).await;
                    continue;
                }
                _ => continue,
            };
            let principal = Principal { id: "test".into(), roles: Vec::new(), scopes: Vec::new() };
            // A question that came while nobody was there is put again to who answers it blindly, and answered once more.
            for again in 0..2 {
                let id: Arc<str> = format!("m{n}.{again}").into();
                let stood = self.store.load(&self.key, u64::MAX).await.unwrap().map_or(0, |s| s.version);
                // Who got no answer sends it again, under the same id.
                let say = async |process: Runtime<Mortal, Client>| {
                    process.turn(&self.key, actor, principal.clone(), Some(id.clone()), turn.clone()).await.unwrap();
                };
                self.surviving(&mut life, say).await;
                self.settled(&mut life).await;
                let since = self.store.events(&self.key, stood, usize::MAX).await.unwrap();
                let unseen = |e: &EventBody| matches!(e, EventBody::Noted { text } if text.ends_with("it is put again"));
                if !first.is_over() || !since.iter().any(|(_, e)| unseen(&e.body)) {
                    break;
                }
            }
        }
        (self.outcome(&life.1).await, first)
    }

    /// Waits until nothing is under way.
    async fn settled(&self, life: &mut Living) {
        let settle = async |process: Runtime<Mortal, Client>| {
            for _ in 0..200 {
                if process.present(&self.key, Actor::User).await.unwrap().phase != Phase::Working {
                    return;
                }
                process.advance(Duration::from_secs(5)).await.unwrap();
            }
            panic!("it works for ever");
        };
        self.surviving(life, settle).await;
    }

    async fn outcome(&self, process: &Runtime<Mortal, Client>) -> Outcome {
        let state = process.state(&self.key).await.unwrap();
        let answer = process.present(&self.key, Actor::User).await.unwrap();
        let events = self.store.events(&self.key, 0, usize::MAX).await.unwrap();
        let options: Vec<_> = answer.options.iter().map(|o| &o.label).collect();
        let question = answer.question.as_ref().map(|q| &q.text);
        let said = events.iter().filter_map(|(_, e)| match &e.body {
            EventBody::Said { text, .. } => Some(text.to_string()),
            EventBody::Question(question) => Some(question.text.to_string()),
            _ => None,
        });
        // What is put again is the same.
        let mut said: Vec<String> = said.collect();
        said.dedup();
        Outcome {
            stands: format!("{:?} {:?} {:?} {:?} {options:?} {question:?}", answer.phase, answer.status, answer.journey, answer.outcome),
            variables: state.variables().map(|(n, v)| (n.to_string(), (*v.json).clone())).collect(),
            identity: state.identity().map(|i| (i.subject.to_string(), i.level)),
            said,
            done: self.backend.0.seen.lock().unwrap().done.clone(),
            in_doubt: events.iter().any(|(_, e)| matches!(&e.body, EventBody::Failed { kind: ErrorKind::InDoubt, .. })),
            rated: events
                .iter()
                .any(|(_, e)| matches!(&e.body, EventBody::Decided(d) if d.verdict.code().is_some_and(|c| &**c == "rate_limited"))),
        }
    }
}

/// What came of dying at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// To the same as without.
    Same,
    /// To a write of which it is said that nobody knows.
    InDoubt,
    /// To a person sooner: the request that was under way counts against a rate, whether it was sent or not.
    RanOut,
}

/// Compares; `Err` says what is wrong.
fn judge(whole: &Outcome, crashed: &Outcome) -> Result<Came, String> {
    let count = |list: &[String], what: &String| list.iter().filter(|d| *d == what).count();
    for what in &crashed.done {
        if count(&crashed.done, what) > count(&whole.done, what) {
            return Err(format!("done too often: {what}"));
        }
    }
    if crashed.is_same(whole) {
        return Ok(Came::Same);
    }
    if crashed.in_doubt {
        return Ok(Came::InDoubt);
    }
    if crashed.ran_out(whole) {
        return Ok(Came::RanOut);
    }
    Err(format!("it came to something else:\n  whole   {whole:?}\n  crashed {crashed:?}"))
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The workspaces that the repository ships, each with its transcripts.
const WORKSPACES: [(&str, &str); 2] = [("", "tests/journeys"), ("examples/retail", "examples/retail/tests")];

fn shipped(workspace: &str, knows_keys: bool) -> Loaded {
    let mut files = files::read_dir(&Path::new(ROOT).join(workspace)).unwrap();
    if !knows_keys {
        // Nobody promises for a service that does everything again.
        for (name, text) in &mut files {
            if name.starts_with("integrations/") {
                *text = text.replace("idempotency: key", "idempotency: none").replace("idempotency: natural", "idempotency: none").into();
            }
        }
    }
    check::load(files).loaded().unwrap()
}

fn scripts(loaded: &Loaded, directory: &str) -> Vec<(String, Script)> {
    let mut scripts = Vec::new();
    for (name, text) in files::read_yaml(&Path::new(ROOT).join(directory)).unwrap().files {
        let name = if directory.starts_with("examples") { format!("retail {name}") } else { name };
        for document in read(FileId(0), &text, Some(loaded)) {
            scripts.push((name.clone(), document.script.unwrap()));
        }
    }
    assert!(!scripts.is_empty(), "{directory} has no transcripts");
    scripts
}

/// Runs every `step`th point of every transcript, and draws the matrix.
async fn matrix(knows_keys: bool, step: usize) -> String {
    let all = WORKSPACES.map(|(workspace, directory)| {
        let loaded = shipped(workspace, knows_keys);
        let scripts = scripts(&loaded, directory);
        (loaded, scripts)
    });
    let mut rows: BTreeMap<String, BTreeMap<&'static str, BTreeMap<Came, usize>>> = BTreeMap::new();
    let mut columns = BTreeSet::new();
    let (mut wrong, mut runs, mut turn) = (Vec::new(), 0, 0);
    for (loaded, (file, script)) in all.iter().flat_map(|(loaded, scripts)| scripts.iter().map(move |s| (loaded, s))) {
        let world = World::new(loaded, script, knows_keys, After::new());
        let backend = world.backend.clone();
        let (whole, life) = world.run(None).await;
        let after = backend.0.seen.lock().unwrap().after.clone();
        for point in life.points() {
            turn += 1;
            if turn % step != 0 {
                continue;
            }
            runs += 1;
            let (crashed, life) = World::new(loaded, script, knows_keys, after.clone()).run(Some(point)).await;
            if !life.is_over() {
                wrong.push(format!("{file}: {}: {point:?} never came", script.name));
            }
            let name = life.column(point);
            columns.insert(name);
            match judge(&whole, &crashed) {
                Ok(came) => *rows.entry(file.clone()).or_default().entry(name).or_default().entry(came).or_default() += 1,
                Err(why) => wrong.push(format!("{file}: {}: {point:?}: {why}", script.name)),
            }
        }
    }
    let mut drawn = format!("{:<40}", "journey");
    for column in &columns {
        let _ = write!(drawn, "{column:>32}");
    }
    for (file, row) in &rows {
        let _ = write!(drawn, "\n{file:<40}");
        for column in &columns {
            let came = row.get(column).cloned().unwrap_or_default();
            let of = |what| came.get(&what).copied().unwrap_or(0);
            let ran_out = Some(of(Came::RanOut)).filter(|n| *n > 0).map_or_else(String::new, |n| format!(", {n} sooner"));
            let cell = format!("{} same, {} in doubt{ran_out}", of(Came::Same), of(Came::InDoubt));
            let _ = write!(drawn, "{cell:>32}");
        }
    }
    assert!(wrong.is_empty(), "{drawn}\n{} of {runs} went wrong:\n{}", wrong.len(), wrong.join("\n"));
    format!("{drawn}\n{runs} crashes\n")
}

/// Which points are tried: every 53rd, or as `CRASH_EVERY` says.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
fn every() -> usize {
    std::env::var("CRASH_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(53).max(1)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_crash_anywhere_is_made_good_where_services_know_keys() {
    println!("At services that tell repeated requests by their key:\n{}", block_on(matrix(true, every())));
}

#[test]
fn a_crash_anywhere_does_nothing_twice_where_they_do_not() {
    println!("At services that do everything again:\n{}", block_on(matrix(false, every())));
}
