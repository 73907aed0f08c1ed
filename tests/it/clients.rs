//! The clients of `examples/clients`, each run against the program as a server; and callers that send whatever comes to their mind.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};
use waypost::cli::demo::backend::Backend;
use waypost::driver::Clock;

use crate::outbound::server::{Server, json as in_json};
use crate::python;
use crate::serving::Serving;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/clients");

/// A model that answers chat completions by a script, a turn after the other: a call, or nothing to call.
async fn model(script: Vec<Option<(&'static str, Json)>>) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |_| {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"role": "assistant", "content": "I am on it."});
        if let Some(Some((name, arguments))) = script.get(n) {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            message["tool_calls"] = json!([{"id": format!("call_{n}"), "type": "function", "function": function}]);
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        in_json(&json!({"id": "c", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [choice]}).to_string())
    })
    .await
}

fn cancellations(backend: &Backend) -> usize {
    backend.requests().iter().filter(|r| r.path.ends_with("/cancellation")).count()
}

/// A model helps, and tries to say its user's yes; the order is cancelled once, by the user's own yes.
async fn cancels_by_the_users_yes_alone(script: &str) {
    let Some(interpreter) = python::interpreter() else { return };
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let serving = Serving::start(&backend, "", &[], &[]);
    let fills = ("fill", json!({"values": {"cancel_reason": "changed my mind"}}));
    let model = model(vec![Some(fills), None, None, Some(("confirm", json!({}))), None]).await;
    let model_url = format!("{}/v1", model.url());
    let (mails, requests) = (&backend, &model);
    let url = serving.url.clone();
    let mut client = Command::new(interpreter)
        .arg(format!("{EXAMPLES}/{script}"))
        .env("WAYPOST_URL", &url)
        .env("WAYPOST_AGENT", "hollin-wren")
        .env("OPENAI_BASE_URL", model_url)
        .env("OPENAI_API_KEY", "none")
        .env("LANGSMITH_TRACING", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(client.stdout.take().unwrap());
    let mut lines = client.stdin.take().unwrap();
    let mut say = |said: &str| {
        writeln!(lines, "{said}").unwrap();
        let mut answer = String::new();
        tokio::task::block_in_place(|| answers.read_line(&mut answer)).unwrap();
        answer
    };
    assert!(say("I changed my mind, please cancel my order H1042").contains("e-mail address"));
    assert!(say("nora.falk@example.com").contains("six-digit code"));
    let question = say(&mails.mails().last().unwrap().code.clone());
    assert!(question.contains("Shall I cancel order H1042 (changed my mind)?"), "{question}");
    assert_eq!(cancellations(&backend), 0, "the model's yes is none");
    let refused = requests.seen().last().unwrap().body.clone();
    assert!(refused.contains("forbidden"), "{refused}");
    let offered: Json = serde_json::from_str(&refused).unwrap();
    assert!(!offered["tools"].to_string().contains("\"confirm\""), "{offered}");
    assert!(say("yes please").contains("is cancelled"));
    assert_eq!(cancellations(&backend), 1);
    drop(lines);
    assert!(client.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_calling_loop() {
    cancels_by_the_users_yes_alone("openai_loop.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_langgraph_agent() {
    cancels_by_the_users_yes_alone("langgraph_agent.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_alone() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let serving = Serving::start(&backend, "", &[], &[]);
    let mut walk = Command::new("bash");
    walk.arg(format!("{EXAMPLES}/walkthrough.sh")).env("WAYPOST_URL", &serving.url).env("WAYPOST_AGENT", "hollin-wren");
    let walked = tokio::task::block_in_place(|| walk.output()).unwrap();
    let (out, err) = (String::from_utf8_lossy(&walked.stdout), String::from_utf8_lossy(&walked.stderr));
    assert!(walked.status.success() && err.is_empty(), "{out}\n{err}");
    let expected = [
        "What is your order number?",
        "Order H1042 is being packed.",
        "\n409\n",
        "What does the grinder do?",
        "\n403\n",
        "\nthe same\n",
        "event: ",
        "waypost_turns_total{what=\"message\",end=\"answered\"} 2",
    ];
    let mut rest = &*out;
    for text in expected {
        rest = rest.split_once(text).unwrap_or_else(|| panic!("no `{text}`, or too early, in {out}")).1;
    }
}

/// A sequence that a seed decides.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
    fn one<'o, T>(&mut self, of: &'o [T]) -> &'o T {
        &of[self.roll(of.len())]
    }
}

/// A body that is sometimes what may come now, often something that may not, and sometimes nothing at all.
fn whatever(dice: &mut Dice) -> Json {
    let values = [
        json!({"order_id": "H1042"}),
        json!({"order_id": 7}),
        json!({"email": "nora.falk@example.com"}),
        json!({"code": "000000"}),
        json!({}),
        json!({"nothing": null}),
        json!({"street": "x", "city": ["Graz"]}),
        json!([1]),
        Json::Null,
    ];
    let journeys = ["order-status", "cancel-order", "refund", "grinder-help", "change-address", "verify-identity", "find-order", "", "🦀"];
    let said = [
        "where is my order?",
        "yes",
        "no",
        "it jams",
        "H1042",
        "next",
        "stuck",
        "cancel",
        "",
        " ",
        "\u{0}",
        "talk to a person",
        "1",
        "W24-0107",
    ];
    match dice.roll(14) {
        0..=3 => json!({"message": dice.one(&said)}),
        4 => json!({"command": {"type": "start", "journey": dice.one(&journeys), "variables": dice.one(&values)}}),
        5 => json!({"command": {"type": "start", "journey": dice.one(&journeys)}}),
        6 => json!({"command": {"type": dice.one(&["fill", "correct", "change"]), "values": dice.one(&values)}}),
        7 => json!({"command": {"type": "choose", "option": dice.one(&["it-jams", "0", "", "store-credit"])}}),
        8 => {
            json!({"command": {"type": dice.one(&["confirm", "reject", "next", "back", "stuck", "cancel", "resume", "handoff", "take_over", "hand_back", "nothing"])}})
        }
        9 => {
            json!({"command": {"type": "read", "action": dice.one(&["shop.get-device", "shop.cancel-order", "x"]), "inputs": dice.one(&values)}})
        }
        10 => json!({"command": {"type": "finding", "name": dice.one(&["free_repair", "paid_repair", "x"])}}),
        11 => json!({"command": {"type": "approve", "hold": "h", "note": "x"}}),
        12 => json!({"message": "yes", "command": {"type": "cancel"}, "actor": dice.one(&["user", "agent", "nobody"])}),
        _ => dice.one(&values).clone(),
    }
}

#[tokio::test]
async fn what_is_refused_moves_nothing_whatever_is_sent() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let serving = Serving::start(&backend, "", &[], &[]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let agent = format!("{}/api/v1/agents/hollin-wren", serving.url);
    let (mut refusals, mut turns) = (0, 0);
    for seed in 0..12_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        let first = client.post(format!("{agent}/converse")).json(&json!({"message": "hello"})).send().await.unwrap();
        let id = first.json::<Json>().await.unwrap()["conversation_id"].as_str().unwrap().to_owned();
        let look = async || {
            let now: Json = client.get(format!("{agent}/conversations/{id}")).send().await.unwrap().json().await.unwrap();
            (now["at"].clone(), now["state"].clone(), now["expects"].clone(), now["response"]["options"].clone())
        };
        let mut stands = look().await;
        for n in 0..30 {
            let mut body = whatever(&mut dice);
            if let Some(body) = body.as_object_mut() {
                body.insert("conversation_id".into(), json!(id));
            }
            let answer = client.post(format!("{agent}/converse")).json(&body).send().await.unwrap();
            let status = answer.status().as_u16();
            let told = answer.text().await.unwrap();
            assert!(status < 500, "seed {seed}, turn {n}: {body} got {status}: {told}");
            let now = look().await;
            if status >= 400 {
                assert_eq!(now, stands, "seed {seed}, turn {n}: {body} got {status}, and moved it");
                refusals += 1;
            } else {
                turns += 1;
            }
            stands = now;
        }
    }
    assert!(refusals > 100 && turns > 60, "{refusals} refusals, {turns} turns");
}

const KEYS: &str = "server: {keys: [{name: host, key: '${K_RUNTIME}', role: runtime, scopes: [context]}, {name: phone, key: '${K_USER}', role: user},
  {name: bot, key: '${K_AGENT}', role: agent}, {name: desk, key: '${K_OPERATOR}', role: operator}, {name: boss, key: '${K_ADMIN}', role: admin}]}";

