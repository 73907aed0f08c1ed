//! Real processes with actions under way: killed, or told to stop, over each store that processes share; and what they write of secrets.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use waypost::driver::{Clock, files};
use waypost::store::Address;

use crate::api::program::Program;
use crate::api::served::{As, Plan, Served};
use crate::outbound::server::{Do, Server, answer};
use crate::store::cluster;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

const JOURNEY: &str = "name: Call back\ncallable: true\njourney:\n  - done: {outcome: called}\n";
const CONDITION: &str = "condition_id: always\nversion: 1\nnamespace: org\nstrategy: {type: expression, params: {expression: 'true'}}\n";

/// A workspace whose condition always holds, with these settings and actions.
fn workspace(settings: &str, actions: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("waypost.yaml", settings);
    write("journeys/call-back.yaml", JOURNEY);
    write("conditions/always.yaml", CONDITION);
    for (id, more) in actions {
        let trigger = "trigger: {fire_on: any, condition_id: always, condition_version: 1}";
        write(&format!("actions/{id}.yaml"), &format!("action_id: {id}\nversion: 1\nnamespace: org\n{trigger}\n{more}\n"));
    }
    dir
}

fn stores(dir: &Path) -> Vec<String> {
    let sqlite = format!("sqlite:{}", dir.join("store.db").display());
    [sqlite].into_iter().chain(cluster::shared().map(cluster::Cluster::database)).collect()
}

/// The same workspace in service in the test's own process, at another time.
async fn next(dir: &Path, store: &str, clock: &Clock) -> Served {
    let store = Address::parse(store, dir).unwrap();
    Plan { store, clock: clock.clone(), ..Plan::of(files::read_dir(dir).unwrap()) }.serve().await
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn evaluate(at: &str, later: bool) -> Json {
    let body = json!({"version": "1", "entity": "order-7", "async": later});
    let answer = client().post(format!("http://{at}/api/v1/conditions/always/evaluate")).json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.unwrap()
}

async fn come(arrived: &mut UnboundedReceiver<String>, count: usize) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    while paths.len() < count {
        paths.insert(tokio::time::timeout(LONG, arrived.recv()).await.expect("it comes in time").unwrap());
    }
    paths
}

async fn kept(served: &Served, decision: &Json) -> Json {
    served.get(&As::nobody(), &format!("/decisions/{}", decision["decision_id"].as_str().unwrap())).await.body
}

