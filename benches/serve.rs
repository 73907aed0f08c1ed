//! The service, as the program serves it over a real socket: against axum and reqwest by hand, against its own engine, and beside a service
//! that hangs.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "what a benchmark is made of must be sound")]

#[expect(dead_code, reason = "nothing is generated here")]
mod common;
#[path = "floors/axum.rs"]
#[expect(clippy::disallowed_methods, reason = "a program of its own")]
mod floor;
mod serving {
    pub mod orders;
    #[expect(dead_code, reason = "nobody's memory is looked at, and nobody else's program")]
    pub mod process;
    #[expect(dead_code, reason = "the floor speaks as ours does")]
    pub mod talk;
    #[expect(dead_code, reason = "others are measured by time")]
    pub mod wire;
}
#[path = "floors/sqlite.rs"]
#[expect(dead_code, reason = "the store's benchmark needs more of it")]
mod sqlite;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Report, median};
use serde_json::{Value, json};
use serving::orders::Orders;
use serving::process::{Program, workspace};
use serving::talk::{self, CONVERSE, Dialect, WORKSPACE};
use serving::wire::{self, Connection};
use waypost::driver::{Clock, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, Command, Principal};
use waypost::outbound::{HttpPerformer, Secrets};
use waypost::store::{Seals, SqliteStore};
use waypost::value::Name;

/// Connections that are busy at the same time.
const CONNECTIONS: usize = 32;
/// Conversations in one measurement.
const TALKS: usize = 4_000;
/// Turns of each connection in one measurement of turns without calls.
const CHATTER: usize = 500;
/// Pairs of measurements.
const PAIRS: usize = 5;
/// How long turns come at a fixed rate in one measurement.
const FIXED: Duration = Duration::from_secs(4);
/// Turns that hang while others are measured.
const HANGING: usize = 64;

/// What begins the conversation that is asked the same again and again.
const AGAIN: &str = r#"{"command":{"type":"start","journey":"again"},"actor":"user"}"#;

fn once_more(conversation: &str) -> String {
    format!(r#"{{"conversation_id":"{conversation}","command":{{"type":"choose","option":"once-more"}},"actor":"user"}}"#)
}

/// What all measurements share.
struct Bench {
    orders: Orders,
    directory: tempfile::TempDir,
    report: Report,
}

impl Bench {
    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("a path").to_owned()
    }

    fn ours(&self, store: &str) -> Program {
        Program::waypost(&self.directory.path().join("workspace"), store, &self.orders.url())
    }

    fn floor(&self, more: &[&str]) -> Program {
        Program::floor(&[&[&*self.path("answers.json"), &*self.orders.url()], more].concat())
    }

    /// Writes down what ours answers, for the floor to answer the same.
    fn record(&self) {
        let store = format!("sqlite:{}", self.path("one.db"));
        let ours = self.ours(&store);
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
        let answers: Vec<Value> = executor.block_on(async {
            let mut connection = Connection::open(ours.at).await;
            let (mut answers, mut conversation) = (Vec::new(), String::new());
            for turn in 0..talk::TURNS.len() {
                let (_, answer) = connection.post(CONVERSE, &Dialect::Converse.body(&conversation, turn, "A7")).await;
                Dialect::Converse.named(&mut conversation, answer);
                answers.push(serde_json::from_slice(answer).expect("JSON"));
            }
            let (_, begun) = connection.post(CONVERSE, AGAIN).await;
            Dialect::Converse.named(&mut conversation, begun);
            let (_, again) = connection.post(CONVERSE, &once_more(&conversation)).await;
            answers.push(std::str::from_utf8(again).expect("text").into());
            answers
        });
        std::fs::write(self.path("answers.json"), json!(answers).to_string()).expect("a file");
        for (n, answer) in answers.iter().enumerate() {
            println!("turn {}: {} bytes are answered", n + 1, answer.as_str().map_or_else(|| answer.to_string().len(), str::len));
        }
    }

    /// The server's CPU for a conversation, and for a turn without calls, in memory.
    fn in_memory(&mut self) {
        let (ours, floor) = (self.ours("memory"), self.floor(&[]));
        let used = |server: &Program, work: &dyn Fn()| {
            let before = server.cpu();
            work();
            server.cpu() - before
        };
        let talks = |server: &Program| used(server, &|| drop(wire::closed(server.at, Dialect::Converse, CONNECTIONS, TALKS)));
        talks(&floor);
        talks(&ours);
        let rows: Vec<(f64, f64)> = (0..PAIRS).map(|_| (talks(&floor), talks(&ours))).collect();
        let each = rows.iter().map(|(f, o)| (f / count(TALKS), o / count(TALKS))).collect();
        self.report.pairs("CPU of the server for a conversation of three turns and two calls / axum and reqwest", 1.5, each);
        let chat = |server: &Program, path| {
            used(server, &|| wire::chatter(server.at, path, CONNECTIONS, CHATTER, AGAIN, once_more)) / count(CHATTER * CONNECTIONS)
        };
        chat(&floor, "/nothing");
        chat(&ours, CONVERSE);
        let rows = (0..PAIRS).map(|_| (chat(&floor, "/nothing"), chat(&ours, CONVERSE))).collect();
        self.report.pairs("CPU of the server for a turn without calls / an empty handler", 2.0, rows);
    }

    /// Durable, in SQLite: the service against its own engine, and turns that come at a fixed rate against the same commits by hand.
    fn durable(&mut self) {
        let store = format!("sqlite:{}", self.path("ours.db"));
        let (ours, engine) = (self.ours(&store), Engine::new(&self.path("engine.db"), &self.orders));
        let served = || timed(|| drop(wire::closed(ours.at, Dialect::Converse, CONNECTIONS, TALKS)));
        engine.talks();
        served();
        let rows: Vec<_> = (0..PAIRS).map(|_| (timed(|| engine.talks()), served())).collect();
        let top = median(rows.iter().map(|(_, ours)| count(TALKS) / ours).collect());
        println!(
            "durable: {top:.0} conversations a second, the engine by itself {:.0}",
            median(rows.iter().map(|r| count(TALKS) / r.0).collect())
        );
        self.report.pairs("32 connections, durable: the service / the engine by itself", 2.0, rows);
        drop(engine);

        let floor = self.floor(&[&self.path("one.db"), &self.path("floor.db")]);
        let late = |server: &Program| {
            let times = wire::open(server.at, Dialect::Converse, top / 2.0, FIXED);
            wire::percentile(times, 99).as_secs_f64()
        };
        late(&floor);
        late(&ours);
        let rows = (0..PAIRS).map(|_| (late(&floor), late(&ours))).collect();
        self.report.pairs("p99 of a turn at half of the top rate, durable / axum and reqwest with the same commits", 1.5, rows);
    }

    /// Turns beside others that hang in a service, against the same turns alone.
    fn hanging(&mut self) {
        let store = format!("sqlite:{}", self.path("hanging.db"));
        let ours = self.ours(&store);
        let top = count(TALKS) / timed(|| drop(wire::closed(ours.at, Dialect::Converse, CONNECTIONS, TALKS)));
        let late = || wire::percentile(wire::open(ours.at, Dialect::Converse, top / 4.0, FIXED), 99).as_secs_f64();
        let mut rows = Vec::new();
        for _ in 0..PAIRS {
            let alone = late();
            let hung = hang(ours.at, &self.orders);
            rows.push((alone, late()));
            assert_eq!(self.orders.hanging(), HANGING, "they hang to the end");
            self.orders.let_go();
            hung.join().expect("they are answered");
        }
        self.report.pairs("p99 of a turn beside 64 that hang in a service / alone", 1.5, rows);
    }
}

