//! What goes over the wire, word for word, in both styles of the protocol.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{Served, WAYPOST, acts, desk};
use crate::outbound::server::{self, Server};

/// Sends lines to `waypost mcp` and gives what it answers to those with an id, by id.
fn spoken(settings: &str, lines: &[Value]) -> Vec<Value> {
    let dir = desk("http://127.0.0.1:9", settings);
    let mut command = Command::new(WAYPOST);
    let mut child = command.arg("mcp").arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers = Vec::new();
    for line in lines {
        writeln!(input, "{line}").unwrap();
        if line.get("id").is_some() {
            // Whatever else stands on standard output is the protocol's too.
            let answer = output.by_ref().map(|l| serde_json::from_str::<Value>(&l.unwrap()).unwrap()).find(|m| m["id"] == line["id"]);
            answers.push(answer.unwrap());
        }
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    answers
}

/// `waypost mcp` as a host in the older style drives it, line by line.
pub struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
}

impl Talk {
    pub fn start(workspace: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(WAYPOST);
        command.arg("mcp").args(args).arg(workspace).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()).lines());
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut talk = Self { child, input, output, log };
        let [mut hello, ready] = greeting("2025-06-18");
        hello["params"]["capabilities"] = json!({"elicitation": {}});
        talk.send(&hello);
        talk.send(&ready);
        talk.receives(|m| m["id"] == 1);
        talk
    }

    /// The next message of which that is true.
    fn receives(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        self.output.by_ref().map(|l| serde_json::from_str(&l.unwrap()).unwrap()).find(is).expect("it comes")
    }

    fn send(&mut self, line: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn says(&mut self, id: u32, tool: &str, args: Value) {
        self.send(&request(id, "tools/call", json!({"name": tool, "arguments": args})));
    }

    /// What a request came to.
    pub fn answer(&mut self, id: u32) -> Value {
        self.receives(|m| m["id"] == id && m.get("method").is_none())["result"]["structuredContent"].take()
    }

    pub fn calls(&mut self, id: u32, tool: &str, args: Value) -> Value {
        self.says(id, tool, args);
        self.answer(id)
    }

    pub fn hangs_up(&mut self) {
        self.input = None;
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits until it logs a line with that in it.
    pub fn logs(&mut self, text: &str) {
        assert!(self.log.by_ref().any(|line| line.unwrap().contains(text)), "it did not log `{text}`");
    }

    /// Whether it ends well; waits until it ends.
    pub fn ended(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

fn request(id: u32, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn greeting(version: &str) -> [Value; 2] {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "frames", "version": "1"}});
    [request(1, "initialize", params), json!({"jsonrpc": "2.0", "method": "notifications/initialized"})]
}

/// What every request of the newer style carries.
fn meta(name: &str, capabilities: Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": name, "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_question_of_a_call_that_was_cancelled_is_none() {
    let shop = Server::start(|_| server::json("{}")).await;
    let dir = desk(&shop.url(), "mcp: {trusted_clients: [frames]}");
    for cancels in [true, false] {
        let mut talk = Talk::start(dir.path(), &[]);
        let begun = talk.calls(2, "start_journey", json!({"journey": "cancel"}));
        talk.says(3, "fill", acts(&json!({"result": begun}), json!({"values": {"order_id": "A1"}})));
        let question = talk.receives(|m| m["method"] == "elicitation/create")["id"].take();
        let yes = json!({"jsonrpc": "2.0", "id": question, "result": {"action": "accept", "content": {"yes": true}}});
        if cancels {
            talk.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}));
            talk.send(&yes);
            // It stands, and is put again to whoever asks how things are.
            talk.says(4, "status", json!({"conversation_id": begun["conversation_id"]}));
            let again = talk.receives(|m| m["method"] == "elicitation/create" || m["id"] == 4);
            assert_eq!(again["params"]["message"], "Shall I cancel A1?", "{again}");
            talk.send(&json!({"jsonrpc": "2.0", "id": again["id"], "result": {"action": "cancel"}}));
            assert_eq!((&talk.answer(4)["phase"], shop.seen().len()), (&json!("phase_confirm"), 0));
        } else {
            talk.send(&yes);
            assert_eq!((&talk.answer(3)["phase"], shop.seen().len()), (&json!("phase_done"), 1));
        }
        talk.hangs_up();
        assert!(talk.ended());
    }
}

