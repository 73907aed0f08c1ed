//! Durable turns: against one SQLite writer that is handed the same rows and bytes, in commits, in bytes, and as conversations grow; on a
//! server, against `pgbench` with the same statements and connections.

#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "what a benchmark is made of must be sound, and it reads the clock")]

#[path = "../tests/it/store/cluster.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and do not mind")]
mod cluster;
#[expect(dead_code, reason = "other benchmarks need more of it")]
mod common;
#[path = "floors/sqlite.rs"]
mod floor;
#[path = "floors/pgbench.rs"]
#[expect(clippy::string_slice, clippy::indexing_slicing, clippy::panic, reason = "what a benchmark is made of must be sound")]
mod pgbench;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use common::{Report, median, show};
use serde_json::json;
use waypost::check::{self, Loaded};
use waypost::driver::{Clock, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Command, Principal};
use waypost::store::{ConversationKey, PostgresStore, Seals, SqliteStore, Store};
use waypost::value::Name;

/// Connections that talk at the same time.
const CONNECTIONS: usize = 32;
/// Fill turns of each in one measurement.
const FILLS: usize = 20;
/// Fields that a long conversation fills.
const FIELDS: usize = 260;
/// Three-turn conversations of each connection in one measurement.
const TALKS: usize = 10;

/// Pairs of measurements on a server.
const PAIRS: usize = 5;

type Shop<S> = Runtime<S, fn(CallEffect) -> std::future::Ready<CallResult>>;

fn no_call(_: CallEffect) -> std::future::Ready<CallResult> {
    std::future::ready(CallResult::answered(500, json!(null)))
}

/// One journey that asks for many fields, and one of two.
fn workspace() -> Loaded {
    let field = |n: usize| format!("- {{name: f{n:03}, type: string, ui: {{prompt: 'What is number {n}?'}}}}\n");
    let ask = |n: usize| format!("  - collect: [f{n:03}]\n");
    let fields: String = (0..FIELDS).map(field).collect();
    let long: String = (0..FIELDS).map(ask).collect();
    let head = |name: &str| format!("name: {name}\ntrigger: {{goal: {name}, examples: [{name} please]}}\njourney:\n");
    let short = format!("{}{}{}  - done: 'Thanks for {{{{ variables.f000 }}}}.'\n", head("short talk"), ask(0), ask(1));
    let files = [
        ("datapoints/all.yaml", fields),
        ("journeys/long.yaml", format!("{}{long}  - done: Thanks.\n", head("long talk"))),
        ("journeys/short.yaml", short),
    ];
    let checked = check::load(files.map(|(name, text)| (name.into(), text.into())).into());
    checked.loaded().unwrap_or_else(|| unreachable(&checked))
}

fn unreachable(checked: &check::Checked) -> Loaded {
    eprintln!("{}", checked.report().render(waypost::source::render::Format::Full, false));
    std::process::exit(2)
}

fn shop(loaded: &Loaded, file: &Path) -> Shop<SqliteStore> {
    shop_over(loaded, SqliteStore::open(file, Seals::default()).expect("a store"))
}

fn shop_over<S: Store>(loaded: &Loaded, store: S) -> Shop<S> {
    Runtime::new(loaded.clone(), store, no_call as fn(CallEffect) -> _, Clock::System).expect("a runtime")
}

async fn open<S: Store>(shop: &Shop<S>, user: usize, journey: &str) -> ConversationKey {
    let user_id: Arc<str> = format!("user-{user}").into();
    let user = Arc::new(json!({"identity": {"user_id": user_id}}));
    let open = Open { conversation: "".into(), tenant: "acme".into(), agent: "default".into(), user_id, user };
    let key = shop.open(open).await.expect("a conversation");
    command(shop, &key, Command::Start { journey: Name::new(journey), variables: Vec::new() }).await;
    key
}

async fn command<S: Store>(shop: &Shop<S>, key: &ConversationKey, command: Command) {
    let result = shop.turn(key, Actor::Agent, Principal::default(), None, Turn::Command(command)).await.expect("a turn");
    assert!(result.answer.refused.is_none() && result.answer.errors.is_empty(), "{:?}", result.answer);
}

async fn fill<S: Store>(shop: &Shop<S>, key: &ConversationKey, n: usize) {
    command(shop, key, Command::Fill(vec![(Name::new(&format!("f{n:03}")), json!(format!("what was asked for, {n}")))])).await;
}

/// The same at every connection, at the same time.
async fn at_each<F: Future<Output = ()> + Send + 'static>(work: impl Fn(usize) -> F) {
    let mut all = tokio::task::JoinSet::new();
    for n in 0..CONNECTIONS {
        all.spawn(work(n));
    }
    while let Some(done) = all.join_next().await {
        done.expect("a connection");
    }
}

/// Brings everything into the file itself, and gives its length.
fn bytes(file: &Path) -> u64 {
    let connection = rusqlite::Connection::open(file).expect("the file");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, i64>(0)).expect("a checkpoint");
    std::fs::metadata(file).expect("the file").len()
}

