//! Canaries: secrets and personal data from every source, looked for in every sink, in every form that they may take there.
//!
//! The same conversation is held twice. In the first workspace nothing is declared sensitive, and each sink shows what is planted:
//! so it would be found. In the second it is declared, and no sink may show it.

use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use waypost::check::{self, Loaded};
use waypost::driver::{Clock, Entropy, Runtime, Turn, Vault};
use waypost::engine::input::Open;
use waypost::engine::{Actor, Command, Event, Principal, trace};
use waypost::outbound::{HttpPerformer, Secrets};
use waypost::store::{ConversationKey, Seals, SqliteStore, Store};
use waypost::value::Name;

use crate::outbound::server::{Server, json as answered};

/// What is planted, by its source.
const PIN: &str = "48.Pin-Canary.62";
const SPOKEN: &str = "77.Spoken-Canary.10";
const IBAN: &str = "AT-Iban-Canary-3201";
const DEEP: &str = "Deep-Canary-5518";
const TOKEN: &str = "Token-Canary-90ab12";
const MASTER: &str = "Master-Canary-0123456789-0123456789";
/// Sensitive by the workspace's word; the others are nobody's to show whatever it says.
const DECLARED: [&str; 4] = [PIN, SPOKEN, IBAN, DEEP];
const NEVER: [&str; 2] = [TOKEN, MASTER];

/// A workspace, with or without its sensitive things declared.
fn files(declared: bool, url: &str) -> Vec<(String, String)> {
    let (redact, sensitive) = if declared {
        ("audit_level: detailed, redact_fields: [response.iban, deep, inputs.pin]", "sensitive: true, ")
    } else {
        ("audit_level: detailed", "")
    };
    let bank = format!(
        "
name: Bank
type: rest_api
config: {{base_url: '{url}', auth_type: bearer, credentials: {{api_key: '${{TOKEN}}'}}}}
actions:
  - name: Account
    type: read
    invocation: {{method: GET, endpoint: '/accounts/{{pin}}', headers: {{X-Pin: $variables.pin}}, query: {{pin: $inputs.pin}}}}
    input_schema: {{pin: {{type: string}}}}
    output_schema: {{iban: {{type: string}}, owner: {{type: string}}, items: {{type: array}}}}
    outcomes: [{{name: found, condition: response.status == 200}}]
    safety: {{{redact}}}
  - name: Pay
    type: write
    invocation: {{method: POST, endpoint: '/payments'}}
    input_schema: {{pin: {{type: string}}, iban: {{type: string}}, deep: {{type: string}}}}
    outcomes: [{{name: paid, condition: response.status == 201}}]
    safety: {{requires_confirmation: true, {redact}}}
"
    );
    let fields = format!("{{name: PIN, type: string, {sensitive}ui: {{prompt: Which PIN?}}}}");
    let journey = "
name: Pay
trigger: {goal: Pay a bill, examples: [pay my bill]}
fallback: {to: care, message: A colleague takes over.}
journey:
  - collect: [pin]
  - investigate:
      goal: find out
      using: [bank.account]
      as: seen
      findings: {fine: continue}
      fallback: [{escalate: {message: Nothing was found.}}]
  - action: bank.account -> account
  - set: {first: '$variables.account.items[0].deep', same: '$variables.pin'}
  - choice:
      prompt: 'Which one?'
      from: '[{\"id\": \"one\", \"label\": $variables.first}]'
      on_pick: continue
  - confirm: {message: 'Pay from {{ variables.account.iban | mask }} for {{ variables.first | mask }}?', fields: [pin]}
  - action: bank.pay
    inputs: {pin: $variables.pin, iban: $variables.account.iban, deep: $variables.first}
    outcomes: {paid: [{done: Paid.}]}
";
    let settings = "queues: {default: care, names: [care]}\nsecrets: [TOKEN, MASTER]\nstore: {seal_key: '${MASTER}'}\nlints: {WP0601: allow, WP0504: allow}";
    let named =
        [("waypost.yaml", settings), ("integrations/bank.yaml", &bank), ("journeys/pay.yaml", journey), ("datapoints/f.yaml", &fields)];
    named.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn loaded(declared: bool, url: &str) -> Loaded {
    let files = files(declared, url).into_iter().map(|(name, text)| (name, Arc::from(text))).collect();
    let checked = check::load(files);
    checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

/// The forms in which a text may stand in bytes.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let each = |write: fn(u8) -> String| bytes.iter().map(|b| write(*b)).collect::<Vec<_>>().concat();
    let hex = each(|b| format!("{b:02x}"));
    let percent = each(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") });
    let escaped = each(|b| format!("\\u{b:04x}"));
    let debugged = format!("{bytes:?}");
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("lower case", text.to_lowercase().into_bytes()),
        ("hexadecimal", hex.clone().into_bytes()),
        ("upper hexadecimal", hex.to_uppercase().into_bytes()),
        ("percent", percent.into_bytes()),
        ("escaped JSON", escaped.into_bytes()),
        ("a list of bytes", debugged.trim_matches(['[', ']']).as_bytes().to_vec()),
        ("backwards", text.chars().rev().collect::<String>().into_bytes()),
    ];
    // What stands before it decides how it is cut: without the characters that it shares with its neighbours.
    for offset in 0..3 {
        let padded = [&vec![0; offset][..], bytes].concat();
        for (name, engine) in [("Base64", &STANDARD), ("Base64 for URLs", &URL_SAFE)] {
            let encoded = engine.encode(&padded);
            let (from, to) = (if offset == 0 { 0 } else { 4 }, encoded.trim_end_matches('=').len() - 2);
            forms.push((name, encoded.as_bytes()[from..to].to_vec()));
        }
    }
    forms
}

fn found(sink: &[u8], text: &str) -> Option<&'static str> {
    forms(text).into_iter().find(|(_, form)| sink.windows(form.len()).any(|w| w == form)).map(|(name, _)| name)
}