/// What may be answered to a well-formed request, by operation: what the document cannot say (which conversations, journeys and fields there
/// are) is a 404 or a 422, and what a role may not see is a 403.
fn expected(role: &str) -> String {
    let company = matches!(role, "RUNTIME" | "OPERATOR" | "ADMIN");
    let by_role = |known: &'static [&'static str]| if company { known } else { &["403"] };
    let mut toml = "[parameters]\n\"path.agent\" = \"hollin-wren\"\n[checks.positive_data_acceptance]\n\
        expected-statuses = [\"2xx\", \"403\", \"404\", \"409\", \"422\"]\n"
        .to_owned();
    for (operation, statuses) in [
        ("health", &["2xx"][..]),
        ("readiness", &["2xx"]),
        ("openapi", &["2xx"]),
        ("list_conversations", &["2xx"]),
        ("list_capabilities", &["2xx"]),
        ("get_conversation", &["2xx", "404"]),
        ("get_history", &["2xx", "404"]),
        ("get_transcript", &["2xx", "404"]),
        ("get_audit_logs", by_role(&["2xx", "404"])),
        ("list_holds", by_role(&["2xx"])),
        ("get_hold", by_role(&["2xx", "404"])),
        ("get_capability", &["2xx", "404"]),
        ("draw_capability", &["2xx", "404"]),
        ("validate_capability", if company { &["2xx", "422"] } else { &["403"] }),
        ("metrics", by_role(&["2xx"])),
        ("register_condition", if role == "ADMIN" { &["2xx", "400", "409"] } else { &["403"] }),
        ("list_conditions", &["2xx", "404"]),
        ("get_condition", &["2xx", "404"]),
        ("evaluate_condition", &["2xx", "400", "403", "404"]),
        ("list_decisions", by_role(&["2xx", "404"])),
        ("get_decision", by_role(&["2xx", "404"])),
        ("explain_decision", by_role(&["2xx", "404"])),
        ("get_primitive", by_role(&["2xx", "400", "404"])),
        ("put_primitive", if role == "ADMIN" { &["2xx", "400"] } else { &["403"] }),
        ("register_action", if role == "ADMIN" { &["2xx", "400", "409"] } else { &["403"] }),
        ("list_actions", &["2xx", "404"]),
        ("get_action", &["2xx", "404"]),
        ("trigger_action", &["2xx", "400", "403", "404"]),
    ] {
        let _ = writeln!(
            toml,
            "[[operations]]\ninclude-operation-id = \"{operation}\"\nchecks.positive_data_acceptance.expected-statuses = {statuses:?}"
        );
    }
    toml
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_for_any_role() {
    let Some(interpreter) = python::interpreter() else { return };
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let env = ["RUNTIME", "USER", "AGENT", "OPERATOR", "ADMIN"].map(|role| (format!("K_{role}"), format!("key-of-{role}")));
    let env: Vec<(&str, &str)> = env.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let serving = Serving::start(&backend, KEYS, &[], &env);
    let dir = tempfile::tempdir().unwrap();
    let runs = env.iter().map(|(role, key)| {
        let dir = dir.path().join(role);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("schemathesis.toml"), expected(role.trim_start_matches("K_"))).unwrap();
        let mut run = Command::new(interpreter.with_file_name("schemathesis"));
        run.current_dir(dir).args(["run", &format!("{}/openapi.json", serving.url), "--max-examples", "8"]);
        run.args(["--checks", "all", "--seed", "1", "--no-color", "--generation-database", "none", "--warnings", "off"]);
        run.args(["--exclude-path-regex", "/events$", "--header", &format!("authorization: Bearer {key}")]);
        (key, run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("schemathesis is installed"))
    });
    for (key, run) in runs.collect::<Vec<_>>() {
        let found = tokio::task::block_in_place(|| run.wait_with_output()).unwrap();
        let told = String::from_utf8_lossy(&found.stdout);
        assert!(found.status.success(), "{key}\n{told}{}", String::from_utf8_lossy(&found.stderr));
        assert!(told.contains("Tested: ") && !told.contains("Tested: 0"), "it tried no routes:\n{told}");
    }
}
