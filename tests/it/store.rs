//! What every store must do, written once for all of them.

mod agree;
pub mod cluster;
mod erased;
pub mod faults;
mod records;
mod together;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use waypost::engine::{Answer, CallResult, Claim, Event, EventBody, HoldChange, HoldRow, Recorded, State};
use waypost::model::ContentHash;
use waypost::store::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, Held, MemoryStore, Owner, PostgresStore, Records, Reply, SNAPSHOT_EVERY,
    Seals, SqliteStore, Store, StoreError, VERSIONS_KEPT, Version,
};
use waypost::value::Taint;

/// A store that is empty, and gone with this.
trait Fresh {
    type Store: Records;
    fn store(&self) -> &Self::Store;
}

struct Memory(MemoryStore);

impl Fresh for Memory {
    type Store = MemoryStore;
    fn store(&self) -> &MemoryStore {
        &self.0
    }
}

struct Sqlite {
    store: SqliteStore,
    _directory: tempfile::TempDir,
}

impl Fresh for Sqlite {
    type Store = SqliteStore;
    fn store(&self) -> &SqliteStore {
        &self.store
    }
}

fn sqlite() -> Sqlite {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("store.db"), Seals::default()).unwrap();
    Sqlite { store, _directory: directory }
}

impl Fresh for PostgresStore {
    type Store = Self;
    fn store(&self) -> &Self {
        self
    }
}

/// `None` where there is no PostgreSQL.
async fn postgres() -> Option<PostgresStore> {
    Some(PostgresStore::open(&cluster::shared()?.database(), Seals::default()).await.unwrap())
}

/// Runs the whole contract against every kind of store.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        contract!(@kind memory, Some(super::Memory(waypost::store::MemoryStore::new())), $($case),*);
        contract!(@kind sqlite, Some(super::sqlite()), $($case),*);
        contract!(@kind postgres, super::postgres().await, $($case),*);
    };
    (@kind $kind:ident, $new:expr, $($case:ident),*) => {
        mod $kind {
            use super::Fresh as _;
            $(#[tokio::test]
            async fn $case() {
                let Some(fresh) = $new else { return };
                super::$case(fresh.store()).await;
            })*
        }
    };
}

contract!(
    what_is_committed_is_loaded,
    a_load_gives_what_the_caller_does_not_know,
    a_snapshot_spares_the_events_before_it,
    of_two_commits_on_one_version_one_conflicts,
    a_refused_claim_changes_nothing,
    a_message_id_is_used_once_and_its_reply_kept,
    a_message_id_is_free_again_after_a_day,
    a_key_belongs_to_one_request,
    a_rate_holds_in_every_window,
    a_key_is_settled_by_what_came_of_its_request,
    another_claim_is_used_once,
    texts_are_kept_by_hash,
    texts_go_when_nobody_stands_on_them,
    an_audit_is_appended_to_and_its_end_known,
    holds_are_found_until_they_are_closed,
    a_secret_lasts,
    what_has_ended_keeps_its_transcript_and_audit,
    a_user_is_erased_and_the_audit_keeps_its_codes,
    what_is_held_is_counted,
    conversations_are_listed_by_tenant_agent_and_user,
    timers_come_due_in_order,
    a_tenant_sees_nothing_of_another,
    commits_at_the_same_time_lose_nothing,
    a_version_is_registered_once,
    of_two_registrations_at_once_one_is_taken,
    what_files_define_every_tenant_sees,
    the_newest_definition_is_that_of_the_namespaces_asked_for,
    lists_of_definitions_are_stable,
    two_read_while_a_third_registers,
    a_primitive_has_the_value_of_its_time,
    a_history_takes_one_number_of_each_time,
    a_decision_keeps_what_its_actions_came_to,
    a_delivery_is_one_callers_at_a_time,
    an_event_is_owed_where_a_condition_is_bound_and_settled_once,
    what_was_decided_on_an_erased_users_events_is_gone,
    of_many_at_once_on_one_version_one_is_done,
    of_many_at_once_each_gets_what_is_left,
    claims_of_one_commit_about_one_key_come_in_their_order,
    one_commit_that_cannot_be_done_takes_no_other_with_it,
);

use records::*;
use together::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn key(id: &str) -> ConversationKey {
    ConversationKey::new("acme", id)
}

fn event(text: &str) -> Event {
    Event { v: 1, at: at(0), body: EventBody::Noted { text: text.into() } }
}