/// A service that is not there is told of where nobody asked for a log, and only there: standard output is the protocol's.
#[test]
fn a_call_that_failed_is_told_of_on_standard_error() {
    // Nobody listens there any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = desk(&format!("http://{free}"), "");
    for (args, told) in [(&[][..], true), (&["--log", "off"], false)] {
        let mut talk = Talk::start(dir.path(), args);
        let begun = talk.calls(2, "start_journey", json!({"journey": "look"}));
        let looking = talk.calls(3, "fill", acts(&json!({"result": begun}), json!({"values": {"order_id": "A1"}})));
        let args = acts(&json!({"result": looking}), json!({"action": "shop.get-order", "inputs": {"order_id": "A1"}}));
        let read = talk.calls(4, "read", args);
        assert_eq!(read["conversation_id"], begun["conversation_id"], "{read}");
        talk.hangs_up();
        let log: Vec<String> = talk.log.by_ref().map(Result::unwrap).collect();
        let failed = |line: &&String| line.contains("WARN") && line.contains("a call failed") && line.contains("action=shop.get-order");
        assert_eq!(log.iter().filter(failed).count() > 0, told, "{log:?}");
        assert_eq!(log.iter().any(|line| line.contains("WARN")), told, "{log:?}");
        assert!(talk.ended());
    }
}

#[test]
fn what_cannot_be_read_is_another_error_than_what_is_not_there() {
    let [hello, ready] = greeting("2025-06-18");
    let odd = request(2, "tools/call", json!({"name": "status", "arguments": []}));
    let answers = spoken("", &[hello, ready, odd, request(3, "tools/sing", json!({}))]);
    assert_eq!((&answers[1]["error"]["code"], &answers[2]["error"]["code"]), (&json!(-32602), &json!(-32601)));
}

#[test]
fn the_older_style_greets_first() {
    let [hello, ready] = greeting("2025-06-18");
    let call = request(2, "tools/call", json!({"name": "start_journey", "arguments": {"journey": "cancel"}}));
    let answers = spoken("", &[hello, ready, call, request(3, "tools/call", json!({"name": "confirm", "arguments": {}}))]);
    let info = &answers[0]["result"];
    assert_eq!((&info["protocolVersion"], &info["serverInfo"]["name"]), (&json!("2025-06-18"), &json!("waypost")));
    assert_eq!(info["capabilities"], json!({"tools": {"listChanged": true}, "resources": {}}));
    let result = &answers[1]["result"];
    assert_eq!(serde_json::from_str::<Value>(result["content"][0]["text"].as_str().unwrap()).unwrap(), result["structuredContent"]);
    assert_eq!(result["isError"], false);
    assert_eq!(answers[2]["error"]["code"], -32602, "there is no tool that confirms");
}

#[test]
fn the_newer_style_says_all_in_each_request() {
    let discover = request(1, "server/discover", json!({"_meta": meta("frames", json!({}))}));
    let call = |id, args: Value| {
        request(id, "tools/call", json!({"name": "start_journey", "arguments": args, "_meta": meta("frames", json!({}))}))
    };
    let answers = spoken("", &[discover, call(2, json!({"journey": "cancel"})), call(3, json!({"journey": "cancel", "actor": "user"}))]);
    assert!(answers[0]["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")));
    assert_eq!(answers[1]["result"]["resultType"], "complete");
    assert_eq!(answers[2]["result"]["isError"], true);
}