#[test]
fn every_form_of_a_canary_is_found() {
    for text in DECLARED.iter().chain(&NEVER) {
        for (name, form) in forms(text) {
            let sink = [b"before ".as_slice(), &form, b" after"].concat();
            assert!(found(&sink, text).is_some(), "{name}");
        }
        for prefix in ["", "a", "ab", "abc"] {
            assert!(found(STANDARD.encode(format!("{prefix}{text}{prefix}")).as_bytes(), text).is_some(), "{prefix}");
        }
        assert_eq!(found(b"nothing of the kind", text), None);
    }
}

/// What the program logs, at its lowest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct Sink {
    name: &'static str,
    bytes: Vec<u8>,
    /// What of [`DECLARED`] it shows where nothing is declared.
    would_show: &'static [&'static str],
}

/// The conversation, and what every sink has of it.
async fn sinks(declared: bool) -> Vec<Sink> {
    let body = json!({"iban": IBAN, "owner": "Ada", "items": [{"deep": DEEP}, {"other": 1}]}).to_string();
    // The second write is refused, and its answer is no valid JSON.
    let server =
        Server::start(move |seen| if seen.path().starts_with("/accounts") { answered(&body) } else { answered(&format!("{{\"{IBAN}")) })
            .await;
    let loaded = loaded(declared, &server.url());
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("off,waypost=trace,it=trace"))
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.db");
    let secrets = Secrets::given([("TOKEN", TOKEN), ("MASTER", MASTER)]);
    let vault = Vault::new(&loaded.settings, &secrets, Entropy::System).unwrap();
    let store = SqliteStore::open(&file, vault.seals().unwrap()).unwrap();
    let keys = vault.keys(&store).await.unwrap();
    let http = HttpPerformer::new(loaded.workspace(), &secrets, Clock::System.as_fn());
    let printed = format!("{http:?} {vault:?} {store:?} {keys:?}");
    let runtime = Runtime::with(loaded, store.clone(), http, Clock::System, Entropy::System, keys).unwrap();
    let user = Arc::new(json!({"identity": {"user_id": "u-1"}}));
    let open = Open { conversation: "c".into(), tenant: "acme".into(), agent: "a".into(), user_id: "u-1".into(), user };
    let key = runtime.open(open).await.unwrap();
    let turn = async |actor, id: &str, turn| runtime.turn(&key, actor, Principal::default(), Some(id.into()), turn).await.unwrap();
    let say = |text: &str| Turn::Message(text.into());
    let inputs = || vec![(Name::new("pin"), json!(PIN))];
    let mut agents = Vec::new();
    let mut told = Vec::new();
    told.push(turn(Actor::User, "1", say("pay my bill")).await);
    // An agent's own try at it, then the user's.
    agents.push(turn(Actor::Agent, "2", Turn::Command(Command::Fill(vec![(Name::new("pin"), json!({"no": PIN}))]))).await);
    told.push(turn(Actor::User, "3", say(SPOKEN)).await);
    agents.push(turn(Actor::Agent, "4", Turn::Command(Command::Correct(inputs()))).await);
    agents.push(turn(Actor::Agent, "5", Turn::Command(Command::Read { action: "bank.account".into(), inputs: inputs() })).await);
    agents.push(turn(Actor::Agent, "6", Turn::Command(Command::Finding(Name::new("fine")))).await);
    agents.push(turn(Actor::Agent, "7", Turn::Command(Command::Choose("one".into()))).await);
    assert_eq!(server.seen().iter().filter(|s| s.path().starts_with("/accounts")).count(), 2, "{agents:#?}");
    // The question was given to the agent, not to the user: it is put again.
    told.push(turn(Actor::User, "8", say("yes")).await);
    told.push(turn(Actor::User, "8b", say("yes")).await);
    assert_eq!(server.seen().iter().filter(|s| s.path().starts_with("/payments")).count(), 1, "{told:#?}");
    assert!(server.seen().iter().all(|s| s.head.contains(TOKEN)));
    agents.push(turn(Actor::Agent, "9", Turn::Command(Command::Cancel)).await);

    let events: Vec<Event> = store.events(&key, 0, 10_000).await.unwrap().into_iter().map(|(_, event)| event).collect();
    // What somebody has who reads the store without the key: a copy of it, an export.
    let strangers = SqliteStore::open(&file, Seals::new(b"another", &[], [1; 16])).unwrap().events(&key, 0, 10_000).await.unwrap();
    let lines: Vec<String> = trace(&events).iter().map(|l| l.text.to_string()).collect();
    let audit: Vec<String> = store.audit(&key, 0, 1_000).await.unwrap().iter().map(|r| r.text.to_string()).collect();
    let present = runtime.present(&key, Actor::Agent).await.unwrap();
    let expects = runtime.expects(&key, Actor::User).await.unwrap();
    let refused: Vec<String> = told.iter().chain(&agents).map(|t| format!("{:?} {:?}", t.answer.errors, t.answer.refused)).collect();
    let answers: Vec<String> = agents.iter().map(|t| serde_json::to_string(&t.answer).unwrap()).collect();
    if !declared {
        tracing::trace!(value = SPOKEN, "as it would be logged");
    }
    let bytes = |name: &str| std::fs::read(Path::new(&directory.path()).join(name)).unwrap_or_default();
    let database = ["canary.db", "canary.db-wal", "canary.db-journal"].map(bytes).concat();
    let log = log.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&log).contains("bank.account"), "the log is read");
    let sink = |name, text: String, would_show| Sink { name, bytes: text.into_bytes(), would_show };
    vec![
        Sink { name: "log", bytes: log, would_show: &[SPOKEN] },
        Sink { name: "database", bytes: database, would_show: &[SPOKEN, PIN, IBAN, DEEP] },
        sink("audit", audit.join("\n"), &[PIN, IBAN, DEEP]),
        sink("trace", lines.join("\n"), &[SPOKEN, PIN, IBAN, DEEP]),
        sink("events without the key", serde_json::to_string(&strangers).unwrap(), &[SPOKEN, PIN, IBAN, DEEP]),
        sink("answers to an agent", answers.join("\n"), &[IBAN, DEEP]),
        sink("where it stands, to an agent", format!("{present:?} {expects:?}"), &[]),
        sink("errors and refusals", refused.join("\n"), &[]),
        sink("debug forms", format!("{printed} {runtime:?}"), &[]),
    ]
}