fn commit(id: &str, expected: u64, texts: &[&str]) -> Commit {
    Commit {
        owner: (expected == 0).then(|| Owner { agent: "shop".into(), user: "u-1".into() }),
        events: texts.iter().map(|t| event(t)).collect::<Vec<_>>().into(),
        ..Commit::new(key(id), expected, at(0))
    }
}

async fn events<S: Store>(store: &S, id: &str, after: u64, limit: usize) -> Vec<Event> {
    store.events(&key(id), after, limit).await.unwrap().into_iter().map(|(_, event)| event).collect()
}

async fn done<S: Store>(store: &S, commit: Commit) -> u64 {
    match store.commit(commit).await.unwrap() {
        Committed::Done { version, .. } => version,
        other => panic!("{other:?}"),
    }
}

async fn refused<S: Store>(store: &S, commit: Commit) -> (String, Option<Timestamp>) {
    match store.commit(commit).await.unwrap() {
        Committed::ClaimRefused { refused } => (refused[0].reason.to_string(), refused[0].retry_at),
        other => panic!("{other:?}"),
    }
}

async fn what_is_committed_is_loaded<S: Store>(store: &S) {
    assert!(store.load(&key("c"), 0).await.unwrap().is_none());
    assert_eq!(done(store, commit("c", 0, &["a", "line\nend", "ü"])).await, 3);
    assert_eq!(done(store, commit("c", 3, &["d"])).await, 4);
    let stored = store.load(&key("c"), 0).await.unwrap().unwrap();
    assert_eq!(stored.version, 4);
    assert_eq!(stored.owner, Owner { agent: "shop".into(), user: "u-1".into() });
    assert_eq!(stored.events, ["a", "line\nend", "ü", "d"].map(event));
    assert!(matches!(store.commit(Commit { owner: None, ..commit("new", 0, &["a"]) }).await, Err(StoreError::Corrupt(_))));
}

async fn a_load_gives_what_the_caller_does_not_know<S: Store>(store: &S) {
    let long = "x".repeat(3_000);
    let mut version = 0;
    for n in 0..40 {
        version = done(store, commit("c", version, &[&format!("{n} {long}"), "and"])).await;
    }
    for known in [0, 1, 41, 79, 80, 1_000] {
        let stored = store.load(&key("c"), known).await.unwrap().unwrap();
        assert_eq!(stored.version, 80);
        assert_eq!(stored.events.len() as u64, 80_u64.saturating_sub(known));
        assert_eq!(stored.events, events(store, "c", known, 1_000).await);
    }
    let some = store.events(&key("c"), 2, 3).await.unwrap();
    assert_eq!(some, [(3, event(&format!("1 {long}"))), (4, event("and")), (5, event(&format!("2 {long}")))]);
    assert!(store.events(&key("none"), 0, 3).await.unwrap().is_empty());
}

async fn a_snapshot_spares_the_events_before_it<S: Store>(store: &S) {
    let mut state = State::default();
    for n in 0..SNAPSHOT_EVERY {
        let next = event(&n.to_string());
        state.apply(&next);
        let snapshot = (n + 1 == SNAPSHOT_EVERY).then(|| state.clone());
        done(store, Commit { events: vec![next].into(), snapshot, ..commit("c", n, &[]) }).await;
    }
    done(store, commit("c", SNAPSHOT_EVERY, &["after"])).await;
    let stored = store.load(&key("c"), 3).await.unwrap().unwrap();
    assert_eq!(stored.snapshot, Some(state));
    assert_eq!(stored.events, [event("after")]);
    let known = store.load(&key("c"), SNAPSHOT_EVERY).await.unwrap().unwrap();
    assert_eq!((known.snapshot, known.events.len()), (None, 1));
    assert_eq!(store.events(&key("c"), 0, 1_000).await.unwrap().len() as u64, SNAPSHOT_EVERY + 1, "history stays whole");
}

async fn of_two_commits_on_one_version_one_conflicts<S: Store>(store: &S) {
    done(store, commit("c", 0, &["a"])).await;
    done(store, commit("c", 1, &["b"])).await;
    assert_eq!(store.commit(commit("c", 1, &["c"])).await.unwrap(), Committed::Conflict { version: 2 });
    assert_eq!(store.commit(commit("c", 0, &["c"])).await.unwrap(), Committed::Conflict { version: 2 });
    assert_eq!(store.commit(commit("c", 9, &["c"])).await.unwrap(), Committed::Conflict { version: 2 });
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().events, ["a", "b"].map(event));
}

