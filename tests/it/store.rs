//! What every store must do, written once for all of them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use waypost::engine::{Answer, CallResult, Claim, Event, EventBody, Recorded, State};
use waypost::model::ContentHash;
use waypost::store::{Commit, Committed, ConversationKey, MemoryStore, Owner, Reply, SNAPSHOT_EVERY, Store, StoreError};

/// Runs the whole contract against a kind of store.
macro_rules! contract {
    ($kind:ident, $new:expr, [$($case:ident),* $(,)?]) => {
        mod $kind {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&$new).await;
            })*
        }
    };
}

contract!(
    memory,
    waypost::store::MemoryStore::new(),
    [
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
        conversations_are_listed_by_tenant_agent_and_user,
        timers_come_due_in_order,
        a_tenant_sees_nothing_of_another,
        commits_at_the_same_time_lose_nothing,
    ]
);

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
        key: key(id),
        expected,
        now: at(0),
        owner: (expected == 0).then(|| Owner { agent: "shop".into(), user: "u-1".into() }),
        events: texts.iter().map(|t| event(t)).collect(),
        claims: Vec::new(),
        wake_at: None,
        snapshot: None,
        reply: None,
    }
}

async fn done<S: Store>(store: &S, commit: Commit) -> u64 {
    match store.commit(commit).await.unwrap() {
        Committed::Done { version } => version,
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
        assert_eq!(stored.events, store.events(&key("c"), known, 1_000).await.unwrap());
    }
    let some = store.events(&key("c"), 2, 3).await.unwrap();
    assert_eq!(some, [event(&format!("1 {long}")), event("and"), event(&format!("2 {long}"))]);
    assert!(store.events(&key("none"), 0, 3).await.unwrap().is_empty());
}

async fn a_snapshot_spares_the_events_before_it<S: Store>(store: &S) {
    let mut state = State::default();
    for n in 0..SNAPSHOT_EVERY {
        let next = event(&n.to_string());
        state.apply(&next);
        let snapshot = (n + 1 == SNAPSHOT_EVERY).then(|| state.clone());
        done(store, Commit { events: vec![next], snapshot, ..commit("c", n, &[]) }).await;
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
    let other = |k: &str| Claim::Other { kind: waypost::value::Name::new("nonce"), key: k.into() };
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
    assert_eq!(store.reply(&key("c"), "m").await.unwrap(), Some(reply("m", "so far")));
    done(store, Commit { reply: Some(reply("m", "at last")), ..commit("c", 1, &["b"]) }).await;
    done(store, Commit { claims: message("n"), reply: Some(reply("n", "next")), ..commit("c", 2, &["c"]) }).await;
    assert_eq!(store.reply(&key("c"), "m").await.unwrap(), Some(reply("m", "at last")));
    assert_eq!(store.reply(&key("c"), "n").await.unwrap(), Some(reply("n", "next")));
    assert_eq!(store.reply(&key("c"), "other").await.unwrap(), None);
    assert_eq!(store.reply(&key("d"), "m").await.unwrap(), None);
    assert_eq!(refused(store, Commit { claims: message("m"), ..commit("c", 3, &["d"]) }).await.0, "used");
    done(store, Commit { claims: message("m"), ..commit("d", 0, &["another conversation's"]) }).await;
}

async fn a_message_id_is_free_again_after_a_day<S: Store>(store: &S) {
    done(store, Commit { claims: message("m"), reply: Some(reply("m", "old")), ..commit("c", 0, &["a"]) }).await;
    let day = at(0) + SignedDuration::from_hours(24);
    done(store, Commit { now: day, claims: message("m"), reply: Some(reply("m", "new")), ..commit("c", 1, &["b"]) }).await;
    assert_eq!(store.reply(&key("c"), "m").await.unwrap(), Some(reply("m", "new")));
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
    let recorded = Recorded { result: CallResult::answered(201, serde_json::json!({"id": 7})), outcome: Some("made".into()) };
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
    let claim = |kind: &str| vec![Claim::Other { kind: waypost::value::Name::new(kind), key: "k".into() }];
    done(store, Commit { claims: claim("nonce"), ..commit("c", 0, &["a"]) }).await;
    assert_eq!(refused(store, Commit { claims: claim("nonce"), ..commit("d", 0, &["a"]) }).await.0, "used");
    done(store, Commit { claims: claim("approval"), ..commit("d", 0, &["a"]) }).await;
}

async fn texts_are_kept_by_hash<S: Store>(store: &S) {
    let hash = |h: &str| ContentHash(h.into());
    store.put_texts(vec![(hash("a"), "one".into()), (hash("b"), "two".into())]).await.unwrap();
    store.put_texts(vec![(hash("a"), "another".into())]).await.unwrap();
    assert_eq!(store.text(&hash("a")).await.unwrap(), Some(Arc::from("one")));
    assert_eq!(store.text(&hash("c")).await.unwrap(), None);
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