fn of<'j>(decision: &'j Json, action: &str) -> &'j Json {
    decision["actions"].as_array().unwrap().iter().find(|a| a["action_id"] == action).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_was_at_is_said_or_sent_again() {
    let scratch = tempfile::tempdir().unwrap();
    for store in stores(scratch.path()) {
        let (sender, mut arrived) = unbounded_channel();
        let known = Mutex::new(BTreeSet::new());
        let server = Server::start(move |seen| {
            let first = known.lock().unwrap().insert(seen.path().to_owned());
            sender.send(seen.path().to_owned()).unwrap();
            if first { Do::Hang } else { answer("200 OK", &[], b"") }
        })
        .await;
        let hook = |path: &str, more: &str| format!("config: {{type: webhook, endpoint: '{}/{path}'}}\n{more}", server.url());
        let (once, durable) = (hook("once", ""), hook("durable", "delivery: {retries: 2, backoff_ms: 0}"));
        let settings = format!("egress: {{allow_hosts: ['{}']}}\n", server.address);
        let dir = workspace(&settings, &[("once", &once), ("durable", &durable)]);
        let program = Program::start_with(dir.path(), &["--store", &store], &[]);
        let decided = evaluate(&program.at, true).await;
        assert_eq!(come(&mut arrived, 2).await.len(), 2);
        program.signal("-KILL");
        drop(program);

        let clock = Clock::shiftable();
        let served = next(dir.path(), &store, &clock).await;
        assert_eq!(served.service.deliver_due().await.unwrap(), 0, "who is slow is left alone");
        for action in ["once", "durable"] {
            assert_eq!(of(&kept(&served, &decided).await, action)["status"], "pending");
        }
        clock.shift(Duration::from_mins(5));
        assert_eq!(served.service.deliver_due().await.unwrap(), 2, "{store}");
        let found = kept(&served, &decided).await;
        let once = of(&found, "once");
        assert_eq!((&once["status"], &once["error"]["code"]), (&json!("failed"), &json!("interrupted")), "{store}: {once}");
        assert_eq!(of(&found, "durable")["status"], "triggered", "{store}: {found}");
        let seen = server.seen();
        let keys = |path: &str| seen.iter().filter(|s| s.path() == path).map(|s| s.header("idempotency-key").unwrap()).collect::<Vec<_>>();
        assert_eq!(keys("/once").len(), 1, "{store}: one try is one try");
        let durable = keys("/durable");
        assert!(durable.len() == 2 && durable[0] == durable[1], "{store}: {durable:?}");
        assert_eq!(served.service.deliver_due().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_stop_finishes_what_it_is_at() {
    let (sender, mut arrived) = unbounded_channel();
    let server = Server::start(move |seen| {
        sender.send(seen.path().to_owned()).unwrap();
        Do::Drip(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n".to_vec())
    })
    .await;
    let once = format!("config: {{type: webhook, endpoint: '{}/once'}}", server.url());
    let dir = workspace(&format!("egress: {{allow_hosts: ['{}']}}\n", server.address), &[("once", &once)]);
    let store = format!("sqlite:{}", dir.path().join("store.db").display());
    let program = Program::start_with(dir.path(), &["--store", &store], &[]);
    let decided = evaluate(&program.at, true).await;
    come(&mut arrived, 1).await;
    program.stops();
    let served = next(dir.path(), &store, &Clock::System).await;
    let found = kept(&served, &decided).await;
    assert_eq!(of(&found, "once")["status"], "triggered", "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_stands_in_no_record_no_error_and_no_log() {
    const PLANTED: &str = "planted-5d1e77";
    const SIGNS: &str = "cGxhbnRlZC01ZDFlNzctYW5kLW1vcmUtb2YtaXQ=";
    let server = Server::start(|seen| {
        let said = format!("{}\n{}", seen.head, seen.body);
        if seen.path().starts_with("/pager") {
            answer("400 X", &[], json!({"errors": [said]}).to_string().as_bytes())
        } else {
            answer("500 X", &[], said.as_bytes())
        }
    })
    .await;
    let settings = format!(
        "secrets: [TOKEN]\negress: {{allow_hosts: ['{}', '127.0.0.1:9']}}\nchannels:\n\
         \u{20} desk: {{type: slack, url: '{url}/services/${{TOKEN}}'}}\n\
         \u{20} pager: {{type: pagerduty, url: '{url}/pager', routing_key: '${{TOKEN}}'}}\n\
         \u{20} hook: {{type: webhook, url: '{url}/hook/${{TOKEN}}', secret: '${{SIGNS}}'}}\n",
        server.address,
        url = server.url(),
    );
    let tell = |channel: &str| format!("config: {{type: notification, channel: {channel}}}");
    let webhook = |url: &str, more: &str| {
        format!(
            "config: {{type: webhook, endpoint: '{url}/in/${{TOKEN}}?k=${{TOKEN}}', headers: {{Authorization: 'Bearer ${{TOKEN}}'}}{more}}}"
        )
    };
    let durable = "\ndelivery: {retries: 1, backoff_ms: 0}";
    let actions = [
        ("desk", tell("desk")),
        ("pager", tell("pager") + durable),
        ("hook", tell("hook")),
        ("echo", webhook(&server.url(), ", payload_template: {'${TOKEN}': '${TOKEN}'}") + durable),
        ("away", webhook("http://127.0.0.1:9", "")),
        ("nowhere", webhook("http://127.0.0.1:10", "")),
    ];
    let dir = workspace(&settings, &actions.each_ref().map(|(id, text)| (*id, &**text)));
    let store = dir.path().join("store.db");
    let program = Program::start_with(
        dir.path(),
        &["--store", &format!("sqlite:{}", store.display()), "--log", "trace"],
        &[("TOKEN", PLANTED), ("SIGNS", &format!("whsec_{SIGNS}"))],
    );
    let at = program.at.clone();
    let decided = evaluate(&at, false).await.to_string();
    let sent: BTreeSet<String> = server.seen().iter().filter_map(|s| s.path().split('/').nth(1).map(str::to_owned)).collect();
    assert_eq!(sent, ["hook", "in", "pager", "services"].map(str::to_owned).into(), "all of them were sent");
    assert!(server.seen().iter().any(|s| s.header("webhook-signature").is_some()));
    assert_eq!(decided.matches("\"failed\"").count(), actions.len(), "{decided}");
    let client = client();
    let mut written = vec![("the decision".to_owned(), decided)];
    for path in ["api/v1/decisions", "api/v1/deliveries", "api/v1/deliveries?dead=true", "api/v1/actions", "api/v1/conditions", "metrics"] {
        let text = client.get(format!("http://{at}/{path}")).send().await.unwrap().text().await.unwrap();
        written.push((path.to_owned(), text));
    }
    let log = program.stops();
    assert!(!log.is_empty());
    written.push(("the log".to_owned(), log.join("\n")));
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            written.push((path.display().to_string(), String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()));
        }
    }
    for (place, text) in written {
        assert!(!text.contains(PLANTED) && !text.contains(SIGNS), "{place}: {text}");
    }
}