async fn a_refused_claim_changes_nothing<S: Store>(store: &S) {
    let other = |k: &str| Claim::Other { kind: waypost::value::Name::new("nonce"), key: k.into(), until: None };
    done(store, Commit { claims: vec![other("n")], ..commit("c", 0, &["a"]) }).await;
    done(store, commit("d", 0, &["a"])).await;
    let both = Commit { claims: vec![other("free"), other("n")], wake_at: Some(at(9)), ..commit("d", 1, &["b"]) };
    assert_eq!(refused(store, both).await.0, "used");
    let many = Commit { claims: vec![other("n"), other("free"), other("n")], ..commit("d", 1, &["b"]) };
    assert!(matches!(store.commit(many).await.unwrap(), Committed::ClaimRefused { refused } if refused.len() == 2));
    assert_eq!(store.load(&key("d"), 0).await.unwrap().unwrap().version, 1);
    assert!(store.due(at(100), 10).await.unwrap().is_empty());
    done(store, Commit { claims: vec![other("free")], ..commit("c", 1, &["b"]) }).await;
}

fn message(id: &str) -> Vec<Claim> {
    vec![Claim::Message { id: id.into() }]
}

fn reply(id: &str, text: &str) -> Reply {
    Reply { message_id: id.into(), digest: format!("d-{id}").into(), answer: Answer { messages: vec![text.into()], ..Answer::default() } }
}

async fn a_message_id_is_used_once_and_its_reply_kept<S: Store>(store: &S) {
    done(store, Commit { claims: message("m"), reply: Some(reply("m", "so far")), ..commit("c", 0, &["a"]) }).await;
    assert_eq!(store.reply(&key("c"), "m", at(0)).await.unwrap(), Some(reply("m", "so far")));
    done(store, Commit { reply: Some(reply("m", "at last")), ..commit("c", 1, &["b"]) }).await;
    done(store, Commit { claims: message("n"), reply: Some(reply("n", "next")), ..commit("c", 2, &["c"]) }).await;
    assert_eq!(store.reply(&key("c"), "m", at(0)).await.unwrap(), Some(reply("m", "at last")));
    assert_eq!(store.reply(&key("c"), "n", at(0)).await.unwrap(), Some(reply("n", "next")));
    assert_eq!(store.reply(&key("c"), "other", at(0)).await.unwrap(), None);
    assert_eq!(store.reply(&key("d"), "m", at(0)).await.unwrap(), None);
    assert_eq!(refused(store, Commit { claims: message("m"), ..commit("c", 3, &["d"]) }).await.0, "used");
    done(store, Commit { claims: message("m"), ..commit("d", 0, &["another conversation's"]) }).await;
}

async fn a_message_id_is_free_again_after_a_day<S: Store>(store: &S) {
    done(store, Commit { claims: message("m"), reply: Some(reply("m", "old")), ..commit("c", 0, &["a"]) }).await;
    let day = at(0) + SignedDuration::from_hours(24);
    done(store, Commit { now: day, claims: message("m"), reply: Some(reply("m", "new")), ..commit("c", 1, &["b"]) }).await;
    assert_eq!(store.reply(&key("c"), "m", day).await.unwrap(), Some(reply("m", "new")));
    assert_eq!(store.reply(&key("c"), "m", day + SignedDuration::from_hours(24)).await.unwrap(), None);
}

async fn a_key_belongs_to_one_request<S: Store>(store: &S) {
    let claim = |digest: &str| vec![Claim::Key { key: "k".into(), digest: digest.into() }];
    done(store, Commit { claims: claim("one"), ..commit("c", 0, &["a"]) }).await;
    done(store, Commit { claims: claim("one"), ..commit("c", 1, &["sent again"]) }).await;
    assert_eq!(refused(store, Commit { claims: claim("two"), ..commit("c", 2, &["b"]) }).await.0, "other_inputs");
    assert_eq!(refused(store, Commit { claims: claim("one"), ..commit("d", 0, &["b"]) }).await.0, "busy");
}