#[tokio::test]
async fn no_sink_shows_what_is_sensitive() {
    for sink in sinks(false).await {
        for text in sink.would_show {
            assert!(
                found(&sink.bytes, text).is_some(),
                "{}: `{text}` would not be found: {}",
                sink.name,
                String::from_utf8_lossy(&sink.bytes)
            );
        }
        for text in NEVER {
            assert_eq!(found(&sink.bytes, text), None, "{}: {text}", sink.name);
        }
    }
    for sink in sinks(true).await {
        for text in DECLARED.into_iter().chain(NEVER) {
            let shown = String::from_utf8_lossy(&sink.bytes);
            assert_eq!(found(&sink.bytes, text), None, "{}: `{text}` in {shown}", sink.name);
        }
    }
}

const SCRIPT: &str = "
name: pays
stubs:
  bank.account: [{body: {iban: AT-Iban-Canary-3201, owner: Ada, items: [{deep: Deep-Canary-5518}]}}]
  bank.pay: [{status: 201}]
talk:
  - user: pay my bill
  - agent: {fill: {pin: 48.Pin-Canary.62}}
  - agent: {read: {action: bank.account, inputs: {pin: 48.Pin-Canary.62}}}
  - agent: {finding: fine}
  - expect: {variables: {account: {iban: x}}}
  - expect: {variables: {pin: x}, calls: [{bank.account: {pin: x}}], says: x, options: [x], audit: x}
  - agent: {choose: one}
  - expect: {says: x}
  - user: 'yes'
  - expect: {calls: [{bank.pay: {pin: x}}]}
