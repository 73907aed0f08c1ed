//! What a key of some namespaces sees of what is registered, decided and sent, and what names nothing.

use serde_json::{Value as Json, json};
use waypost::store::Address;

use super::conditions::{KEYS, ask, big, chief, host};
use super::served::{As, Plan, Served, files};
use crate::outbound::server::{Server, answer};
use crate::store::cluster;

fn team() -> As {
    As::key("team-key-0000000000")
}

async fn served(more: &str, store: Address) -> Served {
    let settings = format!("{KEYS}{more}");
    let workspace = [("waypost.yaml", &*settings), ("journeys/hello.yaml", "name: Hello\ncallable: true\njourney:\n  - done: Hello.\n")];
    Plan { store, ..Plan::of(files(&workspace)) }.serve().await
}

fn always(id: &str, namespace: &str) -> Json {
    let strategy = json!({"type": "expression", "params": {"expression": "true"}});
    json!({"condition_id": id, "version": "1", "namespace": namespace, "strategy": strategy})
}

#[tokio::test]
async fn the_newest_version_is_the_newest_that_is_seen() {
    let served = served("", Address::Memory).await;
    for (version, namespace) in [("1", "team"), ("2", "org")] {
        let mut body = big(version);
        body["namespace"] = json!(namespace);
        assert_eq!(served.post(&chief(), "/conditions", &body).await.status, 200);
    }
    for (who, path, version) in
        [(team(), "/conditions/big", "1"), (chief(), "/conditions/big?namespace=team", "1"), (chief(), "/conditions/big", "2")]
    {
        let found = served.get(&who, path).await;
        assert_eq!((found.status, &found.body["version"]), (200, &json!(version)), "{path}: {found:?}");
    }
}

#[tokio::test]
async fn what_comes_of_actions_is_seen_by_the_actions_namespace() {
    let server = Server::start(|_| answer("503 X", &[], b"")).await;
    let served = served(&format!("egress: {{allow_hosts: ['{}']}}\n", server.address), Address::Memory).await;
    for (id, namespace) in [("near", "team"), ("far", "org")] {
        assert_eq!(served.post(&chief(), "/conditions", &always(id, namespace)).await.status, 200);
    }
    for (id, namespace, condition) in [("ours", "team", "near"), ("theirs", "org", "near"), ("across", "team", "far")] {
        let body = json!({
            "action_id": id, "version": "1", "namespace": namespace, "config": {"type": "webhook", "endpoint": format!("{}/x", server.url())},
            "trigger": {"fire_on": "any", "condition_id": condition, "condition_version": "1"}, "delivery": {"retries": 0, "backoff_ms": 0},
        });
        assert_eq!(served.post(&chief(), "/actions", &body).await.status, 200);
    }
    let call = json!({"version": "1", "entity": "c-1"});
    let actions = |decision: &Json| decision["actions"].as_array().unwrap().iter().map(|a| a["action_id"].clone()).collect::<Vec<_>>();
    let decided = served.post(&team(), "/conditions/near/evaluate", &call).await.body;
    assert_eq!(actions(&decided), [json!("ours")]);
    assert_eq!(served.post(&chief(), "/conditions/far/evaluate", &call).await.status, 200);
    let id = decided["decision_id"].as_str().unwrap();
    for (who, seen) in [(team(), vec![json!("ours")]), (chief(), vec![json!("ours"), json!("theirs")])] {
        assert_eq!(actions(&served.get(&who, &format!("/decisions/{id}")).await.body), seen);
        let listed = served.get(&who, "/decisions?condition_id=near").await.body;
        assert_eq!(actions(&listed["items"][0]), seen);
        let why = served.post(&who, &format!("/decisions/{id}/explain"), &json!({})).await.body;
        assert_eq!(why["actions"].as_array().unwrap().len(), seen.len(), "{why}");
    }
    let dead = async |who: &As| served.get(who, "/deliveries?dead=true").await.body["items"].as_array().unwrap().clone();
    let of = |items: &[Json]| items.iter().map(|d| d["action_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(of(&dead(&team()).await), ["across", "ours"]);
    let all = dead(&chief()).await;
    assert_eq!(of(&all), ["across", "theirs", "ours"]);
    let hidden = all[1]["delivery_id"].as_str().unwrap();
    assert_eq!(served.get(&team(), &format!("/deliveries/{hidden}")).await.status, 404);
    assert_eq!(served.post(&team(), &format!("/deliveries/{hidden}/retry"), &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_primitive_out_of_sight_is_not_offered() {
    let served = served("primitives: {teal.balance: {}, team.noted: {}}\n", Address::Memory).await;
    let mut body = big("1");
    (body["namespace"], body["input"]) = (json!("team"), json!("team.balance"));
    for (who, help) in [(team(), "declare it under `primitives` in `waypost.yaml`"), (chief(), "write `teal.balance`")] {
        let refused = served.post(&who, "/conditions", &body).await;
        assert_eq!(refused.body["detail"], json!(format!("`input`: there is no primitive `team.balance` ({help})")), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_name_names_nothing_in_any_store() {
    let directory = tempfile::tempdir().unwrap();
    let mut stores = vec![Address::Memory, Address::Sqlite(directory.path().join("store.db"))];
    if let Some(cluster) = cluster::shared() {
        stores.push(Address::parse(&cluster.database(), directory.path()).unwrap());
    }
    for store in stores {
        let served = served("", store).await;
        assert_eq!(served.post(&chief(), "/conditions", &big("1")).await.status, 200);
        assert_eq!(served.post(&chief(), "/conditions/big/evaluate", &ask(&json!(1))).await.status, 200);
        for path in [
            "/conditions/%00",
            "/conditions/big%00",
            "/conditions/big?version=%00",
            "/conditions/big?namespace=%00",
            "/actions/%00",
            "/decisions/%00",
        ] {
            assert_eq!(served.get(&host(), path).await.status, 404, "{path}");
        }
        for path in ["/conditions/%00/evaluate", "/actions/%00/trigger", "/decisions/%00/explain"] {
            let body = if path.ends_with("explain") { json!({}) } else { json!({"version": "1", "entity": "c-1"}) };
            assert_eq!(served.post(&chief(), path, &body).await.status, 404, "{path}");
        }
        for path in ["/conditions?namespace=%00", "/decisions?entity=%00", "/decisions?condition_id=%00"] {
            assert_eq!(served.get(&host(), path).await.status, 400, "{path}");
        }
    }
}
