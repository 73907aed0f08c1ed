//! What an erasure takes, whoever is at it meanwhile, and how.

use std::sync::Arc;

use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};
use waypost::registry::{ActionResult, ActionStatus, Decision, Sample};
use waypost::store::records::{Defines, NewDelivery, NewOwed, Record, Recorded, Records};
use waypost::store::{Commit, DigestText, PostgresStore, Seals, SqliteStore, Store};

use super::records::{decision, new};
use super::{at, cluster, commit, done};

fn digest() -> DigestText {
    Arc::new(|text| text.into())
}

/// Another who uses the same database.
struct Other(Client);

impl Other {
    #[expect(clippy::disallowed_methods, reason = "the connection has a task of its own")]
    async fn of(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    async fn does(&self, sql: &str) {
        self.0.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        self.0.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Until so many wait for a lock, or `done`.
    async fn until_waiting(&self, count: i64, done: impl Fn() -> bool) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.count(waiting).await < count && !done() {
            // What it saw of others stays as it was while a transaction lasts.
            self.does("SELECT pg_stat_clear_snapshot()").await;
        }
    }
}

/// A store with a conversation whose event is decided on, and somebody else at it who holds up whoever records more.
async fn raced() -> Option<(PostgresStore, Other, Decision)> {
    let url = cluster::shared()?.database();
    let store = PostgresStore::open(&url, Seals::default()).await.unwrap();
    store
        .register(waypost::store::records::NewDefinition {
            defines: Defines::Condition,
            bound: vec!["journey.started".into()],
            ..new("a", "1")
        })
        .await
        .unwrap();
    let owed = NewOwed { event: "journey.started", data: "{}".into(), depth: 0 };
    done(&store, Commit { owed: vec![owed].into(), ..commit("c", 0, &["a"]) }).await;
    Some((store, Other::of(&url).await, Decision { conversation_id: Some("c".into()), ..decision("d1", "c") }))
}

#[expect(clippy::disallowed_methods, reason = "two are at it at once")]
async fn erase_during(store: &PostgresStore, other: &Other, record: Record) {
    let recorder = store.clone();
    let recording = tokio::spawn(async move { recorder.record(record).await });
    other.until_waiting(1, || recording.is_finished()).await;
    assert!(!recording.is_finished(), "it is held up");
    let eraser = store.clone();
    let erasing = tokio::spawn(async move { eraser.erase_user("acme", "u-1", digest()).await });
    other.until_waiting(2, || erasing.is_finished()).await;
    other.does("ROLLBACK").await;
    assert!(matches!(recording.await.unwrap().unwrap(), Recorded::Done { .. }));
    assert_eq!(erasing.await.unwrap().unwrap().conversations, 1);
}

#[tokio::test]
async fn what_is_being_decided_while_a_user_is_erased_does_not_stay() {
    let Some((store, other, decision)) = raced().await else { return };
    let owed = store.claim_owed(at(1), at(60), 10).await.unwrap();
    other.does("BEGIN; INSERT INTO waypost.samples VALUES ('acme', 's', 'x', 0, 1)").await;
    let sample = Sample { at: jiff::Timestamp::UNIX_EPOCH, value: 2.0 };
    let record = Record {
        decisions: vec![decision],
        samples: vec![("s".into(), "x".into(), sample)],
        settles: Some(owed[0].id),
        ..Record::new("acme".into(), at(1))
    };
    erase_during(&store, &other, record).await;
    assert_eq!(store.decision("acme", "d1").await.unwrap(), None);
}

#[tokio::test]
async fn what_an_action_comes_to_while_a_user_is_erased_does_not_stay() {
    let Some((store, other, mine)) = raced().await else { return };
    let delivery = NewDelivery { decision: "d2".into(), n: 0, action_id: "page".into(), action_version: "1".into(), due: at(0) };
    let kept = Record { decisions: vec![mine, decision("d2", "x")], deliveries: vec![delivery], ..Record::new("acme".into(), at(1)) };
    let Recorded::Done { deliveries } = store.record(kept).await.unwrap() else { panic!("nobody has settled it") };
    other.does("BEGIN; SELECT FROM waypost.deliveries FOR UPDATE").await;
    let result = ActionResult::new("page".into(), "1".into(), ActionStatus::Triggered);
    let record = Record {
        results: vec![("d1".into(), 0, result)],
        delivered: vec![(deliveries[0], waypost::store::records::After::Gone)],
        ..Record::new("acme".into(), at(1))
    };
    erase_during(&store, &other, record).await;
    assert_eq!(other.count("SELECT count(*) FROM waypost.results").await, 0);
    assert_eq!(other.count("SELECT count(*) FROM waypost.decisions").await, 1);
}

#[tokio::test]
async fn what_is_known_of_an_entity_is_found_by_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, Seals::default()).unwrap();
    assert_eq!(store.stat().await.unwrap().schema, 5);
    let plan: String = Connection::open(&path)
        .unwrap()
        .query_row("EXPLAIN QUERY PLAN DELETE FROM primitives WHERE tenant = 'acme' AND entity = 'c'", [], |r| r.get(3))
        .unwrap();
    assert!(plan.starts_with("SEARCH primitives USING") && plan.ends_with("(tenant=? AND entity=?)"), "{plan}");
    let Some(cluster) = cluster::shared() else { return };
    let url = cluster.database();
    drop(PostgresStore::open(&url, Seals::default()).await.unwrap());
    let sql = "SET enable_seqscan = off; EXPLAIN DELETE FROM waypost.primitives WHERE tenant = 'acme' AND entity = 'c'";
    let plan = cluster.sql(url.rsplit('/').next().unwrap(), sql);
    assert!(plan.contains("primitives_by_owner"), "{plan}");
}