#[test]
fn the_state_of_a_question_is_its_own_caller_s_and_call_s() {
    let trusted = "mcp: {trusted_clients: [desk-app]}";
    let can = json!({"elicitation": {"form": {}}});
    let start = |id, name: &str, args: Value, more: Value| {
        let mut params = json!({"name": "start_journey", "arguments": args, "_meta": meta(name, can.clone())});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request(id, "tools/call", params)
    };
    let args = |order: &str| json!({"journey": "cancel", "variables": {"order_id": order}});
    let dir = desk("http://127.0.0.1:9", trusted);
    let mut command = Command::new(WAYPOST);
    let mut child = command.arg("mcp").arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut send = |line: Value| -> Value {
        writeln!(input, "{line}").unwrap();
        serde_json::from_str(&output.next().unwrap().unwrap()).unwrap()
    };
    let hello = request(0, "server/discover", json!({"_meta": meta("desk-app", can.clone())}));
    send(hello);
    let asked = send(start(1, "desk-app", args("A1"), json!({})));
    let result = &asked["result"];
    assert_eq!(result["resultType"], "input_required");
    let form = &result["inputRequests"]["confirm"]["params"];
    assert_eq!((&form["message"], &form["requestedSchema"]["required"]), (&json!("Shall I cancel A1?"), &json!(["yes"])));
    let state = result["requestState"].as_str().unwrap().to_owned();
    let yes = json!({"confirm": {"action": "accept", "content": {"yes": true}}});
    let with = |state: &str, answer: &Value| json!({"requestState": state, "inputResponses": answer});
    // A state that was changed, of another call, of another client, or of nobody.
    let last = if state.ends_with('A') { 'B' } else { 'A' };
    let changed = format!("{}{last}", state.strip_suffix(|_: char| true).unwrap());
    for forged in [
        start(2, "desk-app", args("A1"), with(&changed, &yes)),
        start(3, "desk-app", args("A2"), with(&state, &yes)),
        start(4, "another-app", args("A1"), with(&state, &yes)),
        start(5, "desk-app", args("A1"), with("rs1.x.y", &yes)),
    ] {
        assert_eq!(send(forged)["error"]["code"], -32602);
    }
    // An answer without a state answers nothing.
    let loose = send(start(6, "desk-app", args("A3"), json!({"inputResponses": yes})));
    assert_eq!(loose["result"]["resultType"], "input_required");
    // An acceptance that does not say yes is none.
    for (id, empty) in [(7, json!({"action": "accept"})), (8, json!({"action": "accept", "content": {"yes": "true"}}))] {
        let came = send(start(id, "desk-app", args("A1"), with(&state, &json!({"confirm": empty}))));
        assert_eq!(came["result"]["structuredContent"]["phase"], "phase_confirm", "{came}");
    }
    let done = send(start(9, "desk-app", args("A1"), with(&state, &yes)));
    assert_ne!(done["result"]["structuredContent"]["phase"], "phase_confirm", "{done}");
    let again = send(start(10, "desk-app", args("A1"), with(&state, &yes)));
    assert_eq!(again["result"]["structuredContent"]["at"], done["result"]["structuredContent"]["at"], "a state is used once");
    // A yes to a question that another has taken the place of.
    let call = |id, name: &str, args: Value, more: Value| {
        let mut params = json!({"name": name, "arguments": args, "_meta": meta("desk-app", can.clone())});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request(id, "tools/call", params)
    };
    let begun = send(call(11, "start_journey", json!({"journey": "cancel"}), json!({})))["result"]["structuredContent"].take();
    let acts = |at: &Value, order: &str| json!({"conversation_id": begun["conversation_id"], "at": at, "values": {"order_id": order}});
    let fill = acts(&begun["at"], "B1");
    let older = send(call(12, "fill", fill.clone(), json!({})))["result"]["requestState"].as_str().unwrap().to_owned();
    // A client that puts no questions is told how it stands.
    let status = |id| {
        let args = json!({"conversation_id": begun["conversation_id"]});
        request(id, "tools/call", json!({"name": "status", "arguments": args, "_meta": meta("desk-app", json!({}))}))
    };
    let now = send(status(13))["result"]["structuredContent"]["at"].take();
    let newer = send(call(14, "correct", acts(&now, "B2"), json!({})));
    assert_eq!(newer["result"]["inputRequests"]["confirm"]["params"]["message"], "Shall I cancel B2?", "{newer}");
    send(call(15, "fill", fill, with(&older, &yes)));
    let stands = send(status(16));
    assert_eq!(stands["result"]["structuredContent"]["phase"], "phase_confirm", "{stands}");
    drop(input);
    child.wait().unwrap();
}