/// A conversation at every connection, of which field after field is filled.
struct Filler<'a, S> {
    executor: &'a tokio::runtime::Runtime,
    shop: &'a Shop<S>,
    keys: Arc<[ConversationKey]>,
    filled: Cell<usize>,
}

impl<'a, S: Store> Filler<'a, S> {
    fn new(executor: &'a tokio::runtime::Runtime, shop: &'a Shop<S>) -> Self {
        let keys = executor.block_on(async {
            let mut keys = Vec::new();
            for n in 0..CONNECTIONS {
                keys.push(open(shop, n, "long-talk").await);
            }
            keys.into()
        });
        Self { executor, shop, keys, filled: Cell::new(0) }
    }

    /// Fills so many more in each, and says how many seconds that took.
    fn fill(&self, many: usize) -> f64 {
        let first = self.filled.replace(self.filled.get() + many);
        let began = Instant::now();
        self.executor.block_on(at_each(|n| {
            let (shop, keys) = (self.shop.clone(), self.keys.clone());
            async move {
                let key = keys.get(n).expect("a conversation for each");
                for i in first..first + many {
                    fill(&shop, key, i).await;
                }
            }
        }));
        began.elapsed().as_secs_f64()
    }
}

/// Fill turns, and what their number in a conversation does to their cost.
fn fills(report: &mut Report, executor: &tokio::runtime::Runtime, loaded: &Loaded) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");
    let shop = shop(loaded, &file);
    let filler = Filler::new(executor, &shop);
    // What the fifth turn costs, before the others.
    filler.fill(3);
    let early = median((0..5).map(|_| filler.fill(1)).collect());
    let stat = || executor.block_on(shop.store().stat()).expect("a stat");
    let (before, size) = (stat(), bytes(&file));

    let talks = floor::talks(&file).expect("rows");
    let of_one: Vec<floor::Rows> = talks.iter().filter_map(|t| t.last().cloned()).collect();
    let floor_file = directory.path().join("floor.db");
    let floor = RefCell::new(Some(floor::write(
        floor::file(&floor_file).expect("a file"),
        &of_one.iter().map(|r| vec![r.clone()]).collect::<Vec<_>>(),
        0,
        CONNECTIONS,
    )));
    let number = RefCell::new(1_000);
    let ours = || filler.fill(FILLS);
    let handed = || {
        let mut first = number.borrow_mut();
        let talk = |rows: &floor::Rows| -> floor::Talk {
            (0..FILLS).map(|i| floor::Rows { upto: *first + i64::try_from(i).expect("small"), ..rows.clone() }).collect()
        };
        let talks: Vec<_> = of_one.iter().map(talk).collect();
        *first += 1_000;
        let connection = floor.borrow_mut().take().expect("a file");
        *floor.borrow_mut() = Some(floor::write(connection, &talks, 1, CONNECTIONS));
    };
    report.pair("32 connections, 20 fill turns each / one writer handed the same rows", 2.0, handed, ours);
    let (after, turns) = (stat(), f64::from(u32::try_from(filler.filled.get() - 8).expect("small")) * 32.0);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let shared = (after.transactions - before.transactions) as f64 / turns;
    report.most("commits a fill turn at 32 connections", shared, 0.2, "commits");
    let late = median((0..5).map(|_| filler.fill(1)).collect());
    let turn = filler.filled.get() - 3;
    println!("turn 5: {}, turn {turn}: {} (32 at a time)", show(early / 32.0), show(late / 32.0));
    report.most(&format!("turn {turn} / turn 5"), late / early, 1.2, "times");
    drop(floor);
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let grown = bytes(&file).saturating_sub(size) as f64 / turns;
    println!("{grown:.0} bytes on disk for each of {turns} fill turns, audit and snapshots included");
}

/// Conversations of three turns: opened, begun, filled twice.
fn whole(report: &mut Report, executor: &tokio::runtime::Runtime, loaded: &Loaded) {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, floor_file) = (directory.path().join("store.db"), directory.path().join("floor.db"));
    let shop = shop(loaded, &file);
    let ours = || {
        executor.block_on(at_each(|n| {
            let shop = shop.clone();
            async move {
                for _ in 0..TALKS {
                    let key = open(&shop, n, "short-talk").await;
                    fill(&shop, &key, 0).await;
                    fill(&shop, &key, 1).await;
                }
            }
        }));
    };
    ours();
    let talks = floor::talks(&file).expect("rows");
    println!("a conversation of three turns: {} commits", talks.first().map_or(0, Vec::len));
    let handed = || {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", floor_file.display()));
        }
        floor::write(floor::file(&floor_file).expect("a file"), &talks, 0, CONNECTIONS);
    };
    report.pair("32 connections, 10 conversations of three turns each / one writer handed the same rows", 2.0, handed, ours);
}

