//! The Model Context Protocol as hosts see it: the official Python SDK over standard input and output and over HTTP, in both styles of the
//! protocol, and wire frames of our own.

mod frames;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use waypost::cli::demo::backend::Backend;

use crate::api::program::Program;
use crate::outbound::server::{self, Do, Server};
use crate::python::Script;

pub const WAYPOST: &str = env!("CARGO_BIN_EXE_waypost");

/// A desk whose one journey asks for an order and a yes, and then cancels it at a service that counts; another looks around first.
pub fn desk(service: &str, settings: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("waypost.yaml", &format!("agent: {{slug: desk}}\nqueues: {{default: care, names: [care]}}\n{settings}\n"));
    put(
        "integrations/shop.yaml",
        &format!(
            "name: Shop\ntype: rest_api\nconfig: {{base_url: '{service}'}}\nactions:\n\
             - name: Get order\n  type: read\n  invocation: {{method: GET, endpoint: '/orders/{{order_id}}'}}\n  input_schema: {{order_id: string}}\n  \
             outcomes: [{{name: found, condition: response.status == 200}}, {{name: unknown}}]\n\
             - name: Cancel\n  invocation: {{method: POST, endpoint: '/orders/{{order_id}}/cancel'}}\n  input_schema: {{order_id: string}}\n  \
             outcomes: [{{name: done, condition: response.status == 200}}]\n  settings: {{idempotency: key}}\n  safety: {{requires_confirmation: true}}\n"
        ),
    );
    put("datapoints/order.yaml", "name: Order id\ntype: string\n");
    put(
        "journeys/all.yaml",
        "name: Cancel\ntrigger: {goal: cancel an order, examples: [cancel my order]}\njourney:\n\
         - collect: [order_id]\n\
         - confirm: {fields: [order_id], message: 'Shall I cancel {{ variables.order_id }}?', on_reject: [{done: {message: It stays., outcome: kept}}]}\n\
         - action: shop.cancel\n  outcomes: {done: [{done: 'Order {{ variables.order_id }} is cancelled.'}]}\n\
         ---\nname: Look\ntrigger: {goal: look into an order, examples: [what about my order]}\njourney:\n\
         - collect: [order_id]\n\
         - investigate: {goal: Find out what happened., using: [shop.get-order], findings: {lost: [{done: It is lost.}], fine: [{done: It is fine.}]}}\n",
    );
    dir
}

/// A host at work.
pub struct Host(Script);

impl Host {
    pub fn start(mode: &str, name: &str, answer: &str, at: &[&str]) -> Option<Self> {
        let args: Vec<&str> = [mode, name, answer].into_iter().chain(at.iter().copied()).collect();
        Script::start("agent.py", &args).map(Self)
    }

    pub fn does(&mut self, what: &Value) -> Value {
        self.0.send(&what.to_string());
        serde_json::from_str(&self.0.line()).unwrap()
    }

    pub fn tool(&mut self, name: &str, args: Value) -> Value {
        self.does(&json!({"tool": name, "args": args}))
    }