";

/// What the program prints of a conversation in the terminal and of a test that fails, without what the user typed.
fn printed(declared: bool) -> String {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, text) in files(declared, "http://127.0.0.1:9") {
        std::fs::create_dir_all(at(&name).parent().unwrap()).unwrap();
        std::fs::write(at(&name), text).unwrap();
    }
    std::fs::create_dir_all(at("tests")).unwrap();
    std::fs::write(at("tests/pays.yaml"), SCRIPT).unwrap();
    std::fs::write(at("stubs.yaml"), format!("bank.account: [{{body: {{iban: {IBAN}, owner: Ada, items: [{{deep: {DEEP}}}]}}}}]")).unwrap();
    let run = |args: &[&str], typed: &str| {
        let mut child = Process::new(env!("CARGO_BIN_EXE_waypost"))
            .args(args)
            .current_dir(directory.path())
            .envs([("TOKEN", TOKEN), ("MASTER", MASTER), ("WAYPOST_LOG", "trace")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let typed = format!("pay my bill\n{PIN}\n/read bank.account pin={PIN}\n/finding fine\n/why\n/choose one\n/confirm\n/why\nyes\n/why\n");
    let talk = run(&["chat", "--trace", "--dry-run", "--stubs", "stubs.yaml"], &typed);
    let talk: Vec<&str> = talk.lines().filter(|l| !l.starts_with("you>")).collect();
    // What is said to the user's own face: the question that shows the PIN.
    let talk: Vec<&str> =
        talk.into_iter().filter(|l| !l.trim_start().starts_with("agent>") && !l.trim_start().starts_with("PIN:")).collect();
    assert!(talk.iter().any(|l| l.contains("bank.pay")), "{talk:#?}");
    let tests = ["pretty", "json", "junit"].map(|format| run(&["test", "--format", format], ""));
    // The file's own lines are its author's.
    let tests = tests.concat().lines().filter(|l| !l.contains("- agent:") && !l.contains("bank.account: [")).collect::<Vec<_>>().join("\n");
    assert!(tests.contains("has another value"), "{tests}");
    format!("{}\n{tests}", talk.join("\n"))
}

#[test]
fn the_program_prints_nothing_sensitive() {
    let open = printed(false);
    for text in [PIN, IBAN, DEEP] {
        assert!(found(open.as_bytes(), text).is_some(), "`{text}` would not be found: {open}");
    }
    let closed = printed(true);
    for text in [PIN, IBAN, DEEP] {
        assert_eq!(found(closed.as_bytes(), text), None, "`{text}` in {closed}");
    }
    for text in NEVER {
        assert_eq!((found(open.as_bytes(), text), found(closed.as_bytes(), text)), (None, None), "{text}");
    }
}

/// A conversation's key, as one reads it.
#[test]
fn a_seal_is_bound_to_its_place() {
    let seals = Seals::new(MASTER.as_bytes(), &[], [0; 16]);
    assert_eq!(found(format!("{seals:?} {:?}", ConversationKey::new("t", "c")).as_bytes(), MASTER), None);
}
