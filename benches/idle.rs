//! Idle conversations cost disk, not memory: the program over a store that holds very many, each with a timer.
//!
//! `IDLE=1000000 cargo bench --bench idle` for a million; they are made by the engine first, which takes minutes.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "what a benchmark is made of must be sound")]

#[expect(dead_code, reason = "nothing is generated or paired here")]
mod common;
mod serving {
    #[expect(dead_code, reason = "nothing hangs here")]
    pub mod orders;
    #[expect(dead_code, reason = "nobody's CPU is looked at, and there is no floor")]
    pub mod process;
    #[expect(dead_code, reason = "only ours is spoken to")]
    pub mod talk;
    #[expect(dead_code, reason = "the service's benchmark needs more of it")]
    pub mod wire;
}

use std::sync::Arc;
use std::time::Instant;

use common::{Report, median, show};
use serde_json::json;
use serving::orders::Orders;
use serving::process::{Program, workspace};
use serving::talk::{CONVERSE, WORKSPACE};
use serving::wire::Connection;
use waypost::driver::{Clock, Entropy, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Command, Principal};
use waypost::outbound::Secrets;
use waypost::service::storage;
use waypost::store::{Address, AnyStore, Store as _};
use waypost::value::Name;

/// Conversations if nobody says otherwise.
const IDLE: usize = 20_000;
/// Conversations that are made at the same time.
const AT_ONCE: usize = 128;
/// Conversations that are spoken to.
const SPOKEN_TO: usize = 1_000;

type Engine = Runtime<AnyStore, fn(CallEffect) -> std::future::Ready<CallResult>>;

fn no_call(_: CallEffect) -> std::future::Ready<CallResult> {
    std::future::ready(CallResult::answered(500, json!(null)))
}

async fn begin(engine: &Engine) -> Arc<str> {
    let user = Arc::new(json!({"identity": {"user_name": "Nora Falk", "user_email": "nora.falk@example.com"}}));
    let open = Open { conversation: "".into(), tenant: "default".into(), agent: "default".into(), user_id: "".into(), user };
    let key = engine.open(open).await.expect("a conversation");
    let start = Turn::Command(Command::Start { journey: Name::new("order-status"), variables: Vec::new() });
    engine.turn(&key, Actor::User, Principal::default(), None, start).await.expect("a turn");
    key.id
}

/// Makes so many, and gives the ids of some of them.
async fn make(address: &Address, count: usize) -> Vec<Arc<str>> {
    let loaded = waypost::check::load(WORKSPACE.map(|(name, text)| (name.into(), text.into())).into()).loaded().expect("it checks");
    let secrets = Secrets::given([("SHOP_URL", "http://127.0.0.1:9")]);
    let opened = storage::open(address, &loaded.settings, &secrets).await.expect("a store");
    let engine = Engine::with(loaded, opened.store, no_call, Clock::System, Entropy::System, opened.keys).expect("an engine");
    let mut all = tokio::task::JoinSet::new();
    for part in 0..AT_ONCE {
        let engine = engine.clone();
        all.spawn(async move {
            let mut some = Vec::new();
            for n in (part..count).step_by(AT_ONCE) {
                let id = begin(&engine).await;
                if n % (count / SPOKEN_TO).max(1) == 0 {
                    some.push(id);
                }
            }
            some
        });
    }
    let mut some = Vec::new();
    while let Some(done) = all.join_next().await {
        some.extend(done.expect("conversations"));
    }
    let stat = engine.store().stat().await.expect("a stat");
    assert_eq!((stat.conversations, stat.timers), (count as u64, count as u64), "each is there and has a timer");
    println!("{count} conversations, {} bytes on disk each", stat.bytes / count as u64);
    some
}

/// How long a turn takes that changes nothing.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
async fn turn(connection: &mut Connection, id: &str) -> f64 {
    let body = format!(r#"{{"conversation_id":"{id}","command":{{"type":"fill","values":{{"order_id":"?"}}}},"actor":"user"}}"#);
    let began = Instant::now();
    let (status, answer) = connection.post(CONVERSE, &body).await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(answer));
    took
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is told what to do, and reads the clock")]
fn main() {
    let count = std::env::var("IDLE").ok().and_then(|n| n.parse().ok()).unwrap_or(IDLE);
    let directory = tempfile::tempdir().expect("a directory");
    workspace(&directory.path().join("workspace"));
    let file = directory.path().join("idle.db");
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
    let began = Instant::now();
    let some = executor.block_on(make(&Address::Sqlite(file.clone()), count));
    println!("made in {}", show(began.elapsed().as_secs_f64()));
    drop(executor);

    let mut report = Report::default();
    let began = Instant::now();
    let orders = Orders::start();
    let program = Program::waypost(&directory.path().join("workspace"), &format!("sqlite:{}", file.display()), &orders.url());
    report.most("start", began.elapsed().as_secs_f64(), 5.0, "s");
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
    let (cold, warm): (Vec<f64>, Vec<f64>) = executor.block_on(async {
        let mut connection = Connection::open(program.at).await;
        turn(&mut connection, &some[0]).await;
        let mut times = Vec::new();
        for id in &some[1..] {
            times.push((turn(&mut connection, id).await, turn(&mut connection, id).await));
        }
        times.into_iter().unzip()
    });
    println!("a turn: cold {}, warm {}", show(median(cold.clone())), show(median(warm.clone())));
    report.most("the first turn on a cold conversation, over a warm one", (median(cold) - median(warm)) * 1e3, 2.0, "ms");
    report.most("resident", program.resident() / 1e6, 200.0, "MB");
    report.finish();
}