#[test]
fn pages_of_other_hosts_and_callers_without_a_key_are_not_let_in() {
    let ask = |url: &str, headers: &[&str]| {
        let body = request(1, "tools/list", json!({"_meta": meta("frames", json!({}))})).to_string();
        let mut command = Command::new("curl");
        command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-d", &body]);
        command.args(["-H", "content-type: application/json", "-H", "accept: application/json, text/event-stream"]);
        command.args(["-H", "mcp-protocol-version: 2026-07-28", "-H", "mcp-method: tools/list"]);
        for header in headers {
            command.args(["-H", header]);
        }
        String::from_utf8(command.arg(url).output().unwrap().stdout).unwrap()
    };
    let dir = desk("http://127.0.0.1:9", "");
    let open = Served::start(dir.path(), &[]);
    assert_eq!(ask(&open.mcp(), &[]), "200");
    assert_eq!(ask(&open.mcp(), &["host: evil.example"]), "403");
    assert_eq!(ask(&open.mcp(), &["origin: http://evil.example"]), "403");
    let dir = desk("http://127.0.0.1:9", "server: {keys: [{name: one, key: '${ONE}', role: agent}]}\nsecrets: [ONE]");
    let keyed = Served::start(dir.path(), &[("ONE", "key-one")]);
    assert_eq!(ask(&keyed.mcp(), &[]), "401");
    assert_eq!(ask(&keyed.mcp(), &["authorization: Bearer key-two"]), "401");
    assert_eq!(ask(&keyed.mcp(), &["authorization: Bearer key-one"]), "200");
}

#[test]
fn a_session_stays_with_whom_it_began_with() {
    let keys = "server: {keys: [{name: one, key: '${ONE}', role: agent}, {name: two, key: '${TWO}', role: agent}]}\nsecrets: [ONE, TWO]";
    let dir = desk("http://127.0.0.1:9", keys);
    let served = Served::start(dir.path(), &[("ONE", "key-one"), ("TWO", "key-two")]);
    let greeted = speak(&served, "POST", "key-one", "", &greeting("2025-06-18")[0]);
    let session = session_of(&greeted);
    let list = request(2, "tools/list", json!({}));
    // It is theirs from the greeting on: nobody takes it over by being the first to ask for something, or answers, listens or ends it.
    let strangers = |when: &str| {
        let yes = json!({"jsonrpc": "2.0", "id": 0, "result": {"action": "accept", "content": {"confirm": true}}});
        let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}});
        let tried = [("POST", &list), ("POST", &yes), ("POST", &cancelled), ("GET", &Value::Null), ("DELETE", &Value::Null)];
        for (method, body) in tried {
            let stolen = speak(&served, method, "key-two", &session, body);
            assert!(stolen.starts_with("HTTP/1.1 404"), "{method} {body} in a session of another, {when}: {stolen}");
        }
    };
    strangers("just begun");
    speak(&served, "POST", "key-one", &session, &greeting("2025-06-18")[1]);
    let own = || speak(&served, "POST", "key-one", &session, &list);
    assert!(own().contains("start_journey"), "the session is of no use to its own caller");
    strangers("in use");
    assert!(own().contains("start_journey"), "strangers have ended it");
    for id in ["x".repeat(201), "a\u{0}b".to_owned()] {
        let args = json!({"journey": "look", "message_id": id});
        let answer =
            speak(&served, "POST", "key-one", &session, &request(3, "tools/call", json!({"name": "start_journey", "arguments": args})));
        assert!(answer.contains("at most 200 characters"), "{answer}");
    }
    let invented = speak(&served, "POST", "key-one", "0000", &list);
    assert!(invented.starts_with("HTTP/1.1 404"), "{invented}");
    assert!(speak(&served, "DELETE", "key-one", &session, &Value::Null).starts_with("HTTP/1.1 2"));
    assert!(own().starts_with("HTTP/1.1 404"));
}

