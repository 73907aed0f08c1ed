//! Conditions over HTTP: registered, listed, evaluated by calls and by what happens in conversations.

use serde_json::{Value as Json, json};
use waypost::cli::demo::backend::Backend;
use waypost::driver::Clock;
use waypost::store::Address;
use waypost::store::records::{Defines, NewDefinition, Records as _};

use crate::store::cluster;

use super::served::{Answered, As, Plan, Served, files, shipped};

pub const KEYS: &str = "
server:
  keys:
    - {name: chief, key: chief-key-000000000, role: admin, tenants: [acme]}
    - {name: host, key: host-key-0000000000, role: runtime, tenants: [acme]}
    - {name: model, key: model-key-000000000, role: agent, tenants: [acme]}
    - {name: theirs, key: theirs-key-00000000, role: admin, tenants: [else]}
    - {name: team, key: team-key-0000000000, role: admin, tenants: [acme], scopes: ['namespace:team']}
";

pub fn chief() -> As {
    As::key("chief-key-000000000")
}

pub fn host() -> As {
    As::key("host-key-0000000000")
}

async fn served() -> Served {
    let workspace = [("waypost.yaml", KEYS), ("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n")];
    Plan::of(files(&workspace)).serve().await
}

pub fn big(version: &str) -> Json {
    json!({
        "condition_id": "big", "version": version, "namespace": "org", "input": "data.amount",
        "strategy": {"type": "threshold", "params": {"direction": "above", "value": 100}},
    })
}

pub fn ask(amount: &Json) -> Json {
    json!({"version": "1", "entity": "c-1", "timestamp": "2026-01-05T09:00:00Z", "data": {"amount": amount}})
}

#[tokio::test]
async fn a_condition_is_registered_listed_and_evaluated() {
    let served = served().await;
    let made = served.post(&chief(), "/conditions", &big("1")).await;
    assert_eq!((made.status, &made.body["condition_id"]), (200, &json!("big")), "{made:?}");
    let again = served.post(&chief(), "/conditions", &big("1")).await;
    assert_eq!((again.status, again.code()), (409, "registered"));
    assert_eq!(served.post(&chief(), "/conditions", &big("2")).await.status, 200);
    let newest = served.get(&host(), "/conditions/big").await;
    assert_eq!((newest.status, &newest.body["version"], &newest.body["strategy"]["type"]), (200, &json!("2"), &json!("threshold")));
    assert_eq!(served.get(&host(), "/conditions/big?version=3").await.status, 404);
    let listed = served.get(&host(), "/conditions?limit=1").await;
    assert_eq!((&listed.body["has_more"], &listed.body["total_count"]), (&json!(true), &json!(2)));
    let next = listed.body["next_cursor"].as_str().unwrap();
    let rest = served.get(&host(), &format!("/conditions?limit=1&cursor={next}&namespace=org")).await;
    assert_eq!(
        (&rest.body["items"][0]["version"], &rest.body["has_more"], &rest.body["next_cursor"]),
        (&json!("1"), &json!(false), &Json::Null)
    );
    assert_eq!(served.get(&host(), "/conditions?cursor=nonsense").await.status, 404);

    let decided = served.post(&chief(), "/conditions/big/evaluate", &ask(&json!(101))).await;
    assert_eq!((decided.status, &decided.body["value"], &decided.body["reason"]), (200, &json!(true), &Json::Null), "{decided:?}");
    assert_eq!(decided.body["inputs"]["input"], json!(101));
    assert_eq!(decided.body["timestamp"], json!("2026-01-05T09:00:00Z"));
    let id = decided.body["decision_id"].as_str().unwrap();
    assert_eq!(served.get(&host(), &format!("/decisions/{id}")).await.body, decided.body);
    let unknown = served.post(&chief(), "/conditions/big/evaluate", &ask(&Json::Null)).await;
    assert_eq!((&unknown.body["value"], &unknown.body["reason"]), (&Json::Null, &json!("missing_input")));
    let all = served.get(&host(), "/decisions?entity=c-1&condition_id=big&limit=1").await;
    assert_eq!(all.body["items"][0]["decision_id"], unknown.body["decision_id"]);
    let next = all.body["next_cursor"].as_str().unwrap();
    assert_eq!(served.get(&host(), &format!("/decisions?entity=c-1&cursor={next}")).await.body["items"][0]["decision_id"], json!(id));
    assert_eq!(served.get(&host(), "/decisions?entity=c-2").await.body["items"], json!([]));
    let why = served.post(&host(), &format!("/decisions/{id}/explain"), &json!({})).await;
    assert_eq!((why.status, &why.body["why"]), (200, &json!("it is true: 101 is above 100")), "{why:?}");
    assert_eq!(why.body["condition"]["strategy"]["params"]["value"], json!(100));
}

