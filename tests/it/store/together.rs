//! Commits at the same moment: they may share a transaction, and have nothing to do with one another all the same.

use futures_util::future::join_all;
use waypost::engine::Claim;
use waypost::store::{Commit, Committed, Owner, PostgresStore, Seals, Store, StoreError};
use waypost::value::Name;

use super::{at, cluster, commit, done, event, key, refused};

fn is_done(came: &Result<Committed, StoreError>) -> bool {
    matches!(came, Ok(Committed::Done { .. }))
}

/// What comes of a commit of each of so many conversations, all at once.
async fn of_each<S: Store>(store: &S, prefix: &str, n: usize, claims: impl Fn(usize) -> Vec<Claim>) -> Vec<Result<Committed, StoreError>> {
    let one = |n| Commit { claims: claims(n), ..commit(&format!("{prefix}-{n}"), 0, &["a"]) };
    join_all((0..n).map(|n| store.commit(one(n)))).await
}

pub async fn of_many_at_once_on_one_version_one_is_done<S: Store>(store: &S) {
    done(store, commit("c", 0, &["begin"])).await;
    let all = join_all((0..8).map(|n| store.commit(commit("c", 1, &[&format!("writer {n}")])))).await;
    assert_eq!(all.iter().filter(|came| is_done(came)).count(), 1, "{all:?}");
    assert!(all.iter().all(|came| is_done(came) || matches!(came, Ok(Committed::Conflict { version: 2 }))), "{all:?}");
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().events.len(), 2);
    let all = join_all((0..8).map(|_| store.commit(commit("new", 0, &["begin"])))).await;
    assert_eq!(all.iter().filter(|came| is_done(came)).count(), 1, "{all:?}");
}

pub async fn of_many_at_once_each_gets_what_is_left<S: Store>(store: &S) {
    let name = Claim::Other { kind: Name::new("seat"), key: "12A".into(), until: None };
    let all = of_each(store, "seat", 8, |_| vec![name.clone()]).await;
    assert_eq!(all.iter().filter(|came| is_done(came)).count(), 1, "{all:?}");
    let all = of_each(store, "key", 8, |_| vec![Claim::Key { key: "k".into(), digest: "d".into() }]).await;
    assert_eq!(all.iter().filter(|came| is_done(came)).count(), 1, "{all:?}");
    let all = of_each(store, "rate", 8, |_| vec![Claim::Rate { bucket: "b".into(), max: 3, per_s: 60 }]).await;
    assert_eq!(all.iter().filter(|came| is_done(came)).count(), 3, "{all:?}");
    let all = of_each(store, "own", 8, |n| vec![Claim::Rate { bucket: format!("b-{n}").into(), max: 1, per_s: 60 }]).await;
    assert!(all.iter().all(is_done), "{all:?}");
}

pub async fn claims_of_one_commit_about_one_key_come_in_their_order<S: Store>(store: &S) {
    let reserve = || Claim::Key { key: "k".into(), digest: "d".into() };
    done(store, Commit { claims: vec![reserve()], ..commit("a", 0, &["a"]) }).await;
    done(store, Commit { claims: vec![Claim::KeyFreed { key: "k".into() }, reserve()], ..commit("a", 1, &["b"]) }).await;
    let other = || Commit { claims: vec![reserve()], ..commit("b", 0, &["a"]) };
    assert_eq!(refused(store, other()).await.0, "busy", "it is reserved again");
    done(store, Commit { claims: vec![reserve(), Claim::KeyFreed { key: "k".into() }], ..commit("a", 2, &["c"]) }).await;
    done(store, other()).await;
}

pub async fn one_commit_that_cannot_be_done_takes_no_other_with_it<S: Store>(store: &S) {
    let nobody = Commit { owner: None, ..commit("nobody", 0, &["a"]) };
    let (a, nobody, b) = tokio::join!(store.commit(commit("a", 0, &["a"])), store.commit(nobody), store.commit(commit("b", 0, &["b"])));
    assert!(is_done(&a) && is_done(&b), "{a:?} {b:?}");
    assert!(matches!(nobody, Err(StoreError::Corrupt(_))), "{nobody:?}");
    assert_eq!(store.load(&key("b"), 0).await.unwrap().unwrap().events, [event("b")]);
}

