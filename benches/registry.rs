//! Conditions: an event that concerns three of ten thousand against three in all, and evaluations against what the store alone does with
//! the same bytes.

#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "what a benchmark is made of must be sound, and it reads the clock")]

#[expect(dead_code, reason = "other benchmarks need more of it")]
mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::{PAIRS, Report};
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::driver::Clock;
use waypost::outbound::Secrets;
use waypost::registry::Decision;
use waypost::service::{Caller, Evaluate, Role, Service, Setup, storage};
use waypost::store::records::{NewOwed, Record, Records};
use waypost::store::{Address, Commit, ConversationKey, Owner, Store};

/// Conditions in all.
const MANY: usize = 10_000;
/// Events of one measurement.
const EVENTS: usize = 100;
/// Callers at the same time.
const CALLERS: usize = 32;
/// Evaluations of each in one measurement.
const EACH: usize = 20;

/// A workspace of these files, over a file.
async fn service(files: &[(&str, &str)], file: &Path) -> Service {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
    let loaded = check::load(files).loaded().expect("a sound workspace");
    let secrets = Secrets::given(Vec::<(String, String)>::new());
    let storage = storage::open(&Address::Sqlite(file.to_owned()), &loaded.settings, &secrets).await.expect("a store");
    let service = Service::open(loaded, storage, secrets, Clock::System, Setup::default()).expect("a service");
    service.define_files().await.expect("definitions");
    service
}

fn caller() -> Caller {
    Caller { key: "bench".into(), role: Role::Admin, tenant: "acme".into(), user: None, scopes: Vec::new(), elevated: true }
}

fn condition(n: usize, on: &str) -> Json {
    json!({
        "condition_id": format!("c{n}"), "version": "1", "namespace": "org", "on": [on], "input": "data.turns",
        "strategy": {"type": "threshold", "params": {"direction": "above", "value": n % 7}},
    })
}

/// Owes events to conditions, and gives the seconds that it takes to settle them.
async fn settled(service: &Service, round: usize) -> f64 {
    let store = service.runtime().store();
    for n in 0..EVENTS {
        let key = ConversationKey::new("acme", format!("k-{round}-{n}"));
        let owed = NewOwed { event: "conversation.escalated", data: r#"{"turns": 3, "queue": "care"}"#.into(), depth: 0 };
        let owner = Some(Owner { agent: "shop".into(), user: "u".into() });
        let commit = Commit { owner, owed: vec![owed].into(), ..Commit::new(key, 0, service.runtime().clock().now()) };
        store.commit(commit).await.expect("a commit");
    }
    let start = Instant::now();
    let mut left = EVENTS;
    while left > 0 {
        left -= service.settle_owed().await.expect("settled");
    }
    start.elapsed().as_secs_f64()
}

fn events(report: &mut Report, executor: &tokio::runtime::Runtime) {
    let directory = tempfile::tempdir().expect("a directory");
    let hello = [("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n")];
    let rows = executor.block_on(async {
        let few = service(&hello, &directory.path().join("few.db")).await;
        let many = service(&hello, &directory.path().join("many.db")).await;
        let others = ["conversation.completed", "conversation.abandoned", "action.finished", "action.failed", "journey.started"];
        for n in 0..MANY {
            let on = if n < 3 { "conversation.escalated" } else { others.get(n % others.len()).expect("there are some") };
            many.register_condition(&caller(), &condition(n, on)).await.expect("registered");
            if n < 3 {
                few.register_condition(&caller(), &condition(n, on)).await.expect("registered");
            }
        }
        let mut rows = Vec::new();
        for round in 0..=PAIRS {
            rows.push((settled(&few, round).await, settled(&many, round).await));
        }
        rows.remove(0);
        rows
    });
    report.pairs("an event that concerns 3 of 10,000 conditions", 2.0, rows);
}

/// The same work of every caller, at the same time; the seconds that it takes.
async fn together<F: Future<Output = ()> + Send + 'static>(work: impl Fn(usize) -> F) -> f64 {
    let start = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for n in 0..CALLERS {
        all.spawn(work(n));
    }
    while let Some(done) = all.join_next().await {
        done.expect("a caller");
    }
    start.elapsed().as_secs_f64()
}

fn evaluations(report: &mut Report, executor: &tokio::runtime::Runtime) {
    let directory = tempfile::tempdir().expect("a directory");
    let files = [
        ("waypost.yaml", "channels: {ops: {type: log}}\n"),
        (
            "conditions/big.yaml",
            "condition_id: big\nversion: 1\nnamespace: org\ninput: data.amount\nstrategy: {type: threshold, params: {direction: above, value: 10}}\n",
        ),
        (
            "actions/tell.yaml",
            "action_id: tell\nversion: 1\nnamespace: org\nconfig: {type: notification, channel: ops}\ntrigger: {fire_on: any, condition_id: big, condition_version: 1}\n",
        ),
    ];
    let made = Arc::new(AtomicUsize::new(0));
    let rows = executor.block_on(async {
        let service = service(&files, &directory.path().join("ours.db")).await;
        let (floor, workspace) = (Address::Sqlite(directory.path().join("floor.db")), service.workspace());
        let secrets = Secrets::given(Vec::<(String, String)>::new());
        let alone = storage::open(&floor, &workspace.settings, &secrets).await.expect("a store").store;
        let ask = |n: usize| Evaluate {
            condition: "big".into(),
            version: "1".into(),
            entity: format!("c-{n}").into(),
            timestamp: None,
            data: json!({"amount": n}),
            dry_run: false,
            later: false,
        };
        let like: Decision = service.evaluate(&caller(), ask(7)).await.expect("a decision");
        let mut rows = Vec::new();
        for _ in 0..=PAIRS {
            let floor = together(|n| {
                let (store, like, made) = (alone.clone(), like.clone(), made.clone());
                async move {
                    for _ in 0..EACH {
                        let id = format!("{:0>36}", made.fetch_add(1, Ordering::Relaxed));
                        let decision = Decision { decision_id: id.into(), entity: format!("c-{n}").into(), ..like.clone() };
                        let record = Record { decisions: vec![decision], ..Record::new("acme".into(), like.timestamp) };
                        store.record(record).await.expect("a record");
                    }
                }
            });
            let floor = floor.await;
            let ours = together(|n| {
                let (service, asked) = (service.clone(), ask(n));
                async move {
                    for _ in 0..EACH {
                        service.evaluate(&caller(), asked.clone()).await.expect("a decision");
                    }
                }
            });
            rows.push((floor, ours.await));
        }
        rows.remove(0);
        rows
    });
    report.pairs("32 callers, 20 evaluations each with a bound log action, against the store with the same decisions", 2.0, rows);
}

fn main() {
    let mut report = Report::default();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    events(&mut report, &executor);
    evaluations(&mut report, &executor);
    report.finish();
}