#[tokio::test]
async fn who_may_not_write_does_not() {
    let served = served().await;
    let model = As::key("model-key-000000000");
    for (who, status) in [(As::nobody(), 401), (As::key("wrong"), 401), (host(), 403), (model.clone(), 403)] {
        assert_eq!(served.post(&who, "/conditions", &big("1")).await.status, status);
        assert_eq!(served.put(&who, "/primitives/billing.balance?entity=c-1", &json!({"value": 1})).await.status, status);
    }
    let elevated = host().with("x-elevated-key", "chief-key-000000000");
    assert_eq!(served.post(&elevated, "/conditions", &big("1")).await.status, 200);
    let alone = As::nobody().with("x-elevated-key", "chief-key-000000000");
    assert_eq!(served.post(&alone, "/conditions", &big("2")).await.status, 200);
    for not in ["host-key-0000000000", "theirs-key-00000000", "wrong"] {
        assert_eq!(served.post(&host().with("x-elevated-key", not), "/conditions", &big("3")).await.status, 403, "{not}");
    }
    // A dry run is for any key, and what is recorded only for those who may look.
    assert_eq!(served.post(&host(), "/conditions/big/evaluate", &ask(&json!(1))).await.status, 403);
    let mut dry = ask(&json!(1));
    dry["dry_run"] = true.into();
    let decided = served.post(&model, "/conditions/big/evaluate", &dry).await;
    assert_eq!((decided.status, &decided.body["dry_run"]), (200, &json!(true)));
    assert_eq!(served.get(&model, "/decisions").await.status, 403);
    assert_eq!(served.get(&model, "/primitives/billing.balance?entity=c-1").await.status, 403);
}

#[tokio::test]
async fn another_tenants_and_namespaces_records_are_not_there() {
    let served = served().await;
    let (theirs, team) = (As::key("theirs-key-00000000"), As::key("team-key-0000000000"));
    assert_eq!(served.post(&chief(), "/conditions", &big("1")).await.status, 200);
    let decided = served.post(&chief(), "/conditions/big/evaluate", &ask(&json!(1))).await;
    let id = decided.body["decision_id"].as_str().unwrap();
    served.put(&chief(), "/primitives/billing.balance?entity=c-1", &json!({"value": 1})).await;
    for who in [&theirs, &team] {
        assert_eq!(served.get(who, "/conditions/big").await.status, 404);
        assert_eq!(served.get(who, "/conditions").await.body["total_count"], json!(0));
        assert_eq!(served.post(who, "/conditions/big/evaluate", &ask(&json!(1))).await.status, 404);
        assert_eq!(served.get(who, &format!("/decisions/{id}")).await.status, 404);
        assert_eq!(served.post(who, &format!("/decisions/{id}/explain"), &json!({})).await.status, 404);
        assert_eq!(served.get(who, "/decisions").await.body["items"], json!([]));
        assert_eq!(served.get(who, "/primitives/billing.balance?entity=c-1").await.status, 404);
    }
    assert_eq!(served.get(&chief(), "/conditions/big?namespace=team").await.status, 404);
    assert_eq!(served.post(&team, "/conditions", &big("9")).await.status, 403);
    assert_eq!(served.post(&theirs, "/conditions", &big("1")).await.status, 200, "ids are a tenant's own");
}

