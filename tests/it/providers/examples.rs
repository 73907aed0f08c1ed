//! The providers under `examples/providers`, which do what the page of providers says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use waypost::driver::Clock;

use super::{SECRET, case, case_of, conversation, op, path, run, served, signature};
use crate::api::served::As;

/// An example at work; it ends with this.
struct Example {
    child: Child,
    url: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.env("PROVIDER_SECRET", format!("whsec_{SECRET}")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    fn python() -> Option<Self> {
        let python = crate::python::interpreter()?;
        Some(Self::start(Command::new(python).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/providers/provider.py"))))
    }

    #[expect(clippy::disallowed_methods, reason = "the environment says whether this is CI")]
    fn typescript(directory: &Path) -> Option<Self> {
        let strip = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/node/node_modules/.bin/esbuild"));
        if !strip.is_file() {
            let how = "`mkdir -p target/node && cp tests/node/package*.json target/node && npm ci --prefix target/node`";
            assert!(std::env::var_os("CI").is_none(), "there is no {}: {how}", strip.display());
            eprintln!("skipped: there is no {}: {how}", strip.display());
            return None;
        }
        let script = directory.join("provider.mjs");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/providers/provider.ts");
        let stripped =
            Command::new(strip).args([source, "--format=esm", "--log-level=error"]).arg(format!("--outfile={}", script.display())).status();
        assert!(stripped.unwrap().success());
        Some(Self::start(Command::new("node").arg(script)))
    }
}

/// The sample: offered for payments alone, asked for, a private comment, and the status "In Progress".
async fn a_payment_is_reprocessed(example: &Example) {
    let config = "auth_type: hmac, credentials: {secret: \"${SECRET}\"}, effects: [add_comment, change_status]";
    let journey = "
name: Payment
trigger: {goal: A payment failed, examples: [my payment failed]}
journey:
  - choice:
      prompt: What shall we do?
      from: provider.pay
      outcomes:
        executed: [{done: {message: It is on its way., outcome: well}}]
        failed: [{done: {message: It did not work., outcome: badly}}]
        declined: [{done: {message: As you like., outcome: left}}]
        none: [{done: {message: There is nothing to do., outcome: nothing}}]
";
    let served = served(&[("pay", &example.url, config)], &[("journeys/payment.yaml", journey)]).await;
    let other = conversation(&served, json!({"id": "C-2", "status": "Open", "issue_type": "delivery"})).await;
    assert_eq!(served.get(&op(), &path(&other)).await.body, json!({"items": [], "left_out": []}));
    let id = conversation(&served, case()).await;
    let offered = served.get(&op(), &path(&id)).await;
    let item = &offered.body["items"][0];
    assert_eq!(
        (&item["id"], &item["label"], &item["requires_confirmation"]),
        (&json!("pay.reprocess_payment"), &json!("Reprocess Payment"), &json!(true))
    );
    assert_eq!(run(&served, &op(), &id, "pay.reprocess_payment", json!({})).await.code(), "no_grant");
    let ran = run(&served, &op(), &id, "pay.reprocess_payment", json!({"confirmed": true})).await;
    assert_eq!((ran.status, &ran.body["status"]), (200, &json!("executed")), "{ran:?}");
    let comment = format!("Payment reprocessed ({})", ran.body["execution_id"].as_str().unwrap());
    let whole = case_of(&served, &op(), &id).await;
    assert_eq!(
        (&whole["status"], &whole["comments"][0]["content"], &whole["comments"][0]["is_public"]),
        (&json!("In Progress"), &json!(comment), &json!(false))
    );

    // The same by the customer, in a journey: the engine asks, and the customer says yes.
    let (host, user) = (As::key("key_host"), As::key("key_user").user("u-3"));
    let context = json!({"identity": {"user_id": "u-3"}, "case": {"id": "C-3", "status": "Open", "issue_type": "payment"}});
    let began = served.turn(&host, json!({"message": "my payment failed", "actor": "user", "context": context})).await;
    let id = began.conversation();
    assert_eq!(
        (began.phase(), &began.body["response"]["options"]),
        ("phase_choice", &json!([{"id": "reprocess_payment", "label": "Reprocess Payment"}])),
        "{began:?}"
    );
    let bot = As::key("key_agent").user("u-3");
    let picked = served.command(&bot, &id, json!({"type": "choose", "option": "reprocess_payment"})).await;
    assert_eq!((picked.phase(), picked.commands().contains(&"confirm".to_owned())), ("phase_confirm", false), "{picked:?}");
    assert_eq!(served.command(&bot, &id, json!({"type": "confirm"})).await.status, 403);
    let asked = served.get(&user, &format!("/agents/{}/conversations/{id}", served.agent)).await;
    let question = asked.body["response"]["question"]["id"].clone();
    let done = served.command(&user, &id, json!({"type": "confirm", "question": question})).await;
    assert_eq!((done.status, done.says()), (200, "The payment is on its way.\nIt is on its way."), "{done:?}");
    assert_eq!(case_of(&served, &op(), &id).await["status"], "In Progress");
}

/// What an example does with signatures that are not of now, not of this, or used.
async fn an_example_takes_no_bad_signature(example: &Example) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let now = Clock::System.now().as_second();
    let body = json!({"context": {"ticket": {"issue_type": "payment"}}}).to_string();
    let send = async |id: &str, at: i64, signature: String| {
        let request = client.post(format!("{}/discover", example.url)).body(body.clone());
        let request = request.header("webhook-id", id).header("webhook-timestamp", at.to_string()).header("webhook-signature", signature);
        request.send().await.unwrap().status().as_u16()
    };
    let good = |id: &str, at: i64| signature(id, &at.to_string(), &body);
    assert_eq!(send("m-1", now, good("m-1", now)).await, 200);
    assert_eq!(send("m-1", now, good("m-1", now)).await, 401, "replayed");
    assert_eq!(send("m-2", now - 301, good("m-2", now - 301)).await, 401, "old");
    assert_eq!(send("m-3", now + 310, good("m-3", now + 310)).await, 401, "ahead");
    assert_eq!(send("m-4", now, good("m-5", now)).await, 401, "of another message");
    assert_eq!(send("m-4", now, String::new()).await, 401, "none");
    assert_eq!(send("m-4", now, good("m-4", now)).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_python_reprocesses_a_payment() {
    let Some(example) = Example::python() else { return };
    a_payment_is_reprocessed(&example).await;
    an_example_takes_no_bad_signature(&example).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_typescript_reprocesses_a_payment() {
    let directory = tempfile::tempdir().unwrap();
    let Some(example) = Example::typescript(directory.path()) else { return };
    a_payment_is_reprocessed(&example).await;
    an_example_takes_no_bad_signature(&example).await;
}

#[test]
fn the_examples_are_short() {
    for name in ["provider.py", "provider.ts"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/providers").join(name)).unwrap();
        assert!(text.lines().count() < 60, "{name}");
    }
}