async fn a_rate_holds_in_every_window<S: Store>(store: &S) {
    let rate = || Claim::Rate { bucket: "b".into(), max: 3, per_s: 60 };
    let take = |now: i64, version: u64, n: usize| Commit { now: at(now), claims: vec![rate(); n], ..commit("c", version, &["a"]) };
    done(store, take(0, 0, 1)).await;
    done(store, take(20, 1, 2)).await;
    assert_eq!(refused(store, take(59, 2, 1)).await, ("rate_limited".into(), Some(at(60))));
    done(store, take(60, 2, 1)).await;
    assert_eq!(refused(store, take(60, 3, 2)).await, ("rate_limited".into(), Some(at(80))));
    done(store, take(80, 3, 2)).await;
    assert_eq!(refused(store, take(81, 4, 4)).await.0, "rate_limited");
    assert_eq!(refused(store, take(81, 4, 1)).await.0, "rate_limited");
    let cleared = Claim::RateCleared { bucket: "b".into() };
    done(store, Commit { now: at(81), claims: vec![cleared], ..commit("c", 4, &["a"]) }).await;
    done(store, take(81, 5, 3)).await;
}

async fn a_key_is_settled_by_what_came_of_its_request<S: Store>(store: &S) {
    let reserve = |id: &str, version: u64, now: i64| Commit {
        now: at(now),
        claims: vec![Claim::Key { key: "k".into(), digest: "one".into() }],
        ..commit(id, version, &["a"])
    };
    done(store, reserve("c", 0, 0)).await;
    done(store, commit("d", 0, &["a"])).await;
    done(store, Commit { claims: vec![Claim::KeyFreed { key: "k".into() }], ..commit("d", 1, &["not its own"]) }).await;
    assert_eq!(refused(store, reserve("d", 2, 1)).await.0, "busy");
    done(store, Commit { claims: vec![Claim::KeyFreed { key: "k".into() }], ..commit("c", 1, &["refused"]) }).await;
    done(store, reserve("d", 2, 2)).await;
    let recorded =
        Recorded { result: CallResult::answered(201, serde_json::json!({"id": 7})), outcome: Some("made".into()), taint: Taint::whole() };
    let applied = |until: i64| vec![Claim::KeyApplied { key: "k".into(), recorded: recorded.clone(), until: at(until) }];
    done(store, Commit { claims: applied(60), ..commit("d", 3, &["applied"]) }).await;
    for (id, version) in [("c", 2), ("d", 4)] {
        match store.commit(reserve(id, version, 59)).await.unwrap() {
            Committed::ClaimRefused { refused } => {
                assert_eq!((&*refused[0].reason, refused[0].recorded.as_ref()), ("applied", Some(&recorded)));
            }
            other => panic!("{other:?}"),
        }
    }
    let other = Claim::Key { key: "k".into(), digest: "two".into() };
    assert_eq!(refused(store, Commit { now: at(59), claims: vec![other], ..commit("c", 2, &["b"]) }).await.0, "other_inputs");
    done(store, Commit { claims: vec![Claim::KeyFreed { key: "k".into() }], ..commit("d", 4, &["what was done stays done"]) }).await;
    assert_eq!(refused(store, reserve("c", 2, 59)).await.0, "applied");
    done(store, reserve("c", 2, 60)).await;
}

async fn another_claim_is_used_once<S: Store>(store: &S) {
    let claim = |kind: &str, until: Option<i64>| {
        vec![Claim::Other { kind: waypost::value::Name::new(kind), key: "k".into(), until: until.map(at) }]
    };
    done(store, Commit { claims: claim("nonce", None), ..commit("c", 0, &["a"]) }).await;
    assert_eq!(refused(store, Commit { claims: claim("nonce", None), ..commit("d", 0, &["a"]) }).await.0, "used");
    done(store, Commit { claims: claim("start", Some(60)), ..commit("d", 0, &["a"]) }).await;
    assert_eq!(store.holder("acme", "start", "k", at(59)).await.unwrap(), Some(key("d")));
    assert_eq!(store.holder("acme", "nonce", "k", at(99)).await.unwrap(), Some(key("c")));
    for (tenant, kind, name, now) in
        [("acme", "start", "k", 60), ("acme", "start", "l", 0), ("acme", "stop", "k", 0), ("other", "start", "k", 0)]
    {
        assert_eq!(store.holder(tenant, kind, name, at(now)).await.unwrap(), None);
    }
    let late = |now: i64| Commit { now: at(now), claims: claim("start", Some(90)), ..commit("c", 1, &["b"]) };
    assert_eq!(refused(store, late(59)).await.0, "used");
    done(store, late(60)).await;
    assert_eq!(store.holder("acme", "start", "k", at(60)).await.unwrap(), Some(key("c")));
}

fn hash(h: &str) -> ContentHash {
    ContentHash(h.into())
}