#[tokio::test]
async fn a_key_reads_writes_and_builds_on_nothing_outside_its_namespaces() {
    let served = served().await;
    let team = As::key("team-key-0000000000");
    assert_eq!(served.post(&chief(), "/conditions", &big("1")).await.status, 200);
    let mine = |id: &str, strategy: Json| json!({"condition_id": id, "version": "1", "namespace": "team", "strategy": strategy});
    let expression = |text: &str| json!({"type": "expression", "params": {"expression": text}});
    let made_of = |id: &str| {
        let operands = json!([{"condition_id": id, "condition_version": "1"}]);
        json!({"type": "composite", "params": {"operator": "NOT", "operands": operands}})
    };
    let mut by_entity = mine("c", expression("data.x"));
    by_entity["entity"] = json!("primitives.billing.owner");
    let mut by_input = mine("d", json!({"type": "equals", "params": {"value": 1}}));
    by_input["input"] = json!("billing.balance");
    let inner =
        json!({"type": "composite", "params": {"operator": "NOT", "operands": [{"strategy": expression("primitives.billing.owed")}]}});
    for (body, status) in [
        (mine("a", expression("primitives.billing.balance > 1")), 403),
        (by_entity, 403),
        (by_input, 403),
        (mine("e", inner), 403),
        (mine("f", made_of("big")), 400),
        (mine("g", expression("primitives.team.balance > 1")), 200),
        (mine("h", made_of("g")), 200),
    ] {
        assert_eq!(served.post(&team, "/conditions", &body).await.status, status, "{body}");
    }
    let action = |id: &str, config: Json, condition: &str| {
        let trigger = json!({"fire_on": "any", "condition_id": condition, "condition_version": "1"});
        json!({"action_id": id, "version": "1", "namespace": "team", "config": config, "trigger": trigger})
    };
    let write = |primitive: &str| json!({"type": "register", "primitive_id": primitive});
    for (body, status) in [
        (action("a", write("billing.balance"), "g"), 403),
        (action("b", write("team.balance"), "big"), 400),
        (action("c", write("team.balance"), "later"), 400),
        (action("d", write("team.balance"), "g"), 200),
    ] {
        assert_eq!(served.post(&team, "/actions", &body).await.status, status, "{body}");
    }
    // What a key that sees all bound across namespaces tells a key of one of them nothing of the other.
    assert_eq!(served.post(&chief(), "/actions", &action("across", write("team.seen"), "big")).await.status, 200);
    let done = served.post(&team, "/actions/across/trigger", &json!({"version": "1", "entity": "c-1"})).await;
    let id = done.body["decision_id"].as_str().unwrap();
    let why = served.post(&team, &format!("/decisions/{id}/explain"), &json!({})).await;
    assert_eq!((why.status, &why.body["condition"]), (200, &Json::Null), "{why:?}");
}

#[tokio::test]
async fn a_recorded_history_is_a_namespaces_own() {
    let served = served().await;
    let body = |namespace: &str, version: &str| {
        json!({
            "condition_id": "jump", "version": version, "namespace": namespace, "input": "data.amount",
            "strategy": {"type": "change", "params": {"direction": "any", "value": 0.5, "window": "1h"}},
        })
    };
    let evaluate = async |who: &As, version: &str, minute: u32, amount: u32| {
        let body = json!({
            "version": version, "entity": "c-1", "timestamp": format!("2026-01-05T09:{minute:02}:00Z"), "data": {"amount": amount},
        });
        served.post(who, "/conditions/jump/evaluate", &body).await.body
    };
    let team = As::key("team-key-0000000000");
    for (who, namespace, version) in [(&chief(), "org", "1"), (&chief(), "org", "2"), (&team, "team", "9")] {
        assert_eq!(served.post(who, "/conditions", &body(namespace, version)).await.status, 200);
    }
    evaluate(&chief(), "1", 0, 100).await;
    let theirs = evaluate(&team, "9", 1, 100_000).await;
    assert_eq!((&theirs["reason"], &theirs["inputs"]["history"]), (&json!("insufficient_history"), &json!(0)), "nothing is read: {theirs}");
    let ours = evaluate(&chief(), "2", 2, 100).await;
    assert_eq!((&ours["value"], &ours["inputs"]["history"]), (&json!(false), &json!(1)), "nothing is put there: {ours}");
}