/// Sends something by a key in a session; what comes, its head first.
fn speak(served: &Served, method: &str, key: &str, session: &str, body: &Value) -> String {
    let mut command = Command::new("curl");
    command.args(["-s", "-i", "-m", "20", "-X", method]);
    if !body.is_null() {
        command.args(["-d", &body.to_string()]);
    }
    command.args(["-H", "content-type: application/json", "-H", "accept: application/json, text/event-stream"]);
    command.args(["-H", &format!("authorization: Bearer {key}"), "-H", &format!("mcp-session-id: {session}")]);
    String::from_utf8(command.arg(served.mcp()).output().unwrap().stdout).unwrap()
}

fn session_of(greeted: &str) -> String {
    let id = greeted.lines().find_map(|l| l.strip_prefix("mcp-session-id: "));
    id.unwrap_or_else(|| panic!("{greeted}")).trim().to_owned()
}

#[test]
fn there_are_only_so_many_sessions_and_nobody_ends_those_of_others() {
    let keys = "server: {keys: [{name: one, key: '${ONE}', role: agent}, {name: two, key: '${TWO}', role: agent}]}\nsecrets: [ONE, TWO]\nlimits: {streams: 3}";
    let dir = desk("http://127.0.0.1:9", keys);
    let served = Served::start(dir.path(), &[("ONE", "key-one"), ("TWO", "key-two")]);
    let [hello, ready] = greeting("2025-06-18");
    let begin = |key: &str| {
        let session = session_of(&speak(&served, "POST", key, "", &hello));
        speak(&served, "POST", key, &session, &ready);
        session
    };
    let list = request(2, "tools/list", json!({}));
    let lives = |key: &str, session: &str| speak(&served, "POST", key, session, &list).contains("start_journey");
    let quiet = begin("key-one");
    let greedy: Vec<String> = (0..6).map(|_| begin("key-two")).collect();
    assert!(lives("key-one", &quiet), "another key's sessions have ended it");
    let left: Vec<bool> = greedy.iter().map(|s| lives("key-two", s)).collect();
    assert_eq!(left, [false, false, false, false, true, true]);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    use std::io::Read as _;
    let dir = desk("http://127.0.0.1:9", "limits: {requests: 1, waiting: 1, wait: 100ms, receive: 1s}");
    let served = Served::start(dir.path(), &[]);
    let at = served.url.strip_prefix("http://").unwrap();
    let mut half = std::net::TcpStream::connect(at).unwrap();
    half.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let head =
        format!("POST /mcp HTTP/1.1\r\nhost: {at}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n");
    write!(half, "{head}content-length: 100\r\n\r\n{{").unwrap();
    let mut answer = vec![0; 1_000];
    let read = half.read(&mut answer).expect("an answer in time");
    assert!(answer[..read].starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer[..read]));
    // Its place is another's now.
    let next = speak(&served, "POST", "", "", &greeting("2025-06-18")[0]);
    assert!(next.starts_with("HTTP/1.1 200"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_past_what_is_handled_at_once_are_sent_away() {
    let shop = crate::outbound::server::Server::start(|_| crate::outbound::server::Do::Hang).await;
    let dir = desk(&shop.url(), "limits: {requests: 1, wait: 50ms}");
    let mut command = Command::new(WAYPOST);
    let mut child = command.arg("mcp").arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut send = |id: u32, name: &str, args: Value| {
        writeln!(input, "{}", request(id, "tools/call", json!({"name": name, "arguments": args, "_meta": meta("frames", json!({}))})))
            .unwrap();
    };
    let mut told = |id: u32| {
        let answer = output.by_ref().map(|l| serde_json::from_str::<Value>(&l.unwrap()).unwrap()).find(|m| m["id"] == id);
        answer.unwrap()
    };
    send(1, "start_journey", json!({"journey": "look", "variables": {"order_id": "A1"}}));
    let begun = told(1)["result"]["structuredContent"].take();
    let about = &begun["conversation_id"];
    send(2, "read", json!({"conversation_id": about, "at": begun["at"], "action": "shop.get-order", "inputs": {"order_id": "A1"}}));
    while shop.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    send(3, "status", json!({"conversation_id": about}));
    let status = told(3);
    let result = &status["result"];
    assert!(result["isError"] == true && result["content"][0]["text"].as_str().unwrap().contains("overloaded"), "{status}");
    child.kill().unwrap();
    child.wait().unwrap();
}