/// Turns that hang, each on a connection of its own.
#[expect(clippy::disallowed_methods, reason = "they wait in a thread of their own")]
fn hang(at: std::net::SocketAddr, orders: &Orders) -> std::thread::JoinHandle<()> {
    let thread = std::thread::spawn(move || wire::each(at, HANGING, r#"{"command":{"type":"start","journey":"wait"},"actor":"user"}"#));
    while orders.hanging() < HANGING {
        std::thread::yield_now();
    }
    thread
}

/// The engine without the service: the same conversations over the same kind of store, with the same calls.
struct Engine {
    executor: tokio::runtime::Runtime,
    runtime: Runtime<SqliteStore, HttpPerformer>,
}

impl Engine {
    fn new(file: &str, orders: &Orders) -> Self {
        let files = WORKSPACE.map(|(name, text)| (name.into(), text.into()));
        let loaded = waypost::check::load(files.into()).loaded().expect("the workspace checks");
        let performer = HttpPerformer::new(loaded.workspace(), &Secrets::given([("SHOP_URL", orders.url())]), Clock::System.as_fn());
        let store = SqliteStore::open(Path::new(file), Seals::default()).expect("a store");
        let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
        Self { executor, runtime: Runtime::new(loaded, store, performer, Clock::System).expect("a runtime") }
    }

    fn talks(&self) {
        let next = Arc::new(AtomicUsize::new(0));
        self.executor.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                let (runtime, next) = (self.runtime.clone(), next.clone());
                all.spawn(async move {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= TALKS {
                            return;
                        }
                        talk(&runtime, n).await;
                    }
                });
            }
            while let Some(done) = all.join_next().await {
                done.expect("a connection");
            }
        });
    }
}

async fn talk(runtime: &Runtime<SqliteStore, HttpPerformer>, n: usize) {
    let user = Arc::new(json!({}));
    let open = Open { conversation: "".into(), tenant: "default".into(), agent: "default".into(), user_id: "".into(), user };
    let key = runtime.open(open).await.expect("a conversation");
    let turns = [
        Command::Start { journey: Name::new("order-status"), variables: Vec::new() },
        Command::Fill(vec![(Name::new("order_id"), json!(format!("A{n}")))]),
        Command::Confirm { question: None },
    ];
    for (command, expected) in turns.into_iter().zip(talk::TURNS) {
        let turn = Turn::Command(command);
        let result = runtime.turn(&key, Actor::User, Principal::default(), None, turn).await.expect("a turn");
        assert!(result.answer.text().contains(expected), "{:?}", result.answer);
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn count(n: usize) -> f64 {
    n as f64
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let Some(("floor", args)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return floor::run(args);
    }
    let wanted = |part: &str| args.is_empty() || args.iter().any(|a| a == part);
    let directory = tempfile::tempdir().expect("a directory");
    workspace(&directory.path().join("workspace"));
    let mut bench = Bench { orders: Orders::start(), directory, report: Report::default() };
    bench.record();
    if wanted("memory") {
        bench.in_memory();
    }
    if wanted("durable") {
        bench.durable();
    }
    if wanted("hanging") {
        bench.hanging();
    }
    bench.report.finish();
}