#[tokio::test]
async fn what_a_server_cannot_hold_takes_nothing_else_with_it() {
    let Some(store) = super::postgres().await else { return };
    let odd = Owner { agent: "shop".into(), user: "no\u{0}body".into() };
    let one = |n: usize| Commit { owner: Some(if n == 3 { odd.clone() } else { odd_free() }), ..commit(&format!("c-{n}"), 0, &["a"]) };
    let all = join_all((0..8).map(|n| store.commit(one(n)))).await;
    for (n, came) in all.iter().enumerate() {
        assert_eq!(is_done(came), n != 3, "{came:?}");
    }
    assert_eq!(store.stat().await.unwrap().conversations, 7);
}

fn odd_free() -> Owner {
    Owner { agent: "shop".into(), user: "somebody".into() }
}

#[tokio::test]
async fn many_commits_to_a_server_share_a_transaction() {
    let Some(store) = super::postgres().await else { return };
    // What the server refused stands in the log.
    let _told = tracing::subscriber::set_default(tracing_subscriber::fmt().with_test_writer().finish());
    // Where the server refuses something of a group, its commits are tried one by one: once in three times none may meet that.
    let mut before = 0;
    for round in 1..=3 {
        let all = of_each(&store, &format!("c-{round}"), 200, |_| Vec::new()).await;
        assert!(all.iter().all(is_done));
        let stat = store.stat().await.unwrap();
        assert_eq!((stat.commits, stat.conversations), (200 * round, 200 * round));
        if stat.transactions - before <= 20 {
            return;
        }
        before = stat.transactions;
    }
    panic!("{before} transactions of 600 commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_begin_the_same_one_does() {
    let Some(cluster) = cluster::shared() else { return };
    let url = cluster.database();
    let (one, other) =
        (PostgresStore::open(&url, Seals::default()).await.unwrap(), PostgresStore::open(&url, Seals::default()).await.unwrap());
    for round in 0..20 {
        let name = format!("r-{round}");
        // In another order, so that each waits for the other where it may.
        let backwards = join_all((0..8).rev().map(|n| {
            let commit = Commit { now: at(1), ..commit(&format!("{name}-{n}"), 0, &["a"]) };
            other.commit(commit)
        }));
        let (mut all, others) = tokio::join!(of_each(&one, &name, 8, |_| Vec::new()), backwards);
        all.extend(others);
        assert_eq!(all.iter().filter(|came| is_done(came)).count(), 8, "{all:?}");
        assert!(all.iter().all(|came| is_done(came) || matches!(came, Ok(Committed::Conflict { .. }))), "{all:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_go_on_with_the_same_or_claim_the_same_one_does() {
    let Some(cluster) = cluster::shared() else { return };
    let url = cluster.database();
    let stores = [PostgresStore::open(&url, Seals::default()).await.unwrap(), PostgresStore::open(&url, Seals::default()).await.unwrap()];
    let [one, other] = &stores;
    let key = |n: usize| Claim::Key { key: format!("k-{n}").into(), digest: "d".into() };
    for came in of_each(one, "c", 8, |_| Vec::new()).await {
        assert!(is_done(&came), "{came:?}");
    }
    let mut versions = [1; 8];
    for round in 0..20_usize {
        // Of other lengths, so that nothing else keeps them apart.
        let goes_on = |n: usize, texts: &[&str]| commit(&format!("c-{n}"), versions[n], texts);
        let (a, b) = tokio::join!(
            join_all((0..8).map(|n| one.commit(goes_on(n, &["one"])))),
            join_all((0..8).rev().map(|n| other.commit(goes_on(n, &["other", "more"]))))
        );
        for (n, (a, b)) in a.iter().zip(b.iter().rev()).enumerate() {
            assert!(is_done(a) != is_done(b), "conversation {n}: {a:?} {b:?}");
            versions[n] += if is_done(a) { 1 } else { 2 };
        }
        let first = round * 8;
        let (names, others) = (format!("a-{round}"), format!("b-{round}"));
        let (a, b) =
            tokio::join!(of_each(one, &names, 8, |n| vec![key(first + n)]), of_each(other, &others, 8, |n| vec![key(first + 7 - n)]));
        for (n, (a, b)) in a.iter().zip(b.iter().rev()).enumerate() {
            assert!(is_done(a) != is_done(b), "key {n}: {a:?} {b:?}");
        }
    }
}