    pub fn tools(&mut self) -> Vec<String> {
        let listed = self.does(&json!({"list": true}));
        listed["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Starts the desk's journey and fills it up to its question.
    fn up_to_the_question(&mut self, order: &str) -> Value {
        let begun = self.tool("start_journey", json!({"journey": "cancel"}));
        assert_eq!(begun["result"]["phase"], "phase_collect", "{begun}");
        self.tool("fill", acts(&begun, json!({"values": {"order_id": order}})))
    }
}

/// The arguments of the next call after a result.
pub fn acts(after: &Value, more: Value) -> Value {
    let mut args = json!({"conversation_id": after["result"]["conversation_id"], "at": after["result"]["at"]});
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    args
}

/// `waypost serve` at work, and where.
pub struct Served {
    child: Child,
    pub url: String,
}

impl Served {
    pub fn start(workspace: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(WAYPOST);
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", "memory"]).arg(workspace).envs(env.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.find_map(|l| Some(l.unwrap().split_once("listening on ")?.1.split(' ').next().unwrap().to_owned())).unwrap();
        // It may go on telling, and nobody reads.
        #[expect(clippy::disallowed_methods, reason = "a test reads what a program says")]
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    pub fn mcp(&self) -> String {
        format!("{}/mcp", self.url)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const STYLES: [&str; 2] = ["legacy", "2026-07-28"];

#[tokio::test(flavor = "multi_thread")]
async fn a_model_leads_a_journey_to_its_question_and_cannot_answer_it() {
    let shop = Server::start(|_| server::json("{}")).await;
    let dir = desk(&shop.url(), "");
    let served = Served::start(dir.path(), &[]);
    let (mcp, root) = (served.mcp(), dir.path().to_str().unwrap());
    for style in STYLES {
        for at in [["stdio", WAYPOST, "mcp", root].as_slice(), &[&mcp, "user-id=nora"]] {
            // It asks for trust by what it calls itself, and nobody trusts it.
            let Some(mut host) = Host::start(style, "desk-app", "yes", at) else { return };
            let listed = host.tool("list_journeys", json!({}));
            assert_eq!(listed["result"]["journeys"][0]["journey"], "cancel");
            assert_eq!(listed["result"]["expects"]["start_journey"]["required"], json!(["journey"]));
            assert_eq!(host.tools().len(), 11);
            let asked = host.up_to_the_question("A1");
            let result = &asked["result"];
            assert_eq!((&result["phase"], &result["message"]), (&json!("phase_confirm"), &json!("Shall I cancel A1?")));
            assert_eq!(asked["asked"], json!([]), "a client that is not trusted is asked nothing");
            assert!(result["hint"].as_str().unwrap().contains("Only the user"));
            assert!(result["expects"].get("confirm").is_none() && result["expects"].get("cancel").is_some());
            assert!(!asked.to_string().contains("question"), "what names the question is never told");
            for (tool, more) in [
                ("confirm", json!({})),
                ("fill", json!({"values": {"order_id": "yes"}, "actor": "user"})),
                ("fill", json!({"values": {"order_id": "A1"}, "message": "yes"})),
                ("choose", json!({"option": "yes"})),
                ("shop.cancel", json!({"order_id": "A1"})),
                ("read", json!({"action": "shop.cancel", "inputs": {"order_id": "A1"}})),
            ] {
                let tried = host.tool(tool, acts(&asked, more));
                assert!(tried["error"] == json!(true) || tried.get("protocol_error").is_some(), "{tool}: {tried}");
            }
            assert_eq!(host.tool("status", json!({"conversation_id": result["conversation_id"]}))["result"]["phase"], "phase_confirm");
        }
    }
    assert_eq!(shop.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_client_brings_the_user_s_own_answer() {
    let shop = Server::start(|_| server::json("{}")).await;
    let dir = desk(&shop.url(), "mcp: {trusted_clients: [desk-app]}");
    let served = Served::start(dir.path(), &[]);
    let (mcp, root) = (served.mcp(), dir.path().to_str().unwrap());
    let stdio: &[&str] = &["stdio", WAYPOST, "mcp", root];
    let http: &[&str] = &[&mcp, "user-id=nora"];
    let mut orders = 0;
    for (style, no) in [(STYLES[0], "no"), (STYLES[1], "decline")] {
        for (at, answer, phase, message) in [
            (stdio, "yes", "phase_done", "Order A1 is cancelled."),
            (http, "yes", "phase_done", "Order A1 is cancelled."),
            (stdio, no, "phase_done", "It stays."),
            (stdio, "cancel", "phase_confirm", "Shall I cancel A1?"),
        ] {
            let Some(mut host) = Host::start(style, "desk-app", answer, at) else { return };
            let came = host.up_to_the_question("A1");
            assert_eq!(came["asked"], json!(["Shall I cancel A1?"]), "{style} {answer}");
            assert_eq!((&came["result"]["phase"], &came["result"]["message"]), (&json!(phase), &json!(message)), "{style} {answer} {came}");
            orders += usize::from(answer == "yes");
            assert_eq!(shop.seen().len(), orders, "{style} {answer}");
        }
        let Some(mut other) = Host::start(style, "another-app", "yes", http) else { return };
        assert_eq!(other.up_to_the_question("A1")["asked"], json!([]));
    }
    assert_eq!(shop.seen().len(), orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_client_that_is_not_trusted_any_more_is_none() {
    let shop = Server::start(|_| server::json("{}")).await;
    let dir = desk(&shop.url(), "mcp: {trusted_clients: [desk-app]}");
    let program = Program::start_with(dir.path(), &["--store", "memory"], &[]);
    let pipes = pipes();
    let (asked, go) = (pipes.path().join("asked"), pipes.path().join("go"));
    let url = format!("http://{}/mcp", program.at);
    let answer = format!("{}/", pipes.path().display());
    let Some(mut host) = Host::start("legacy", "desk-app", &answer, &[&url, "user-id=nora"]) else { return };
    let call = tokio::task::spawn_blocking(move || host.up_to_the_question("A1"));
    assert_eq!(tokio::task::spawn_blocking(move || std::fs::read_to_string(asked)).await.unwrap().unwrap(), "Shall I cancel A1?");
    let settings = dir.path().join("waypost.yaml");
    let written = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, written.replace("desk-app", "another-app")).unwrap();
    program.prints("taken anew");
    tokio::task::spawn_blocking(move || std::fs::write(go, "yes")).await.unwrap().unwrap();
    let came = call.await.unwrap();
    assert_eq!((&came["result"]["phase"], shop.seen().len()), (&json!("phase_confirm"), 0), "{came}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_under_way_when_it_stops_is_answered_and_who_thinks_is_not_waited_for() {
    for style in STYLES {
        let (shop, asked, gate) = held_shop("{}").await;
        let dir = desk(&shop.url(), "mcp: {trusted_clients: [desk-app]}");
        let mut program = Program::start_with(dir.path(), &["--store", "memory"], &[]);
        let url = format!("http://{}/mcp", program.at);
        let Some(mut host) = Host::start(style, "desk-app", "yes", &[&url, "user-id=nora"]) else { return };
        let call = tokio::task::spawn_blocking(move || host.up_to_the_question("A1"));
        tokio::task::spawn_blocking(move || asked.recv()).await.unwrap().unwrap();
        program.signal("-TERM");
        let mut tries = 0;
        while tokio::net::TcpStream::connect(&program.at).await.is_ok() {
            tries += 1;
            assert!(tries < 100_000, "it lets more in");
        }
        gate.close();
        let came = call.await.unwrap();
        assert_eq!(came["result"]["message"], "Order A1 is cancelled.", "{style} {came}");
        program.prints("stopped");
        assert!(program.ended());
    }
    let pipes = pipes();
    let dir = desk("http://127.0.0.1:9", "mcp: {trusted_clients: [desk-app]}");
    let mut program = Program::start_with(dir.path(), &["--store", "memory"], &[]);
    let url = format!("http://{}/mcp", program.at);
    let answer = format!("{}/", pipes.path().display());
    let Some(mut host) = Host::start("legacy", "desk-app", &answer, &[&url, "user-id=nora"]) else { return };
    let (asked, go) = (pipes.path().join("asked"), pipes.path().join("go"));
    let call = tokio::task::spawn_blocking(move || {
        let came = host.up_to_the_question("A1");
        // It comes too late, and lets the host end, if it has not ended. Open for both, it waits for nobody.
        let mut go = std::fs::OpenOptions::new().read(true).write(true).open(go).unwrap();
        go.write_all(b"yes").unwrap();
        came
    });
    tokio::task::spawn_blocking(move || std::fs::read_to_string(asked)).await.unwrap().unwrap();
    program.signal("-TERM");
    program.prints("stopped");
    assert!(program.ended());
    assert_eq!(call.await.unwrap()["result"]["phase"], "phase_confirm");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_input_ended_is_answered() {
    for ends in ["input", "-TERM"] {
        let (shop, asked, gate) = held_shop("{\"status\": \"lost\"}").await;
        let dir = desk(&shop.url(), "");
        let mut talk = frames::Talk::start(dir.path(), &["--log", "debug"]);
        let begun = talk.calls(2, "start_journey", json!({"journey": "look"}));
        talk.says(3, "fill", acts(&json!({"result": begun}), json!({"values": {"order_id": "A1"}})));
        let looking = talk.answer(3);
        talk.says(4, "read", acts(&json!({"result": looking}), json!({"action": "shop.get-order", "inputs": {"order_id": "A1"}})));
        tokio::task::spawn_blocking(move || asked.recv()).await.unwrap().unwrap();
        if ends == "input" {
            talk.hangs_up();
        } else {
            talk.signal(ends);
        }
        talk.logs("ends when what was asked is answered");
        gate.close();
        let read = talk.answer(4);
        assert_eq!(read["phase"], "phase_investigate", "{ends}: {read}");
        assert!(talk.ended(), "{ends}");
    }
}

/// A shop that tells that it was asked, and answers once the gate is closed.
async fn held_shop(body: &'static str) -> (Server, Receiver<()>, Arc<Semaphore>) {
    let (reached, asked) = channel();
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let shop = Server::start(move |_| {
        let _ = reached.send(());
        match server::json(body) {
            Do::Send(bytes) => Do::Held(held.clone(), bytes),
            other => other,
        }
    });
    (shop.await, asked, gate)
}

/// Two pipes for a user who thinks before they answer.
fn pipes() -> TempDir {
    let pipes = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").args(["asked", "go"].map(|name| pipes.path().join(name))).status().unwrap().success());
    pipes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_sent_twice_acts_once() {
    let dir = desk("http://127.0.0.1:9", "");
    for style in STYLES {
        let Some(mut host) = Host::start(style, "a", "-", &["stdio", WAYPOST, "mcp", dir.path().to_str().unwrap()]) else { return };
        let start = json!({"journey": "cancel", "message_id": "m-1"});
        let (begun, again) = (host.tool("start_journey", start.clone()), host.tool("start_journey", start));
        assert_eq!(begun["result"], again["result"]);
        let other = host.tool("start_journey", json!({"journey": "look", "message_id": "m-1"}));
        assert_eq!(other["result"]["refused"]["code"], "id_reused", "{other}");
        let fill = acts(&begun, json!({"values": {"order_id": "A1"}}));
        let (filled, again) = (host.tool("fill", fill.clone()), host.tool("fill", fill));
        assert_eq!(filled["result"], again["result"], "the same call at the same version is the same call");
        let stale = host.tool("fill", acts(&begun, json!({"values": {"order_id": "A2"}})));
        assert_eq!((&stale["error"], &stale["result"]["refused"]["code"]), (&json!(true), &json!("stale")));
        assert_eq!(stale["result"]["at"], filled["result"]["at"], "and says how it stands");
        let right = host.tool("correct", acts(&filled, json!({"values": {"order_id": "A2"}})));
        assert_eq!(right["result"]["message"], "Shall I cancel A2?");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_narrows_where_there_are_sessions() {
    let shop = Server::start(|_| server::json("{\"status\": \"lost\"}")).await;
    let dir = desk(&shop.url(), "");
    let served = Served::start(dir.path(), &[]);
    let (mcp, root) = (served.mcp(), dir.path().to_str().unwrap());
    for at in [["stdio", WAYPOST, "mcp", root].as_slice(), &[&mcp]] {
        let Some(mut host) = Host::start("legacy", "a", "-", at) else { return };
        let begun = host.tool("start_journey", json!({"journey": "look", "variables": {"order_id": "A1"}}));
        assert_eq!(begun["result"]["phase"], "phase_investigate", "{begun}");
        let listed = host.does(&json!({"list": true}));
        assert_eq!(listed["changes"], 1);
        let names: Vec<&str> = listed["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["list_journeys", "start_journey", "fill", "read", "finding", "correct", "cancel", "handoff", "status"]);
        let finding = listed["tools"].as_array().unwrap().iter().find(|t| t["name"] == "finding").unwrap();
        assert_eq!(finding["schema"]["properties"]["name"]["enum"], json!(["lost", "fine"]));
        assert_eq!(finding["schema"], begun["result"]["expects"]["finding"]);
        let read = host.tool("read", acts(&begun, json!({"action": "shop.get-order", "inputs": {"order_id": "A1"}})));
        assert_eq!(read["result"]["read"], json!({"action": "shop.get-order", "outcome": "found", "body": {"status": "lost"}}), "{read}");
        let found = host.tool("finding", acts(&read, json!({"name": "lost"})));
        assert_eq!((&found["result"]["message"], &found["result"]["status"]), (&json!("It is lost."), &json!("completed")));
        assert_eq!(host.tools(), ["list_journeys", "start_journey", "handoff", "status"]);
        // Without sessions there is no conversation that a list could be about.
        let Some(mut host) = Host::start("2026-07-28", "a", "-", at) else { return };
        host.tool("start_journey", json!({"journey": "look"}));
        assert_eq!(host.tools().len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_question_every_answer_says_whose_it_is_and_where() {
    let settings = "secrets: [K1, JWT]\nserver: {url: 'https://agents.example', keys: [{name: bot, key: '${K1}', role: agent}]}\n\
        identity: {sign_in: 'https://example.org/sign-in', jwt: {issuer: a, audience: b, algorithms: [HS256], keys: ['${JWT}']}}";
    let dir = desk("http://127.0.0.1:9", settings);
    let served = Served::start(dir.path(), &[("K1", "k-bot"), ("JWT", "a key that host and service share, and nobody else")]);
    let at = [&*served.mcp(), "authorization=Bearer k-bot", "user-id=nora"];
    let Some(mut host) = Host::start("legacy", "a", "-", &at) else { return };
    let asked = host.up_to_the_question("A1");
    let about = json!({"conversation_id": asked["result"]["conversation_id"]});
    for told in [asked, host.tool("status", about.clone()), host.tool("list_journeys", about)] {
        let result = &told["result"];
        assert_eq!(result["message"], "Shall I cancel A1?", "{told}");
        assert!(result["question_url"].as_str().is_some_and(|u| u.starts_with("https://agents.example/questions/")), "{told}");
        assert!(result["hint"].as_str().is_some_and(|h| h.contains("question_url")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_session_lives_through_a_reload_and_does_not_hold_the_end_up() {
    let dir = desk("http://127.0.0.1:9", "");
    let mut program = Program::start_with(dir.path(), &["--store", "memory"], &[]);
    let Some(mut host) = Host::start("legacy", "a", "-", &[&format!("http://{}/mcp", program.at)]) else { return };
    let begun = host.tool("start_journey", json!({"journey": "cancel"}));
    let file = dir.path().join("journeys/all.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    let journeys = |host: &mut Host| host.tool("list_journeys", json!({}))["result"]["journeys"].as_array().unwrap().len();
    std::fs::write(&file, "name: [").unwrap();
    program.prints("not taken");
    assert_eq!(journeys(&mut host), 2);
    let more = "---\nname: Track\ntrigger: {goal: track an order, examples: [track it]}\njourney: [{done: It is on its way.}]\n";
    std::fs::write(&file, written.replace("Shall I cancel", "Really cancel") + more).unwrap();
    program.prints("taken anew");
    assert_eq!(journeys(&mut host), 3);
    // A journey under way stays as it began.
    let later = host.tool("start_journey", json!({"journey": "cancel"}));
    for (begun, asked) in [(begun, "Shall I cancel A1?"), (later, "Really cancel A1?")] {
        let told = host.tool("fill", acts(&begun, json!({"values": {"order_id": "A1"}})));
        assert_eq!(told["result"]["message"], asked, "{told}");
    }
    program.signal("-TERM");
    program.prints("stopped");
    assert!(program.ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_come_now_is_refused_and_says_what_may() {
    let dir = desk("http://127.0.0.1:9", "");
    let Some(mut host) = Host::start("legacy", "a", "-", &["stdio", WAYPOST, "mcp", dir.path().to_str().unwrap()]) else { return };
    let begun = host.tool("start_journey", json!({"journey": "cancel"}));
    let early = host.tool("finding", acts(&begun, json!({"name": "lost"})));
    assert_eq!((&early["error"], &early["result"]["refused"]["code"]), (&json!(true), &json!("not_now")), "{early}");
    assert_eq!(early["result"]["expects"], begun["result"]["expects"]);
    assert_eq!(early["result"]["at"], begun["result"]["at"]);
    for (tool, args, code) in [
        ("fill", json!({"conversation_id": begun["result"]["conversation_id"], "values": {}}), "arguments"),
        ("fill", json!({"at": 1, "values": {}}), "arguments"),
        ("fill", acts(&begun, json!({"values": {}, "note": 1})), "arguments"),
        ("guide", acts(&begun, json!({"move": "on"})), "arguments"),
        ("status", json!({"conversation_id": "c-0"}), "no_conversation"),
        ("start_journey", json!({"journey": "refund"}), "unknown_journey"),
    ] {
        let wrong = host.tool(tool, args);
        assert_eq!((&wrong["error"], &wrong["result"]["refused"]["code"]), (&json!(true), &json!(code)), "{tool}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_another_s_conversation() {
    let keys = "server: {keys: [{name: one, key: '${ONE}', role: agent, tenants: [acme]}, {name: two, key: '${TWO}', role: runtime, tenants: [globex]}, {name: three, key: '${THREE}', role: user, tenants: [acme]}]}\nsecrets: [ONE, TWO, THREE]";
    let dir = desk("http://127.0.0.1:9", keys);
    let served = Served::start(dir.path(), &[("ONE", "key-one"), ("TWO", "key-two"), ("THREE", "key-three")]);
    let mcp = served.mcp();
    for style in STYLES {
        let at = |key: &str, user: &str| -> Option<Host> {
            Host::start(style, "a", "-", &[&mcp, &format!("authorization=Bearer {key}"), &format!("user-id={user}")])
        };
        let Some(mut nora) = at("key-one", "nora") else { return };
        // By a user's own key, too, it is a model that calls, and none of it is the user's word.
        let mut ida = at("key-three", "ida").unwrap();
        let asked = ida.up_to_the_question("C1");
        let id = asked["result"]["conversation_id"].as_str().unwrap();
        let told = ida.does(&json!({"read": format!("waypost://conversations/{id}/transcript")}));
        let talk = told["text"].as_str().unwrap().split_once("talk:").unwrap().1;
        assert!(talk.contains("agent:") && !talk.contains("user:"), "{talk}");
        let begun = nora.tool("start_journey", json!({"journey": "cancel"}));
        let id = begun["result"]["conversation_id"].as_str().unwrap().to_owned();
        let about = json!({"conversation_id": id});
        assert_eq!(nora.tool("status", about.clone())["error"], false);
        for (key, user) in [("key-one", "ben"), ("key-two", "nora")] {
            let mut other = at(key, user).unwrap();
            assert_eq!(other.tool("status", about.clone())["result"]["refused"]["code"], "no_conversation");
            assert_eq!(
                other.tool("fill", acts(&begun, json!({"values": {"order_id": "B"}})))["result"]["refused"]["code"],
                "no_conversation"
            );
            let read = other.does(&json!({"read": format!("waypost://conversations/{id}/transcript")}));
            assert!(read.get("protocol_error").is_some(), "{read}");
        }
        let transcript = nora.does(&json!({"read": format!("waypost://conversations/{id}/transcript")}));
        assert!(transcript["text"].as_str().is_some_and(|t| t.contains("talk:")), "{transcript}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_can_be_read() {
    let dir = desk("http://127.0.0.1:9", "");
    let Some(mut host) = Host::start("legacy", "a", "-", &["stdio", WAYPOST, "mcp", dir.path().to_str().unwrap()]) else { return };
    let uris = ["cancel", "cancel/graph", "look", "look/graph"].map(|j| format!("waypost://journeys/{j}"));
    assert_eq!(host.does(&json!({"resources": true}))["resources"], json!(uris));
    let cancel = host.does(&json!({"read": uris[0]}));
    let text = cancel["text"].as_str().unwrap();
    assert!(text.starts_with("name: Cancel\n") && !text.contains("name: Look"), "{text}");
    let look = host.does(&json!({"read": uris[2]}));
    assert!(look["text"].as_str().unwrap().starts_with("name: Look\n"), "{look}");
    assert!(host.does(&json!({"read": uris[1]}))["text"].as_str().unwrap().contains("flowchart TD"));
    assert!(host.does(&json!({"read": "waypost://journeys/refund"})).get("protocol_error").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_verifies_and_confirms_a_shipped_journey_beside_the_model() {
    let backend = Backend::start("2026-11-22T09:00:00Z".parse().unwrap()).await.unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let served = Served::start(&root, &[("SHOP_URL", &backend.url())]);
    let Some(mut host) = Host::start("legacy", "a", "-", &[&served.mcp(), "user-id=nora"]) else { return };
    let begun = host.tool("start_journey", json!({"journey": "cancel-order", "variables": {"order_id": "H1042"}}));
    assert_eq!(begun["result"]["phase"], "phase_collect", "{begun}");
    // The user's own channel: what verifies them, they say themselves.
    let id = begun["result"]["conversation_id"].as_str().unwrap().to_owned();
    let says = |text: &str| -> Value {
        let body = json!({"conversation_id": id, "message": text}).to_string();
        let url = format!("{}/api/v1/agents/hollin-wren/converse", served.url);
        let headers = ["-H", "content-type: application/json", "-H", "user-id: nora"];
        let told = Command::new("curl").args(["-s", "-d", &body, &url]).args(headers).output().unwrap();
        serde_json::from_slice(&told.stdout).unwrap()
    };
    let mailed = says("nora.falk@example.com");
    assert!(mailed["response"]["message"].as_str().unwrap().contains("six-digit code"), "{mailed}");
    let code = backend.mails().last().unwrap().code.clone();
    let told = says(&code);
    assert!(told["response"]["message"].as_str().unwrap().contains("Why are you cancelling"), "{told}");
    let standing = host.tool("status", json!({"conversation_id": id}));
    let asked = host.tool("fill", acts(&standing, json!({"values": {"cancel_reason": "ordered by mistake"}})));
    assert_eq!(asked["result"]["phase"], "phase_confirm", "{asked}");
    let cancels = || backend.requests().iter().filter(|r| r.path.contains("cancel")).count();
    assert_eq!(cancels(), 0);
    assert!(says("yes please")["response"]["message"].as_str().unwrap().contains("Order H1042 is cancelled"));
    assert_eq!(cancels(), 1);
    let done = host.tool("status", json!({"conversation_id": id}));
    assert_eq!((&done["result"]["status"], &done["result"]["outcome"]), (&json!("completed"), &json!("cancelled")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_on_a_model_s_word_verifies_nobody() {
    let backend = Backend::start("2026-11-22T09:00:00Z".parse().unwrap()).await.unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let served = Served::start(&root, &[("SHOP_URL", &backend.url())]);
    let Some(mut host) = Host::start("2026-07-28", "a", "-", &[&served.mcp(), "user-id=nora"]) else { return };
    let begun = host.tool("start_journey", json!({"journey": "cancel-order", "variables": {"order_id": "H1042"}}));
    let mailed = host.tool("fill", acts(&begun, json!({"values": {"email": "nora.falk@example.com"}})));
    let code = backend.mails().last().unwrap().code.clone();
    host.tool("fill", acts(&mailed, json!({"values": {"code": code}})));
    let orders = backend.requests().into_iter().filter(|r| r.path.contains("orders")).count();
    assert_eq!(orders, 0, "nothing of the customer's was looked at");
}

#[test]
fn the_snippet_for_a_host_starts_it() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mcp.md")).unwrap();
    let snippet = page.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    let settings: Value = serde_json::from_str(snippet).unwrap();
    let server = &settings["mcpServers"]["shop"];
    assert_eq!(server["command"], "waypost");
    let dir = desk("http://127.0.0.1:9", "");
    let args = server["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
    let args = args.map(|a| if a == "/path/to/shop" { dir.path().to_str().unwrap() } else { a });
    let at: Vec<&str> = ["stdio", WAYPOST].into_iter().chain(args).collect();
    let Some(mut host) = Host::start("legacy", "a", "-", &at) else { return };
    assert_eq!(host.tools().len(), 11);
}