#[tokio::test]
async fn an_elevated_key_lifts_only_what_both_keys_see() {
    let settings = format!(
        "{KEYS}    - {{name: desk, key: desk-key-0000000000, role: runtime, tenants: [acme], scopes: ['namespace:desk', context]}}
    - {{name: both, key: both-key-0000000000, role: runtime, tenants: [acme], scopes: ['namespace:desk', 'namespace:team']}}\n"
    );
    let workspace = [("waypost.yaml", &*settings), ("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n")];
    let served = Plan::of(files(&workspace)).serve().await;
    let of = |namespace: &str, version: &str| {
        let mut body = big(version);
        body["namespace"] = json!(namespace);
        body
    };
    let with = |own: &str, elevated: &str| As::key(own).with("x-elevated-key", elevated);
    let (team, chief_key) = ("team-key-0000000000", "chief-key-000000000");
    for (n, (who, namespace, status)) in [
        (with("host-key-0000000000", team), "org", 403),
        (with("host-key-0000000000", team), "team", 200),
        (with("desk-key-0000000000", team), "team", 403),
        (with("desk-key-0000000000", team), "desk", 403),
        (with("both-key-0000000000", team), "team", 200),
        (with("both-key-0000000000", team), "desk", 403),
        (with("desk-key-0000000000", chief_key), "desk", 200),
        (with("desk-key-0000000000", chief_key), "org", 403),
        (As::nobody().with("x-elevated-key", team), "org", 403),
        (As::nobody().with("x-elevated-key", team), "team", 200),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(served.post(&who, "/conditions", &of(namespace, &n.to_string())).await.status, status, "case {n}");
    }
}

#[tokio::test]
async fn a_primitive_that_the_workspace_does_not_declare_is_refused_as_in_a_file() {
    let settings = format!("{KEYS}primitives: {{billing.balance: {{}}}}\n");
    let workspace = [("waypost.yaml", &*settings), ("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n")];
    let served = Plan::of(files(&workspace)).serve().await;
    let mut body = big("1");
    for (input, status) in [("billing.balanse", 400), ("data.amount + primitives.billing.owed", 400), ("billing.balance", 200)] {
        body["input"] = json!(input);
        let answer = served.post(&chief(), "/conditions", &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let put = served.put(&chief(), &format!("/primitives/{input}?entity=c-1"), &json!({"value": 1})).await;
        if !input.contains(' ') {
            assert_eq!(put.status, status, "{put:?}");
        }
        if input == "billing.balanse" {
            assert_eq!(
                (put.code(), &put.body["detail"]),
                ("primitive", &json!("there is no primitive `billing.balanse` (write `billing.balance`)"))
            );
            assert_eq!(answer.body["detail"], "`input`: there is no primitive `billing.balanse` (write `billing.balance`)");
        }
    }
    let trigger = json!({"fire_on": "any", "condition_id": "big", "condition_version": "1"});
    for (id, primitive, status) in [("a", "billing.owed", 400), ("b", "billing.balance", 200)] {
        let config = json!({"type": "register", "primitive_id": primitive});
        let body = json!({"action_id": id, "version": "1", "namespace": "org", "config": config, "trigger": trigger});
        assert_eq!(served.post(&chief(), "/actions", &body).await.status, status, "{primitive}");
    }
}

#[tokio::test]
async fn what_is_no_condition_is_a_bad_request() {
    let served = served().await;
    let cases = [
        json!({"condition_id": "big"}),
        json!({"condition_id": "big", "version": "1", "namespace": "org", "strategy": {"type": "sometimes"}}),
        json!({"condition_id": "big", "version": 1, "namespace": "org", "strategy": {"type": "expression", "params": {"expression": "true"}}}),
        json!({"condition_id": "big", "version": "1", "namespace": "org", "on": ["conversation.closed"], "strategy": {"type": "expression", "params": {"expression": "true"}}}),
        json!({"condition_id": "not", "version": "1", "namespace": "org", "strategy": {"type": "composite", "params": {"operator": "NOT", "operands": [{"condition_id": "gone", "condition_version": "1"}]}}}),
    ];
    for body in cases {
        let answer = served.post(&chief(), "/conditions", &body).await;
        assert_eq!((answer.status, answer.code()), (400, "condition"), "{body}: {answer:?}");
    }
    assert_eq!(served.post(&chief(), "/conditions", &json!([])).await.status, 400);
    assert_eq!(served.raw(&chief(), "/conditions", Some("application/json"), "{").await.status, 400);
    served.post(&chief(), "/conditions", &big("1")).await;
    for body in [
        json!({"entity": "c-1"}),
        json!({"version": "1"}),
        json!({"version": "1", "entity": ""}),
        json!({"version": "1", "entity": "c", "timestamp": "soon"}),
    ] {
        assert_eq!(served.post(&chief(), "/conditions/big/evaluate", &body).await.status, 400, "{body}");
    }
    assert_eq!(served.put(&chief(), "/primitives/balance?entity=c-1", &json!({"value": 1})).await.status, 400);
    assert_eq!(served.put(&chief(), "/primitives/billing.balance", &json!({"value": 1})).await.status, 400);
}

#[tokio::test]
async fn a_history_bounds_itself_by_the_time_of_the_evaluation() {
    let served = served().await;
    let odd = json!({
        "condition_id": "odd", "version": "1", "namespace": "org", "input": "billing.balance",
        "strategy": {"type": "z_score", "params": {"threshold": 2, "direction": "above", "window": "1h"}},
    });
    assert_eq!(served.post(&chief(), "/conditions", &odd).await.status, 200);
    let put = async |minute: u32, value: f64| {
        let body = json!({"value": value, "timestamp": format!("2026-01-05T09:{minute:02}:00Z")});
        assert_eq!(served.put(&chief(), "/primitives/billing.balance?entity=c-1", &body).await.status, 200);
    };
    let ask = async |minute: u32| {
        let body = json!({"version": "1", "entity": "c-1", "timestamp": format!("2026-01-05T09:{minute:02}:00Z"), "dry_run": true});
        served.post(&host(), "/conditions/odd/evaluate", &body).await.body
    };
    put(0, 10.0).await;
    put(1, 12.0).await;
    assert_eq!(ask(1).await["reason"], json!("insufficient_history"));
    put(2, 11.0).await;
    put(3, 30.0).await;
    let before = ask(3).await;
    assert_eq!((&before["value"], &before["inputs"]["history"]), (&json!(true), &json!(3)), "{before}");
    put(4, 500.0).await;
    put(30, -500.0).await;
    let after = ask(3).await;
    assert_eq!((&after["value"], &after["inputs"]), (&before["value"], &before["inputs"]));
    let was = served.get(&host(), "/primitives/billing.balance?entity=c-1&timestamp=2026-01-05T09:03:30Z").await;
    assert_eq!((&was.body["value"], &was.body["timestamp"]), (&json!(30.0), &json!("2026-01-05T09:03:00Z")));
    assert_eq!(served.get(&host(), "/primitives/billing.balance?entity=c-2").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_registrations_at_once_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut stores = vec![Address::Sqlite(directory.path().join("store.db"))];
    if let Some(cluster) = cluster::shared() {
        stores.push(Address::parse(&cluster.database(), directory.path()).unwrap());
    }
    let workspace = [("waypost.yaml", KEYS), ("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n")];
    for store in stores {
        let process = async || Plan { store: store.clone(), ..Plan::of(files(&workspace)) }.serve().await;
        let (here, there, chief) = (process().await, process().await, chief());
        for n in 0..10 {
            let one = big(&n.to_string());
            let mut other = one.clone();
            other["strategy"]["params"]["value"] = json!(7);
            let (first, second) = tokio::join!(here.post(&chief, "/conditions", &one), there.post(&chief, "/conditions", &other));
            let (mut statuses, wins) = ([first.status, second.status], if first.status == 200 { one } else { other });
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409]);
            for process in [&here, &there] {
                let kept = process.get(&chief, &format!("/conditions/big?version={n}")).await;
                assert_eq!(kept.body["strategy"], wins["strategy"], "both see what was registered");
            }
        }
    }
}

