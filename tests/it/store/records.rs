//! What every store must keep of conditions and actions, run over all of them by the contract.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use waypost::registry::{ActionResult, ActionStatus, Decision, PrimitiveId, Sample, Series, Verdict, run_id};
use waypost::store::records::{
    After, DecisionsOf, Defined, Defines, DefinitionOf, Namespaces, NewDefinition, NewDelivery, NewOwed, PrimitiveWrite, Record, Recorded,
    Records, Registered, SHARED,
};
use waypost::store::{Commit, Committed, Owner};

use super::{at, commit, done, key};

pub fn new(id: &str, version: &str) -> NewDefinition {
    NewDefinition {
        tenant: "acme".into(),
        defines: Defines::Condition,
        namespace: "org".into(),
        id: id.into(),
        version: version.into(),
        body: json!({"condition_id": id, "version": version}).to_string().into(),
        bound: Vec::new(),
        at: at(0),
    }
}

pub fn decision(id: &str, entity: &str) -> Decision {
    Decision {
        decision_id: id.into(),
        condition_id: "big".into(),
        condition_version: "1".into(),
        namespace: "org".into(),
        entity: entity.into(),
        timestamp: at(0),
        value: Verdict::True,
        reason: None,
        detail: "12 is above 10".into(),
        inputs: json!({"input": 12}),
        actions: vec![ActionResult::new("page".into(), "1".into(), ActionStatus::Pending)],
        dry_run: false,
        depth: 0,
        event: None,
        conversation_id: None,
    }
}

fn record() -> Record {
    Record::new("acme".into(), at(0))
}

async fn deliver<S: Records>(store: &S, record: Record) -> Vec<u64> {
    match store.record(record).await.unwrap() {
        Recorded::Done { deliveries } => deliveries,
        Recorded::Settled => panic!("somebody else has settled it"),
    }
}

pub async fn a_version_is_registered_once<S: Records>(store: &S) {
    let Registered::New(first) = store.register(new("a", "1")).await.unwrap() else { panic!("it is new") };
    assert_eq!(store.register(new("a", "1")).await.unwrap(), Registered::Same(first));
    let other = NewDefinition { body: "{}".into(), ..new("a", "1") };
    assert_eq!(store.register(other).await.unwrap(), Registered::Taken);
    assert_eq!(
        store.register(NewDefinition { namespace: "team".into(), body: "{}".into(), ..new("a", "1") }).await.unwrap(),
        Registered::Taken
    );
    assert!(matches!(store.register(new("a", "2")).await.unwrap(), Registered::New(n) if n > first));
    let action = NewDefinition { defines: Defines::Action, ..new("a", "1") };
    assert!(matches!(store.register(action).await.unwrap(), Registered::New(_)));
    assert!(matches!(store.register(NewDefinition { tenant: "else".into(), ..new("a", "1") }).await.unwrap(), Registered::New(_)));
    let all = Namespaces::default();
    let meant = |id, version| DefinitionOf { defines: Defines::Condition, id, version, namespaces: &all };
    let of = async |tenant: &str, version| store.definition(tenant, meant("a", version)).await.unwrap();
    assert_eq!(of("acme", Some("1")).await.unwrap().seq, first);
    assert_eq!(&*of("acme", None).await.unwrap().version, "2");
    assert_eq!(&*of("else", None).await.unwrap().version, "1");
    assert!(of("acme", Some("3")).await.is_none());
    assert!(of("nobody", None).await.is_none());
}

pub async fn of_two_registrations_at_once_one_is_taken<S: Records>(store: &S) {
    for n in 0..20 {
        let with = |body: &str| NewDefinition { body: body.into(), ..new("a", &n.to_string()) };
        let (one, two) = tokio::join!(store.register(with("{\"a\":1}")), store.register(with("{\"a\":2}")));
        let new = [one.unwrap(), two.unwrap()].iter().filter(|r| matches!(r, Registered::New(_))).count();
        assert_eq!(new, 1);
    }
}