fn version(name: &str, at: Timestamp, texts: &[(&str, &str)]) -> Version {
    Version { hash: hash(name), at, texts: texts.iter().map(|(h, t)| (hash(h), (*t).into())).collect() }
}

async fn texts_are_kept_by_hash<S: Store>(store: &S) {
    store.put_texts(version("v", at(0), &[("a", "one"), ("b", "two")])).await.unwrap();
    store.put_texts(version("w", at(1), &[("a", "another")])).await.unwrap();
    assert_eq!(store.text(&hash("a")).await.unwrap(), Some(Arc::from("one")));
    assert_eq!(store.text(&hash("c")).await.unwrap(), None);
}

async fn texts_go_when_nobody_stands_on_them<S: Store>(store: &S) {
    let week = |n: i32| at(0) + VERSIONS_KEPT * n + SignedDuration::from_secs(i64::from(n));
    let has = async |h: &str| store.text(&hash(h)).await.unwrap().is_some();
    store.put_texts(version("v1", at(0), &[("shared", "s"), ("j1", "v1"), ("one", "1")])).await.unwrap();
    store.put_texts(version("v2", at(0), &[("shared", "s"), ("j2", "v2"), ("two", "2")])).await.unwrap();
    done(store, Commit { pinned: Some(vec![hash("j1"), hash("j1")]), ..commit("c", 0, &["begin"]) }).await;
    done(store, Commit { pinned: Some(vec![hash("j2"), hash("j1")]), ..commit("d", 0, &["begin"]) }).await;
    store.put_texts(version("v3", week(1), &[("shared", "s"), ("three", "3")])).await.unwrap();
    assert!(has("one").await && has("two").await && has("three").await);
    done(store, Commit { pinned: Some(vec![hash("j1")]), ..commit("d", 1, &["end"]) }).await;
    done(store, commit("c", 1, &["stays where it is"])).await;
    store.put_texts(version("v3", week(1), &[("shared", "s"), ("three", "3")])).await.unwrap();
    assert!(has("one").await && !has("two").await && has("shared").await);
    for id in ["c", "d"] {
        let version = store.load(&key(id), 0).await.unwrap().unwrap().version;
        done(store, Commit { pinned: Some(Vec::new()), ..commit(id, version, &["end"]) }).await;
    }
    store.put_texts(version("v4", week(1) + SignedDuration::from_hours(1), &[("four", "4")])).await.unwrap();
    assert!(!has("one").await && has("three").await && has("shared").await, "what was put lately stays");
    store.put_texts(version("v4", week(3), &[("four", "4")])).await.unwrap();
    assert!(!has("three").await && !has("shared").await && has("four").await);
}

fn row(seq: u64, text: &str) -> AuditRow {
    AuditRow { seq, at: at(i64::try_from(seq).unwrap()), text: text.into(), mac: format!("mac-{seq}").into(), erased: false }
}

async fn an_audit_is_appended_to_and_its_end_known<S: Store>(store: &S) {
    assert_eq!(store.audit(&key("c"), 0, 10).await.unwrap(), []);
    done(store, Commit { audit: vec![row(1, "a"), row(2, "line\nend")], ..commit("c", 0, &["a"]) }).await;
    done(store, Commit { audit: vec![], ..commit("c", 1, &["b"]) }).await;
    done(store, Commit { audit: vec![row(3, "c")], ..commit("c", 2, &["c"]) }).await;
    done(store, commit("b", 0, &["a"])).await;
    assert_eq!(store.audit(&key("c"), 0, 10).await.unwrap(), [row(1, "a"), row(2, "line\nend"), row(3, "c")]);
    assert_eq!(store.audit(&key("c"), 2, 1).await.unwrap(), [row(2, "line\nend")]);
    let head = AuditHead { seq: 3, mac: "mac-3".into() };
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().audit, head);
    assert_eq!(store.heads(None, 10).await.unwrap(), [(key("b"), AuditHead::default()), (key("c"), head.clone())]);
    assert_eq!(store.heads(Some(&key("b")), 10).await.unwrap(), [(key("c"), head)]);
    assert_eq!(store.heads(None, 1).await.unwrap().len(), 1);
    let told = AuditHead { seq: 4, mac: "more than the code of the last row".into() };
    done(store, Commit { audit: vec![row(4, "d")], audit_head: Some(told.clone()), ..commit("c", 3, &["d"]) }).await;
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().audit, told);
}

fn hold(id: &str, agent: &str) -> HoldRow {
    HoldRow {
        id: id.into(),
        agent: agent.into(),
        action: "shop.refund".into(),
        role: Some("supervisor".into()),
        queue: None,
        asked_by: "u-1".into(),
        at: at(1),
        until: at(2),
    }
}