/// A shop whose conversations are watched.
async fn watched(store: &Address, backend: &Backend) -> Served {
    let mut all = shipped(KEYS);
    let on = "condition_id: odd-start\nversion: 1\nnamespace: shop\non: [journey.started, conversation.completed]\nstrategy:\n  type: expression\n  params: {expression: data.journey == 'order-status'}\n";
    all.retain(|(name, _)| !name.starts_with("conditions/") && !name.starts_with("actions/"));
    all.push(("conditions/odd-start.yaml".into(), on.into()));
    let plan = Plan { store: store.clone(), ..Plan::of(all).secret("SHOP_URL", backend.url()) };
    let served = plan.serve().await;
    served.service.define_files().await.unwrap();
    served
}

async fn talk(served: &Served) -> (String, Answered) {
    let first = served.turn(&host().user("u-1"), json!({"message": "where is my order H1042?"})).await;
    assert_eq!(first.status, 200, "{first:?}");
    (first.conversation(), first)
}

async fn decided(served: &Served, conversation: &str) -> Vec<Json> {
    let found = served.get(&host(), &format!("/decisions?entity={conversation}&condition_id=odd-start")).await;
    found.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_event_of_a_conversation_is_decided_on_once() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let served = watched(&Address::Memory, &backend).await;
    let (conversation, _) = talk(&served).await;
    assert_eq!(decided(&served, &conversation).await, [Json::Null; 0], "it comes after the answer");
    while served.service.settle_owed().await.unwrap() > 0 {}
    let found = decided(&served, &conversation).await;
    let started: Vec<&Json> = found.iter().filter(|d| d["event"] == json!("journey.started") && d["value"] == json!(true)).collect();
    assert_eq!(started.len(), 1, "{found:?}");
    let started = started[0];
    assert_eq!((&started["value"], &started["conversation_id"]), (&json!(true), &json!(conversation)));
    assert_eq!(started["inputs"]["data"]["journey"], json!("order-status"));
    assert_eq!(served.service.settle_owed().await.unwrap(), 0);
    assert_eq!(decided(&served, &conversation).await.len(), found.len());
}

