//! All stores do the same: random commits, claims and erasures, and after each of them everything that can be read.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use waypost::engine::{CallResult, Claim, Event, EventBody, HoldChange, Recorded};
use waypost::store::{Commit, ConversationKey, MemoryStore, Owner, Reply, Store};
use waypost::value::{Json, Name, Taint};

use super::Fresh as _;
use super::{at, event, hold, reply, row, said, state};

#[derive(Debug, Clone)]
struct Op {
    conversation: u8,
    stale: bool,
    claims: Vec<(u8, u8)>,
    reply: bool,
    wake: Option<i64>,
    events: usize,
    audit: bool,
    hold: u8,
    rare: u8,
    passes: i64,
}

fn op() -> impl Strategy<Value = Op> {
    let claims = prop::collection::vec((0..8_u8, 0..2_u8), 0..3);
    let passes = prop_oneof![8 => 0..40_i64, 1 => Just(86_400)];
    (
        0..3_u8,
        prop::bool::weighted(0.1),
        claims,
        any::<bool>(),
        prop::option::of(0..99_i64),
        0..3_usize,
        any::<bool>(),
        0..6_u8,
        0..40_u8,
        passes,
    )
        .prop_map(|(conversation, stale, claims, reply, wake, events, audit, hold, rare, passes)| Op {
            conversation,
            stale,
            claims,
            reply,
            wake,
            events,
            audit,
            hold,
            rare,
            passes,
        })
}

fn claim((kind, n): (u8, u8), now: Timestamp) -> Claim {
    let name: Arc<str> = format!("n-{n}").into();
    match kind {
        0 | 1 => Claim::Message { id: name },
        2 => Claim::Key { key: "k".into(), digest: name },
        3 => {
            let recorded = Recorded { result: CallResult::answered(200, Json::Null), outcome: None, taint: Taint::default() };
            Claim::KeyApplied { key: "k".into(), recorded, until: now + SignedDuration::from_secs(60) }
        }
        4 => Claim::KeyFreed { key: "k".into() },
        5 => Claim::Rate { bucket: name, max: 2, per_s: 30 },
        6 => Claim::Other { kind: Name::new("nonce"), key: name, until: None },
        _ => Claim::Other { kind: Name::new("started"), key: name, until: Some(now + SignedDuration::from_secs(45)) },
    }
}

/// Does it, and says what came of it and what can be read then.
async fn played<S: Store>(store: &S, tenant: &str, ops: &[Op]) -> Vec<String> {
    let mut told = Vec::new();
    let mut say = |what: &dyn Debug| told.push(format!("{what:?}"));
    let mut now = at(0);
    for (n, op) in ops.iter().enumerate() {
        now += SignedDuration::from_secs(op.passes);
        let key = ConversationKey::new(tenant, format!("c-{}", op.conversation));
        let user = format!("u-{}", op.conversation % 2);
        if op.rare == 0 {
            say(&store.erase_user(tenant, &user, Arc::new(|text| format!("digest of {text}").into())).await);
        }
        let before = store.load(&key, u64::MAX).await;
        let (version, seq) = before.as_ref().ok().and_then(|s| s.as_ref()).map_or((0, 0), |s| (s.version, s.audit.seq));
        let finished = op.rare == 1;
        // What begins a conversation is an event.
        let count = op.events.max(usize::from(version == 0));
        let mut events: Vec<Event> = (0..count).map(|i| if i == 0 { said(&format!("{n}")) } else { event(&format!("{n} {i}")) }).collect();
        if finished {
            events.push(Event { v: 1, at: now, body: EventBody::Abandoned });
        }
        let id = format!("h-{}", op.conversation);
        let commit = Commit {
            owner: Some(Owner { agent: "shop".into(), user: user.into() }),
            claims: op.claims.iter().map(|c| claim(*c, now)).collect(),
            reply: op.reply.then(|| Reply { digest: format!("{n}").into(), ..reply("n-0", &format!("{n}")) }),
            wake_at: op.wake.map(at),
            audit: if op.audit { vec![row(seq + 1, &format!("{n}"))] } else { Vec::new() },
            holds: match op.hold {
                0 => vec![HoldChange::Opened(hold(&id, "shop"))],
                1 => vec![HoldChange::Closed { id: id.into() }],
                _ => Vec::new(),
            },
            snapshot: finished.then(|| state(version + events.len() as u64)),
            finished,
            events: events.into(),
            ..Commit::new(key.clone(), if op.stale { version + 1 } else { version }, now)
        };
        say(&store.commit(commit).await);
        say(&store.load(&key, n as u64 / 2).await.map(|s| s.map(|s| (s.owner, s.version, s.snapshot, s.events, s.audit))));
        say(&store.events(&key, 1, 5).await);
        say(&store.audit(&key, 0, 99).await);
        say(&store.reply(&key, "n-0", now).await);
        say(&store.holder(tenant, "started", "n-0", now).await);
        say(&store.conversations(tenant, "shop", None, None, 9).await);
        say(&store.holds(tenant, "shop", None, 9).await);
        let due: Vec<_> = store.due(Timestamp::MAX, 9_999).await.unwrap().into_iter().filter(|(_, k)| &*k.tenant == tenant).collect();
        say(&due);
    }
    told
}

/// `PROPTEST_CASES` for more of them.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
fn stores_agree() {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (memory, sqlite) = (MemoryStore::new(), super::sqlite());
    let postgres = executor.block_on(super::postgres());
    let mut cases = 0;
    let told = Config { failure_persistence: None, ..Config::default() };
    let few = Config { cases: 48, ..told.clone() };
    let mut runner = TestRunner::new(if std::env::var_os("PROPTEST_CASES").is_some() { told } else { few });
    let agree = |ops: Vec<Op>| {
        cases += 1;
        let tenant = format!("tenant-{cases}");
        let expected = executor.block_on(played(&memory, &tenant, &ops));
        prop_assert_eq!(&executor.block_on(played(sqlite.store(), &tenant, &ops)), &expected);
        if let Some(postgres) = &postgres {
            prop_assert_eq!(&executor.block_on(played(postgres, &tenant, &ops)), &expected);
        }
        Ok(())
    };
    let agree = std::cell::RefCell::new(agree);
    let result = runner.run(&prop::collection::vec(op(), 1..24), |ops| (agree.borrow_mut())(ops));
    result.unwrap();
}