async fn holds_are_found_until_they_are_closed<S: Store>(store: &S) {
    let open = |id: &str, agent: &str| HoldChange::Opened(hold(id, agent));
    done(store, Commit { holds: vec![open("h1", "shop"), open("h2", "bank")], ..commit("c", 0, &["a"]) }).await;
    done(store, Commit { holds: vec![open("h3", "shop")], ..commit("d", 0, &["a"]) }).await;
    let held = |id: &str, of: &str| Held { key: key(of), row: hold(id, "shop") };
    assert_eq!(store.holds("acme", "shop", None, 10).await.unwrap(), [held("h1", "c"), held("h3", "d")]);
    assert_eq!(store.holds("acme", "shop", Some("h1"), 10).await.unwrap(), [held("h3", "d")]);
    assert_eq!(store.holds("acme", "shop", None, 1).await.unwrap(), [held("h1", "c")]);
    assert_eq!(store.holds("other", "shop", None, 10).await.unwrap(), []);
    assert_eq!(store.hold("acme", "h3").await.unwrap(), Some(held("h3", "d")));
    assert_eq!(store.hold("other", "h3").await.unwrap(), None);
    done(store, Commit { holds: vec![HoldChange::Closed { id: "h3".into() }], ..commit("d", 1, &["b"]) }).await;
    assert_eq!(store.hold("acme", "h3").await.unwrap(), None);
    assert_eq!(store.holds("acme", "shop", None, 10).await.unwrap(), [held("h1", "c")]);
}

async fn a_secret_lasts<S: Store>(store: &S) {
    assert_eq!(store.secret("one", [1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret("two", [2; 32]).await.unwrap(), [2; 32]);
    assert_eq!(store.secret("one", [3; 32]).await.unwrap(), [1; 32]);
}

fn said(text: &str) -> Event {
    Event { v: 1, at: at(0), body: EventBody::Said { text: text.into(), redacted: None } }
}

/// A state of so many events.
fn state(version: u64) -> State {
    let mut state = State::default();
    state.version = version;
    state
}

async fn what_has_ended_keeps_its_transcript_and_audit<S: Store>(store: &S) {
    let claims = vec![Claim::Message { id: "m".into() }];
    let first =
        Commit { claims, reply: Some(reply("m", "an answer")), audit: vec![row(1, "a")], wake_at: Some(at(5)), ..commit("c", 0, &["a"]) };
    done(store, first).await;
    done(store, Commit { events: vec![said("hello"), event("b"), said("bye")].into(), ..commit("c", 1, &[]) }).await;
    let abandoned = Event { v: 1, at: at(9), body: EventBody::Abandoned };
    let last = |snapshot: u64, events: Vec<Event>, rows: Vec<AuditRow>| Commit {
        events: events.into(),
        snapshot: Some(state(snapshot)),
        finished: true,
        audit: rows,
        wake_at: Some(at(7)),
        ..commit("c", snapshot - 1, &[])
    };
    assert_eq!(done(store, last(5, vec![abandoned.clone()], vec![row(2, "b")])).await, 5);
    assert!(store.due(Timestamp::MAX, 10).await.unwrap().is_empty());
    assert_eq!(store.reply(&key("c"), "m", at(0)).await.unwrap(), Some(reply("m", "an answer")), "who asks again is told again");
    let transcript = [(2, said("hello")), (4, said("bye")), (5, abandoned)];
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap(), transcript);
    assert_eq!(store.events(&key("c"), 2, 1).await.unwrap(), transcript[1..2]);
    assert_eq!(store.events(&key("c"), 4, 9).await.unwrap(), transcript[2..]);
    let stored = store.load(&key("c"), 2).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.snapshot, stored.events), (5, Some(state(5)), vec![]));
    let stored = store.load(&key("c"), 5).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.snapshot, stored.events), (5, None, vec![]));
    assert_eq!(store.audit(&key("c"), 0, 10).await.unwrap(), [row(1, "a"), row(2, "b")]);
    assert_eq!(done(store, last(6, vec![event("too late")], vec![row(3, "c")])).await, 6);
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap(), transcript);
    let stored = store.load(&key("c"), 0).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.snapshot, stored.audit.seq), (6, Some(state(6)), 3));
    let stat = store.stat().await.unwrap();
    assert_eq!((stat.conversations, stat.unfinished), (1, 0));
}