#[tokio::test]
async fn what_one_process_left_another_takes_up() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = Address::Sqlite(directory.path().join("store.db"));
    let conversation = {
        let served = watched(&store, &backend).await;
        talk(&served).await.0
    };
    let served = watched(&store, &backend).await;
    assert!(served.service.settle_owed().await.unwrap() > 0);
    assert!(!decided(&served, &conversation).await.is_empty());
}

#[tokio::test]
async fn events_that_are_taken_up_together_are_decided_on_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let condition = "condition_id: rising\nversion: 1\nnamespace: org\non: journey.started\nentity: \"'all'\"\ninput: size(data.journey)\n\
                     strategy: {type: change, params: {direction: any, value: 1, window: 1h}}\n";
    let calm = "condition_id: calm\nversion: 1\nnamespace: org\non: journey.started\ninput: primitives.org.seen\n\
                strategy: {type: equals, params: {value: true}}\nentity: \"'all'\"\n";
    let write = "action_id: seen\nversion: 1\nnamespace: org\nconfig: {type: register, primitive_id: org.seen}\n\
                 trigger: {fire_on: any, condition_id: rising, condition_version: 1}\n";
    let journeys: Vec<(String, String)> = (1..=6)
        .map(|n| {
            (
                format!("journeys/{}.yaml", "x".repeat(n)),
                format!("name: {0}\ntrigger: {{goal: say {0}, examples: [{0}]}}\njourney:\n  - done: Hello.\n", "x".repeat(n)),
            )
        })
        .collect();
    let mut workspace =
        vec![("waypost.yaml", KEYS), ("conditions/rising.yaml", condition), ("conditions/calm.yaml", calm), ("actions/seen.yaml", write)];
    workspace.extend(journeys.iter().map(|(name, text)| (&**name, &**text)));
    let store = Address::Sqlite(directory.path().join("store.db"));
    let served = Plan { store, ..Plan::of(files(&workspace)) }.serve().await;
    served.service.define_files().await.unwrap();
    for n in 1..=6 {
        let started = served.turn(&host().user("u-1"), json!({"command": {"type": "start", "journey": "x".repeat(n)}})).await;
        assert_eq!(started.status, 200, "{started:?}");
    }
    assert_eq!(served.service.settle_owed().await.unwrap(), 6, "in one go");
    let found = served.get(&host(), "/decisions?entity=all").await;
    let mut found = found.body["items"].as_array().unwrap().clone();
    found.sort_by_key(|d| d["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
    let of = |id: &str| found.iter().filter(|d| d["condition_id"] == json!(id)).cloned().collect::<Vec<_>>();
    let history: Vec<Json> = of("rising").iter().map(|d| d["inputs"]["history"].clone()).collect();
    assert_eq!(history, [0, 1, 2, 3, 4, 5].map(Json::from));
    // What one wrote back the next reads; nothing before the first.
    let unknown: Vec<bool> = of("calm").iter().map(|d| d["reason"] == json!("missing_input")).collect();
    assert_eq!(unknown, [true, true, false, false, false, false]);
}

#[tokio::test]
async fn an_operand_that_comes_later_is_looked_for_again() {
    let served = served().await;
    let body = json!({
        "condition_id": "not", "version": "1", "namespace": "org",
        "strategy": {"type": "composite", "params": {"operator": "NOT", "operands": [{"condition_id": "big", "condition_version": "1"}]}},
    });
    let new = NewDefinition {
        tenant: "acme".into(),
        defines: Defines::Condition,
        namespace: "org".into(),
        id: "not".into(),
        version: "1".into(),
        body: body.to_string().into(),
        bound: Vec::new(),
        at: Clock::System.now(),
    };
    served.service.runtime().store().register(new).await.unwrap();
    let before = served.post(&chief(), "/conditions/not/evaluate", &ask(&json!(1))).await;
    assert_eq!(before.body["reason"], "unknown_condition", "{before:?}");
    assert_eq!(served.post(&chief(), "/conditions", &big("1")).await.status, 200);
    assert_eq!(served.post(&chief(), "/conditions/not/evaluate", &ask(&json!(1))).await.body["value"], true);
}

#[tokio::test]
async fn a_changed_file_raises_its_version() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let served = watched(&Address::Memory, &backend).await;
    assert_eq!(served.get(&host(), "/conditions/odd-start").await.status, 200);
    let file = served.service.workspace().texts().files.into_iter().find(|(n, _)| n.starts_with("conditions/")).unwrap().1;
    let with = |text: String| {
        let mut all = served.service.workspace().texts().files;
        all.retain(|(name, _)| !name.starts_with("conditions/"));
        all.push(("conditions/odd-start.yaml".into(), text.into()));
        all
    };
    let changed = file.replace("order-status", "cancel-order");
    let error = served.service.reload(with(changed.clone())).await.unwrap_err().to_string();
    assert!(error.contains("`odd-start` of version `1`") && error.contains("raise its version"), "{error}");
    assert!(served.service.reload(with(changed.replace("version: 1", "version: 2"))).await.unwrap());
    assert_eq!(served.get(&host(), "/conditions/odd-start").await.body["version"], json!("2"));
    let (conversation, _) = talk(&served).await;
    while served.service.settle_owed().await.unwrap() > 0 {}
    let found = decided(&served, &conversation).await;
    assert!(!found.is_empty() && found.iter().all(|d| d["condition_version"] == json!("2")), "{found:?}");
}