/// What it takes to stand again where many conversations stood.
fn recovery(executor: &tokio::runtime::Runtime, loaded: &Loaded) {
    const OPEN: usize = 10_000;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");
    let first = shop(loaded, &file);
    executor.block_on(at_each(|n| {
        let shop = first.clone();
        async move {
            for _ in (n..OPEN).step_by(CONNECTIONS) {
                let key = open(&shop, n, "long-talk").await;
                fill(&shop, &key, 0).await;
            }
        }
    }));
    drop(first);
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let each = bytes(&file) as f64 / OPEN as f64;
    let began = Instant::now();
    let second = shop(loaded, &file);
    executor.block_on(async {
        let mut after = None;
        let mut count = 0;
        loop {
            let page = second.store().heads(after.as_ref(), 1_000).await.expect("heads");
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, _) in &page {
                second.expects(key, Actor::User).await.expect("a conversation");
                count += 1;
            }
        }
        assert_eq!(count, OPEN);
    });
    println!("10,000 open conversations stand again after {}, {each:.0} bytes on disk each", show(began.elapsed().as_secs_f64()));
}

/// What a server keeps of the first conversation of a database, commit by commit.
fn rows_of(cluster: &cluster::Cluster, database: &str) -> Vec<pgbench::Rows> {
    let sql = "SELECT e.count, encode(e.packed, 'hex'), a.mac, coalesce((SELECT min(hash) FROM waypost.pins p WHERE p.conversation = 1), ''), a.text
         FROM (SELECT *, row_number() OVER (ORDER BY upto) n FROM waypost.events WHERE conversation = 1) e
         JOIN waypost.audit a ON a.conversation = 1 AND a.seq = e.n ORDER BY e.upto";
    let printed = cluster.sql(database, sql);
    let read = |(n, line): (usize, &str)| {
        let mut parts = line.splitn(5, '|').map(str::to_owned);
        let mut next = || parts.next().expect("a column");
        let (count, packed, mac, hash) = (next().parse().expect("a number"), next(), next(), next());
        // The second commit of a conversation begins its journey.
        pgbench::Rows { count, packed, mac, pinned: (n == 1).then_some(hash), text: next() }
    };
    printed.lines().enumerate().map(read).collect()
}

/// The same on a server that syncs, against `pgbench`.
fn server(report: &mut Report, executor: &tokio::runtime::Runtime, loaded: &Loaded) {
    let (Some(cluster), Some(program)) = (cluster::Cluster::start(), pgbench::program()) else {
        return println!("skipped: PostgreSQL is not installed");
    };
    let database = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let opened =
        |url: &str| executor.block_on(PostgresStore::open(&format!("{url}?pool={CONNECTIONS}"), Seals::default())).expect("a store");
    let (url, floor_url) = (cluster.database(), cluster.database());
    let shop = shop_over(loaded, opened(&url));
    drop(opened(&floor_url));
    let directory = tempfile::tempdir().expect("a directory");

    let filler = Filler::new(executor, &shop);
    filler.fill(3);
    let rows = rows_of(&cluster, &database(&url));
    let last = rows.last().expect("rows");
    let fill_turn = pgbench::Script::new("'c-' || (:client_id)::text").load().commit(last, false).save(&directory.path().join("fill.sql"));
    let made = "INSERT INTO waypost.conversations (tenant, id, agent, user_id, version, updated)
         SELECT 'acme', 'c-' || n, 'default', 'user', 0, 0 FROM generate_series(0, 99) n";
    cluster.sql(&database(&floor_url), made);
    let version = RefCell::new(0);
    let floor = || {
        let step = last.count * i64::try_from(FILLS).expect("small");
        let v = version.replace_with(|v| *v + step);
        pgbench::run(&program, &floor_url, &fill_turn, CONNECTIONS, FILLS, v)
    };
    floor();
    let pairs = (0..PAIRS).map(|_| (floor(), filler.fill(FILLS))).collect();
    report.pairs("PostgreSQL: 32 connections, 20 fill turns each / pgbench with the same statements", 2.0, pairs);

    let url = cluster.database();
    let shop = shop_over(loaded, opened(&url));
    let talk = || {
        let began = Instant::now();
        executor.block_on(at_each(|n| {
            let shop = shop.clone();
            async move {
                for _ in 0..TALKS {
                    let key = open(&shop, n, "short-talk").await;
                    fill(&shop, &key, 0).await;
                    fill(&shop, &key, 1).await;
                }
            }
        }));
        began.elapsed().as_secs_f64()
    };
    talk();
    let rows = rows_of(&cluster, &database(&url));
    let mut script = pgbench::Script::new("'w-' || (:client_id)::text || '-' || (:round)::text")
        .set("round", "random(1, 9000000000000000)")
        .set("v", "0");
    script = script.load();
    for (n, rows) in rows.iter().enumerate() {
        script = script.load().commit(rows, n == 0);
    }
    let script = script.save(&directory.path().join("talk.sql"));
    let floor = || pgbench::run(&program, &floor_url, &script, CONNECTIONS, TALKS, 0);
    floor();
    let pairs = (0..PAIRS).map(|_| (floor(), talk())).collect();
    report.pairs("PostgreSQL: 32 connections, 10 conversations of three turns each / pgbench with the same statements", 2.0, pairs);
}

fn main() {
    let loaded = workspace();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
    let mut report = Report::default();
    fills(&mut report, &executor, &loaded);
    whole(&mut report, &executor, &loaded);
    server(&mut report, &executor, &loaded);
    recovery(&executor, &loaded);
    report.finish();
}