async fn a_user_is_erased_and_the_audit_keeps_its_codes<S: Store>(store: &S) {
    let theirs = |id: &str, user: &str| Commit {
        owner: Some(Owner { agent: "shop".into(), user: user.into() }),
        claims: vec![Claim::Message { id: "m".into() }],
        reply: Some(reply("m", "an answer")),
        audit: vec![row(1, "a"), row(2, "b")],
        holds: vec![HoldChange::Opened(hold(&format!("h-{id}"), "shop"))],
        wake_at: Some(at(5)),
        snapshot: Some(state(1)),
        pinned: Some(vec![hash("j")]),
        ..commit(id, 0, &["personal"])
    };
    for (id, user) in [("c", "u-1"), ("d", "u-2"), ("e", "u-1")] {
        done(store, theirs(id, user)).await;
    }
    done(store, Commit { key: ConversationKey::new("other", "c"), ..theirs("c", "u-1") }).await;
    let digest: waypost::store::DigestText = Arc::new(|text| format!("digest of {text}").into());
    let erased = store.erase_user("acme", "u-1", digest.clone()).await.unwrap();
    assert_eq!((erased.conversations, erased.audit), (2, 4));
    for id in ["c", "e"] {
        assert_eq!(store.load(&key(id), 0).await.unwrap_err(), StoreError::Erased(id.into()));
        assert!(matches!(store.commit(theirs(id, "u-1")).await, Err(StoreError::Erased(_))));
        assert!(store.events(&key(id), 0, 10).await.unwrap().is_empty());
        assert_eq!(store.reply(&key(id), "m", at(0)).await.unwrap(), None);
        assert_eq!(store.hold("acme", &format!("h-{id}")).await.unwrap(), None);
        let gone = |seq: u64, text: &str| AuditRow { erased: true, ..row(seq, text) };
        assert_eq!(store.audit(&key(id), 0, 10).await.unwrap(), [gone(1, "digest of a"), gone(2, "digest of b")]);
    }
    let head = AuditHead { seq: 2, mac: "mac-2".into() };
    assert_eq!(store.heads(None, 1).await.unwrap(), [(key("c"), head)]);
    let listed = store.conversations("acme", "shop", None, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|l| &*l.key.id).collect::<Vec<_>>(), ["d"]);
    assert_eq!(store.due(Timestamp::MAX, 10).await.unwrap(), [(at(5), key("d")), (at(5), ConversationKey::new("other", "c"))]);
    assert_eq!(store.audit(&key("d"), 0, 1).await.unwrap(), [row(1, "a")]);
    let again = store.erase_user("acme", "u-1", digest).await.unwrap();
    assert_eq!((again.conversations, again.audit), (0, 0));
}

async fn what_is_held_is_counted<S: Store>(store: &S) {
    let commit = Commit { audit: vec![row(1, "a")], wake_at: Some(at(5)), ..commit("c", 0, &["a"]) };
    let holds = vec![HoldChange::Opened(hold("h", "shop"))];
    done(store, Commit { holds, ..commit }).await;
    store.put_texts(version("v", at(0), &[("a", "one")])).await.unwrap();
    let stat = store.stat().await.unwrap();
    assert_eq!((stat.conversations, stat.unfinished, stat.audit, stat.holds, stat.timers, stat.versions), (1, 1, 1, 1, 1, 1));
    assert_eq!((stat.commits, stat.transactions), (1, 1));
    assert!(stat.bytes > 0);
}

async fn conversations_are_listed_by_tenant_agent_and_user<S: Store>(store: &S) {
    for (id, agent, user) in [("c1", "shop", "u-1"), ("c2", "shop", "u-2"), ("c3", "bank", "u-1"), ("c4", "shop", "u-1")] {
        let owner = Some(Owner { agent: agent.into(), user: user.into() });
        done(store, Commit { owner, now: at(5), ..commit(id, 0, &["a", "b"]) }).await;
    }
    let ids = |listed: Vec<waypost::store::Listed>| listed.iter().map(|l| l.key.id.to_string()).collect::<Vec<_>>();
    let all = store.conversations("acme", "shop", None, None, 10).await.unwrap();
    assert_eq!((all[0].version, all[0].updated), (2, at(5)));
    assert_eq!(ids(all), ["c1", "c2", "c4"]);
    assert_eq!(ids(store.conversations("acme", "shop", Some("u-1"), None, 10).await.unwrap()), ["c1", "c4"]);
    assert_eq!(ids(store.conversations("acme", "shop", None, Some("c1"), 1).await.unwrap()), ["c2"]);
    assert_eq!(ids(store.conversations("else", "shop", None, None, 10).await.unwrap()), [""; 0]);
}