#[tokio::test]
async fn a_workspace_that_cannot_be_kept_defines_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let workspace = |more: &[(&str, &str)]| {
        let hello = ("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n");
        files(&[&[("waypost.yaml", KEYS), hello], more].concat())
    };
    let served = Plan { store: Address::Sqlite(path.clone()), ..Plan::of(workspace(&[])) }.serve().await;
    served.service.define_files().await.unwrap();
    let fresh = "condition_id: fresh\nversion: 1\nnamespace: org\nstrategy: {type: expression, params: {expression: 'true'}}\n";
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("CREATE TRIGGER full BEFORE INSERT ON texts BEGIN SELECT RAISE(ABORT, 'full'); END").unwrap();
    served.service.reload(workspace(&[("conditions/fresh.yaml", fresh)])).await.unwrap_err();
    assert_eq!(served.get(&host(), "/conditions/fresh").await.status, 404, "whole or not at all");
    file.execute_batch("DROP TRIGGER full").unwrap();
    assert!(served.service.reload(workspace(&[("conditions/fresh.yaml", fresh)])).await.unwrap());
    assert_eq!(served.get(&host(), "/conditions/fresh").await.status, 200);
}

#[tokio::test]
async fn the_shipped_conditions_notice_who_goes_to_a_person() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let served = Plan::of(shipped(KEYS)).secret("SHOP_URL", backend.url()).serve().await;
    served.service.define_files().await.unwrap();
    let (conversation, _) = talk(&served).await;
    served.say(&host().user("u-1"), &conversation, "I want to talk to a person").await;
    while served.service.settle_owed().await.unwrap() > 0 {}
    let found = served.get(&host(), &format!("/decisions?entity={conversation}")).await;
    let of = |id: &str| found.body["items"].as_array().unwrap().iter().find(|d| d["condition_id"] == json!(id)).map(|d| d["value"].clone());
    assert_eq!((of("handed-to-care"), of("write-in-doubt")), (Some(json!(true)), Some(json!(false))), "{found:?}");
    let handed = found.body["items"].as_array().unwrap().iter().find(|d| d["condition_id"] == json!("handed-to-care")).unwrap();
    let told = &handed["actions"][0];
    assert_eq!((&told["action_id"], &told["status"]), (&json!("tell-care"), &json!("triggered")), "{told}");
    let message = told["payload_sent"]["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("conversation {conversation} was handed to customer care at ")), "{message}");
}