pub async fn what_files_define_every_tenant_sees<S: Records>(store: &S) {
    let file = NewDefinition { tenant: SHARED.into(), bound: vec!["journey.started".into()], ..new("f", "1") };
    let Registered::New(seq) = store.register(file.clone()).await.unwrap() else { panic!("it is new") };
    assert_eq!(store.register(NewDefinition { tenant: SHARED.into(), ..new("f", "1") }).await.unwrap(), Registered::Same(seq));
    assert_eq!(store.register(new("f", "1")).await.unwrap(), Registered::Taken);
    let named = async |id: &str| {
        store
            .definition("acme", DefinitionOf { defines: Defines::Condition, id, version: None, namespaces: &Namespaces::default() })
            .await
            .unwrap()
    };
    assert_eq!(named("f").await.unwrap().seq, seq);
    let own = NewDefinition { bound: vec!["journey.started".into()], ..new("own", "1") };
    assert!(matches!(store.register(own).await.unwrap(), Registered::New(_)));
    let bound = async |tenant: &str| {
        let bound = store.bound(tenant, Defines::Condition, "journey.started").await.unwrap();
        bound.iter().map(|d| d.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(bound("acme").await, ["f", "own"]);
    assert_eq!(bound("else").await, ["f"]);
    // A file that is gone leaves its record, and is bound to nothing.
    assert_eq!(store.define_files(Vec::new()).await.unwrap(), Defined::Whole);
    assert_eq!(bound("acme").await, ["own"]);
    assert!(named("f").await.is_some());
    assert_eq!(store.define_files(vec![file.clone()]).await.unwrap(), Defined::Whole);
    assert_eq!(bound("acme").await, ["f", "own"]);
    // Whole or not at all.
    let fresh = NewDefinition { id: "g".into(), ..file.clone() };
    let changed = NewDefinition { body: "{\"other\":1}".into(), ..file.clone() };
    assert_eq!(store.define_files(vec![fresh.clone(), changed]).await.unwrap(), Defined::Taken(1));
    assert!(named("g").await.is_none());
    assert_eq!(bound("acme").await, ["f", "own"]);
    assert_eq!(store.define_files(vec![fresh]).await.unwrap(), Defined::Whole);
    assert_eq!(bound("acme").await, ["own", "g"]);
}

pub async fn the_newest_definition_is_that_of_the_namespaces_asked_for<S: Records>(store: &S) {
    let of_team = |version: &str| NewDefinition { namespace: "team".into(), ..new("a", version) };
    let file = NewDefinition { tenant: SHARED.into(), namespace: "desk".into(), ..new("a", "0") };
    assert_eq!(store.define_files(vec![file]).await.unwrap(), Defined::Whole);
    for definition in
        [new("a", "1"), of_team("2"), of_team("3"), new("a", "4"), NewDefinition { namespace: "team".into(), ..new("b", "9") }]
    {
        store.register(definition).await.unwrap();
    }
    let of = async |namespaces: &[&str], version| {
        let namespaces = Namespaces(Some(namespaces.iter().map(|n| (*n).into()).collect()));
        let of = DefinitionOf { defines: Defines::Condition, id: "a", version, namespaces: &namespaces };
        store.definition("acme", of).await.unwrap().map(|d| d.version.to_string())
    };
    for (namespaces, newest) in [
        (&["team"][..], Some("3")),
        (&["org"], Some("4")),
        (&["team", "org"], Some("4")),
        (&["desk"], Some("0")),
        (&["none"], None),
        (&[], None),
    ] {
        assert_eq!(of(namespaces, None).await.as_deref(), newest, "{namespaces:?}");
    }
    assert_eq!(of(&["team"], Some("2")).await.as_deref(), Some("2"));
    assert_eq!(of(&["team"], Some("4")).await, None);
}

pub async fn lists_of_definitions_are_stable<S: Records>(store: &S) {
    for n in 0..25 {
        let namespace = if n % 5 == 0 { "team" } else { "org" };
        store.register(NewDefinition { namespace: namespace.into(), ..new(&format!("c{n}"), "1") }).await.unwrap();
    }
    let page = async |of: &Namespaces, before| store.definitions("acme", Defines::Condition, of, before, 10).await.unwrap();
    let (first, total) = page(&Namespaces::default(), None).await;
    assert_eq!((total, &*first[0].id, first.len()), (25, "c24", 10));
    store.register(new("late", "1")).await.unwrap();
    let (second, _) = page(&Namespaces::default(), Some(first[9].seq)).await;
    let (third, total) = page(&Namespaces::default(), Some(second[9].seq)).await;
    let ids: BTreeSet<_> = first.iter().chain(&second).chain(&third).map(|d| d.id.clone()).collect();
    assert_eq!((ids.len(), third.len(), total), (25, 5, 26));
    let (team, total) = page(&Namespaces(Some(vec!["team".into()])), None).await;
    assert_eq!((team.len(), total), (5, 5));
    assert_eq!(page(&Namespaces(Some(Vec::new())), None).await.1, 0);
    assert_eq!(store.definitions("acme", Defines::Action, &Namespaces::default(), None, 10).await.unwrap().1, 0);
}

/// While one registers, two read page after page: nothing twice, and nothing missing of what stood at the start.
pub async fn two_read_while_a_third_registers<S: Records>(store: &S) {
    let many = 10_000;
    let version = |n: u64| NewDefinition { tenant: SHARED.into(), ..new("c", &n.to_string()) };
    assert_eq!(store.define_files((0..many).map(version).collect()).await.unwrap(), Defined::Whole);
    let reader = async || {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let (page, total) = store.definitions("acme", Defines::Condition, &Namespaces::default(), before, 199).await.unwrap();
            assert!(total >= many);
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            seen.extend(page.iter().map(|d| d.seq));
            tokio::task::yield_now().await;
        }
        seen
    };
    let writer = async {
        for n in 0..100 {
            store.register(new("d", &n.to_string())).await.unwrap();
        }
    };
    let (one, two, ()) = tokio::join!(reader(), reader(), writer);
    let (stood, _) = store.definitions("acme", Defines::Condition, &Namespaces::default(), None, 20_000).await.unwrap();
    let stood: BTreeSet<u64> = stood.iter().filter(|d| &*d.id == "c").map(|d| d.seq).collect();
    assert_eq!(stood.len() as u64, many);
    for seen in [one, two] {
        assert!(seen.is_sorted_by(|a, b| a > b));
        assert!(stood.is_subset(&seen.into_iter().collect()));
    }
}

pub async fn a_primitive_has_the_value_of_its_time<S: Records>(store: &S) {
    let id = PrimitiveId::parse("billing.balance").unwrap();
    let write =
        |at: Timestamp, value: serde_json::Value| PrimitiveWrite { primitive: id.clone(), entity: "c-1".into(), at, value, by: None };
    for (seconds, value) in [(10, json!(1)), (30, json!(3.5)), (20, json!(2)), (40, json!("none")), (20, json!(2.5))] {
        deliver(store, Record { primitives: vec![write(at(seconds), value)], ..record() }).await;
    }
    let of = async |tenant: &str, entity: &str, seconds| {
        store.primitive(tenant, &id, entity, at(seconds)).await.unwrap().map(|w| (w.at, w.value))
    };
    assert_eq!(of("acme", "c-1", 9).await, None);
    assert_eq!(of("acme", "c-1", 10).await, Some((at(10), json!(1))));
    assert_eq!(of("acme", "c-1", 29).await, Some((at(20), json!(2.5))));
    assert_eq!(of("acme", "c-1", 99).await, Some((at(40), json!("none"))));
    assert_eq!(of("acme", "c-2", 99).await, None);
    assert_eq!(of("else", "c-1", 99).await, None);
    let history = async |from, to, limit| {
        let series = Series::Primitive(id.clone());
        store.history("acme", &series, "c-1", (at(from), at(to)), limit).await.unwrap().iter().map(|s| s.value).collect::<Vec<_>>()
    };
    assert_eq!(history(0, 99, 10).await, [1.0, 2.5, 3.5]);
    assert_eq!(history(20, 30, 10).await, [2.5, 3.5]);
    assert_eq!(history(0, 30, 1).await, [3.5]);
    assert_eq!(history(31, 30, 10).await, [0.0; 0]);
    // What is no number, and what was put right, takes the place of none.
    assert_eq!(history(0, 99, 2).await, [2.5, 3.5]);
    assert_eq!(history(0, 99, 3).await, [1.0, 2.5, 3.5]);
    for value in [json!(5), json!(null)] {
        deliver(store, Record { primitives: vec![write(at(50), value)], ..record() }).await;
    }
    assert_eq!(history(0, 99, 1).await, [3.5], "the last of one time counts");
}

pub async fn a_history_takes_one_number_of_each_time<S: Records>(store: &S) {
    let sample = |seconds, value| ("s".into(), "c-1".into(), Sample { at: at(seconds), value });
    deliver(store, Record { samples: vec![sample(1, 1.0), sample(2, 2.0)], ..record() }).await;
    deliver(store, Record { samples: vec![sample(2, 9.0), sample(3, 3.0)], ..record() }).await;
    let history = async |series: &str, entity: &str| {
        let series = Series::Recorded(series.into());
        store.history("acme", &series, entity, (at(0), at(9)), 10).await.unwrap().iter().map(|s| s.value).collect::<Vec<_>>()
    };
    assert_eq!(history("s", "c-1").await, [1.0, 2.0, 3.0]);
    assert_eq!(history("s", "c-2").await, [0.0; 0]);
    assert_eq!(history("t", "c-1").await, [0.0; 0]);
}

pub async fn a_decision_keeps_what_its_actions_came_to<S: Records>(store: &S) {
    let second = Decision { condition_id: "small".into(), namespace: "team".into(), ..decision("d2", "c-2") };
    deliver(store, Record { decisions: vec![decision("d1", "c-1"), second], ..record() }).await;
    assert_eq!(store.decision("acme", "d1").await.unwrap(), Some(decision("d1", "c-1")));
    assert_eq!(store.decision("else", "d1").await.unwrap(), None);
    let failed = ActionResult::new("page".into(), "1".into(), ActionStatus::Pending).failed("timeout", "it did not answer");
    deliver(store, Record { results: vec![("d1".into(), 0, failed.clone())], ..record() }).await;
    assert_eq!(store.decision("acme", "d1").await.unwrap().unwrap().actions, std::slice::from_ref(&failed));
    let again = ActionResult::new("page".into(), "1".into(), ActionStatus::Triggered);
    deliver(store, Record { results: vec![("d1".into(), 0, again.clone()), ("gone".into(), 0, failed)], ..record() }).await;
    let all = async |of: DecisionsOf| {
        let all = store.decisions("acme", &of, None, 10).await.unwrap();
        all.into_iter().map(|(_, d)| d.decision_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(all(DecisionsOf::default()).await, ["d2", "d1"]);
    assert_eq!(all(DecisionsOf { entity: Some("c-1".into()), ..DecisionsOf::default() }).await, ["d1"]);
    assert_eq!(all(DecisionsOf { condition_id: Some("small".into()), ..DecisionsOf::default() }).await, ["d2"]);
    let both = DecisionsOf { entity: Some("c-1".into()), condition_id: Some("small".into()), ..DecisionsOf::default() };
    assert_eq!(all(both).await, [""; 0]);
    assert_eq!(all(DecisionsOf { namespaces: Namespaces(Some(vec!["team".into()])), ..DecisionsOf::default() }).await, ["d2"]);
    let newest = store.decisions("acme", &DecisionsOf::default(), None, 1).await.unwrap();
    let older = store.decisions("acme", &DecisionsOf::default(), Some(newest[0].0), 10).await.unwrap();
    assert_eq!((older.len(), &older[0].1.actions[0]), (1, &again));
}

pub async fn a_delivery_is_one_callers_at_a_time<S: Records>(store: &S) {
    let new = |n| NewDelivery { decision: "d1".into(), n, action_id: "page".into(), action_version: "1".into(), due: at(10) };
    let ids = deliver(store, Record { decisions: vec![decision("d1", "c-1")], deliveries: vec![new(0), new(1)], ..record() }).await;
    assert!(store.claim_deliveries(at(9), at(60), 10).await.unwrap().is_empty());
    let first = store.claim_deliveries(at(10), at(60), 1).await.unwrap();
    let second = store.claim_deliveries(at(10), at(60), 10).await.unwrap();
    assert_eq!([first[0].id, second[0].id], *ids);
    assert!(store.claim_deliveries(at(59), at(99), 10).await.unwrap().is_empty());
    let again = After::Again { due: at(30), tries: 1, error: "503".into() };
    deliver(store, Record { delivered: vec![(ids[0], again), (ids[1], After::Dead { tries: 3, error: "refused".into() })], ..record() })
        .await;
    let due = store.claim_deliveries(at(99), at(200), 10).await.unwrap();
    assert_eq!((due.len(), due[0].id, due[0].tries, due[0].error.as_deref()), (1, ids[0], 1, Some("503")));
    let dead = store.deliveries("acme", true, None, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].n, dead[0].tries), (1, 1, 3));
    assert!(store.deliveries("else", true, None, 10).await.unwrap().is_empty());
    assert!(store.delivery("else", ids[1]).await.unwrap().is_none());
    assert!(store.revive("else", ids[1], at(0)).await.unwrap().is_none());
    assert!(store.revive("acme", ids[0], at(0)).await.unwrap().is_none(), "it was not given up");
    let revived = futures_util::future::join_all((0..4).map(|_| store.revive("acme", ids[1], at(0)))).await;
    let revived: Vec<_> = revived.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!((revived.len(), revived[0].tries, revived[0].dead, revived[0].error.as_deref()), (1, 0, false, Some("refused")));
    deliver(store, Record { delivered: vec![(ids[0], After::Gone)], ..record() }).await;
    assert_eq!(store.claim_deliveries(at(99), at(300), 10).await.unwrap()[0].id, ids[1]);
    assert!(store.delivery("acme", ids[0]).await.unwrap().is_none());
    assert_eq!(store.deliveries("acme", false, None, 10).await.unwrap().len(), 1);
}

fn owed(event: &'static str) -> NewOwed {
    NewOwed { event, data: "{}".into(), depth: 1 }
}

pub async fn an_event_is_owed_where_a_condition_is_bound_and_settled_once<S: Records>(store: &S) {
    store.register(NewDefinition { bound: vec!["journey.started".into()], ..new("a", "1") }).await.unwrap();
    let events = vec![owed("journey.started"), owed("action.failed")];
    let owes = async |commit: Commit| match store.commit(commit).await.unwrap() {
        Committed::Done { owes, .. } => owes,
        other => panic!("{other:?}"),
    };
    assert!(owes(Commit { owed: events.clone().into(), ..commit("c", 0, &["a"]) }).await);
    let theirs = Commit { key: waypost::store::ConversationKey::new("else", "c"), owed: events.clone().into(), ..commit("c", 0, &["a"]) };
    assert!(!owes(theirs).await, "theirs is bound to nothing");
    // What is not committed owes nothing.
    store.commit(Commit { owed: events.into(), ..commit("c", 0, &["b"]) }).await.unwrap();
    let claimed = store.claim_owed(at(1), at(60), 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let first = &claimed[0];
    assert_eq!((&*first.tenant, &*first.conversation, &*first.event, first.depth), ("acme", "c", "journey.started", 1));
    assert!(store.claim_owed(at(59), at(99), 10).await.unwrap().is_empty());
    assert_eq!(store.claim_owed(at(60), at(99), 10).await.unwrap()[0].id, first.id);
    let settle = |id: &str| Record { decisions: vec![decision(id, "c")], settles: Some(first.id), ..record() };
    deliver(store, settle("d1")).await;
    assert_eq!(store.record(settle("d2")).await.unwrap(), Recorded::Settled);
    assert!(store.decision("acme", "d2").await.unwrap().is_none());
    assert!(store.claim_owed(at(999), at(9_999), 10).await.unwrap().is_empty());
}

pub async fn what_was_decided_on_an_erased_users_events_is_gone<S: Records>(store: &S) {
    store.register(NewDefinition { bound: vec!["journey.started".into()], ..new("a", "1") }).await.unwrap();
    done(store, Commit { owed: vec![owed("journey.started")].into(), ..commit("c", 0, &["a"]) }).await;
    let of = |id: &str| Decision { conversation_id: Some("c".into()), ..decision(id, "c") };
    let sample = (Arc::from("s"), Arc::from("c"), Sample { at: at(1), value: 1.0 });
    let delivery = NewDelivery { decision: "d1".into(), n: 0, action_id: "page".into(), action_version: "1".into(), due: at(0) };
    deliver(
        store,
        Record { decisions: vec![of("d1"), decision("d2", "c")], deliveries: vec![delivery], samples: vec![sample], ..record() },
    )
    .await;
    let result = ActionResult::new("page".into(), "1".into(), ActionStatus::Triggered);
    deliver(store, Record { results: vec![("d1".into(), 0, result)], ..record() }).await;
    // What was decided was acted upon in a conversation of nobody's, and on that another time.
    let acted = ActionResult::new("ring".into(), "1".into(), ActionStatus::Pending);
    let first = Decision { actions: vec![acted.clone()], ..of("d3") };
    let run = run_id("acme", &first, "ring", "1");
    let second = Decision { actions: vec![acted], depth: 1, conversation_id: Some(run.clone()), ..decision("d4", "x") };
    let last = run_id("acme", &second, "ring", "1");
    for id in [&*run, &*last, "decided-1-other"] {
        let owner = Owner { agent: "shop".into(), user: "system".into() };
        done(store, Commit { owner: Some(owner), ..commit(id, 0, &["a"]) }).await;
    }
    let write = |entity: &str| PrimitiveWrite {
        primitive: PrimitiveId::parse("org.seen").unwrap(),
        entity: entity.into(),
        at: at(1),
        value: json!(true),
        by: None,
    };
    deliver(store, Record { decisions: vec![first, second], primitives: vec![write("c"), write("other"), write(&run)], ..record() }).await;
    // More of them than are erased in one go.
    let mut crowd = Vec::new();
    for n in 0..150 {
        let acted = ActionResult::new(format!("ring-{n}").into(), "1".into(), ActionStatus::Triggered);
        let made = Decision { actions: vec![acted], ..of(&format!("many-{n}")) };
        let id = run_id("acme", &made, &format!("ring-{n}"), "1");
        let owner = Owner { agent: "shop".into(), user: "system".into() };
        done(store, Commit { owner: Some(owner), ..commit(&id, 0, &["a"]) }).await;
        crowd.push(id);
        deliver(store, Record { decisions: vec![made], ..record() }).await;
    }
    let erased = store.erase_user("acme", "u-1", Arc::new(|text| text.into())).await.unwrap();
    assert_eq!(erased.conversations, 153);
    for id in crowd.iter().chain([&run, &last]) {
        assert!(store.load(&key(id), 0).await.is_err(), "{id}");
    }
    assert!(store.load(&key("decided-1-other"), 0).await.is_ok());
    assert!(store.decision("acme", "d4").await.unwrap().is_none());
    for (entity, there) in [("c", false), (&*run, false), ("other", true)] {
        let found = store.primitive("acme", &PrimitiveId::parse("org.seen").unwrap(), entity, at(9)).await.unwrap();
        assert_eq!(found.is_some(), there, "{entity}");
    }
    assert!(store.decision("acme", "d1").await.unwrap().is_none());
    assert!(store.decision("acme", "d2").await.unwrap().is_some());
    assert!(store.claim_deliveries(at(9), at(99), 10).await.unwrap().is_empty());
    assert!(store.claim_owed(at(9), at(99), 10).await.unwrap().is_empty());
    assert!(store.history("acme", &Series::Recorded("s".into()), "c", (at(0), at(9)), 10).await.unwrap().is_empty());
    assert!(store.load(&key("c"), 0).await.is_err());
}