async fn timers_come_due_in_order<S: Store>(store: &S) {
    for (id, wake) in [("c", 30), ("d", 10), ("e", 20)] {
        done(store, Commit { wake_at: Some(at(wake)), ..commit(id, 0, &["a"]) }).await;
    }
    done(store, Commit { wake_at: None, ..commit("e", 1, &["b"]) }).await;
    assert!(store.due(at(9), 10).await.unwrap().is_empty());
    assert_eq!(store.due(at(10), 10).await.unwrap(), [(at(10), key("d"))]);
    assert_eq!(store.due(at(99), 10).await.unwrap(), [(at(10), key("d")), (at(30), key("c"))]);
    done(store, Commit { wake_at: Some(at(40)), ..commit("d", 1, &["b"]) }).await;
    assert_eq!(store.due(at(99), 1).await.unwrap(), [(at(30), key("c"))]);
}

async fn a_tenant_sees_nothing_of_another<S: Store>(store: &S) {
    let claims = || vec![Claim::Key { key: "k".into(), digest: "d".into() }, Claim::Rate { bucket: "b".into(), max: 1, per_s: 60 }];
    done(store, Commit { claims: claims(), ..commit("c", 0, &["a"]) }).await;
    let theirs = ConversationKey::new("other", "c");
    assert!(store.load(&theirs, 0).await.unwrap().is_none());
    done(store, Commit { key: theirs, claims: claims(), ..commit("c", 0, &["b"]) }).await;
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().events, [event("a")]);
}

async fn commits_at_the_same_time_lose_nothing<S: Store>(store: &S) {
    done(store, commit("c", 0, &["begin"])).await;
    let writer = |name: usize| async move {
        let mut done = 0;
        while done < 20 {
            let version = store.load(&key("c"), u64::MAX).await.unwrap().unwrap().version;
            tokio::task::yield_now().await;
            if let Committed::Done { .. } = store.commit(commit("c", version, &[&format!("{name} {done}")])).await.unwrap() {
                done += 1;
            }
        }
    };
    tokio::join!(writer(1), writer(2), writer(3));
    let events = store.load(&key("c"), 0).await.unwrap().unwrap().events;
    assert_eq!(events.len(), 61);
    for name in 1..=3 {
        let own: Vec<_> =
            events.iter().filter(|e| matches!(&e.body, EventBody::Noted { text } if text.starts_with(&format!("{name} ")))).collect();
        assert_eq!(own.len(), 20);
    }
}

#[tokio::test]
async fn a_full_log_is_small_and_still_whole() {
    let store = MemoryStore::new();
    let text = |c: usize, n: u64| format!("conversation {c} said thing number {n}: would you like to have the order refunded?");
    for c in 0..50 {
        for n in 0..SNAPSHOT_EVERY / 4 {
            done(&store, Commit { key: key(&c.to_string()), ..commit("", n, &[&text(c, n)]) }).await;
        }
    }
    for c in 0..50 {
        let stored = store.load(&key(&c.to_string()), 0).await.unwrap().unwrap();
        let expected: Vec<_> = (0..SNAPSHOT_EVERY / 4).map(|n| event(&text(c, n))).collect();
        assert_eq!(stored.events, expected);
    }
}

#[tokio::test]
async fn a_server_is_spoken_to_over_tls_where_the_url_asks_for_it() {
    let Some(cluster) = cluster::shared() else { return };
    let (url, root) = (cluster.database(), cluster.root());
    let open = async |mode: &str| PostgresStore::open(&format!("{url}?{mode}"), Seals::default()).await;
    let over = async |mode: &str| {
        let store = open(mode).await.unwrap();
        done(&store, commit(mode, 0, &["a"])).await;
        let ssl = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'waypost' AND datname = current_database()";
        cluster.sql(url.rsplit('/').next().unwrap(), ssl) == "t"
    };
    let trusted = format!("sslmode=verify-full&sslrootcert={}", root.display());
    assert!(over(&trusted).await);
    assert!(!over("sslmode=disable").await);
    // Nobody has vouched for this one.
    assert!(matches!(open("sslmode=require").await, Err(StoreError::Unavailable(_))));
    assert!(matches!(open("sslmode=sometimes").await, Err(StoreError::Unsupported(_))));
}
