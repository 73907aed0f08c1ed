//! No false `same` where something is sent in another way: elsewhere, as somebody else, under another key.

use std::fmt::Write as _;
use std::sync::Arc;

use waypost::check::{Loaded, load};
use waypost::engine::{Event, EventBody, Keys, Machine};
use waypost::source::SourceMap;
use waypost::transcript::record::{Class, Machines, Recording, parse, try_on};
use waypost::transcript::{self, Options, Runner};

use super::bytes;

const SVC: &str = "
name: Svc
type: rest_api
config: {base_url: 'https://svc.example/v1', auth_type: bearer, credentials: {api_key: '${SVC_KEY}'}, default_headers: {x-shop: one, x-token: '${T}'}}
actions:
  - name: Put it
    type: write
    invocation: {method: POST, endpoint: /put, headers: {x-a: a}, query: {q: '1'}, body: {b: $inputs.order}}
    input_schema: {order: {type: string}}
    outcomes: [{name: ok, condition: response.status == 200}]
    settings: {timeout_ms: 5000, retries: 1}
    safety: {idempotency_key: '{{ inputs.order }}-1'}
  - name: Hide it
    type: write
    invocation: {method: POST, endpoint: /hide, body: {}}
    outcomes: [{name: ok, condition: response.status == 200}]
    safety: {idempotency_key: '{{ variables.pin }}-2'}
  - name: Look
    type: read
    invocation: {method: GET, endpoint: /look}
    outcomes: [{name: ok, condition: response.status == 200}]
";

const TOOLS: &str = "
name: Tools
type: mcp
config: {command: [shelf, --token, '${SHELF}', --quiet], env: {MODE: fast, API_TOKEN: '${SHELF}'}}
actions:
  - name: Count
    type: read
    invocation: {tool: count}
    outcomes: [{name: ok, condition: response.status == 200}]
";

const MAIN: &str = "
name: Main
trigger: {goal: Put something, examples: [put it]}
fallback: {message: Bye.}
journey:
  - collect: [order, pin]
  - action: svc.look
  - action: tools.count
  - action: svc.put-it
    inputs: {order: $variables.order}
  - action: svc.hide-it
  - done: Done.
";

const FILES: [(&str, &str); 5] = [
    ("waypost.yaml", "lints: {WP0501: allow, WP0502: allow, WP0503: allow, WP0504: allow, WP0505: allow, WP0601: allow, WP0602: allow}\n"),
    (
        "datapoints/d.yaml",
        "- {name: Order, type: string}\n- {name: Pin, type: string, sensitive: true, validation: {pattern: '[0-9]{4}'}}\n",
    ),
    ("integrations/svc.yaml", SVC),
    ("integrations/tools.yaml", TOOLS),
    ("journeys/main.yaml", MAIN),
];

const TALK: &str = "
name: it
stubs: {svc.look: [{body: {}}], tools.count: [{body: {}}], svc.put-it: [{body: {}}], svc.hide-it: [{body: {}}]}
talk:
  - user: put it
  - user: {fill: {order: A1, pin: '1234'}}
  - expect: {status: completed}
";

/// Words of the files, and what stands in their place.
type Changes<'a> = &'a [(&'a str, &'a str)];

fn changed(changes: Changes<'_>) -> Loaded {
    let mut files: Vec<(String, Arc<str>)> = FILES.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
    for (from, to) in changes {
        let (_, text) = files.iter_mut().find(|(_, text)| text.contains(from)).unwrap_or_else(|| panic!("nothing has `{from}`"));
        *text = text.replacen(from, to, 1).into();
    }
    let checked = load(files);
    let shown: Vec<String> = checked.diagnostics.0.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
    checked.loaded().unwrap_or_else(|| panic!("{changes:?} has errors: {shown:#?}"))
}

async fn record(loaded: &Loaded) -> Vec<Event> {
    let file = SourceMap::default().add("t", Arc::<str>::from(TALK));
    let document = transcript::read(file, TALK, Some(loaded)).remove(0);
    let script = document.script.unwrap_or_else(|| panic!("{:?}", document.diagnostics));
    let (failures, events) = Runner::new(loaded.clone(), Options::default()).record(&script).await.unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
    events
}

fn tried(loaded: Loaded, recording: &Recording) -> (Class, String) {
    let tried = try_on(&Machine::new(loaded, Keys::derive(b"recording")), recording).unwrap();
    (tried.class, format!("{:?}", tried.differences))
}

#[tokio::test]
async fn what_is_sent_in_another_way_is_not_the_same() {
    use Class::{GateRefused, NewCall, PathDiffers, Same};
    let own = changed(&[]);
    let recording = parse(&bytes(&record(&own).await)).unwrap();
    assert_eq!(tried(own.clone(), &recording), (Same, "[]".into()));
    let cases: &[(&str, Changes<'_>, Class)] = &[
        ("what a key is made of", &[("inputs.order }}-1", "inputs.order }}-3")], PathDiffers),
        ("the same key in other words", &[("inputs.order }}-1", "inputs.order | trim }}-1")], Same),
        ("what a hidden key is made of", &[("variables.pin }}-2", "variables.pin }}-3")], PathDiffers),
        ("a key of nobody's", &[("safety: {idempotency_key: '{{ inputs.order }}-1'}", "")], PathDiffers),
        ("the host", &[("svc.example", "elsewhere.example")], NewCall),
        ("the path before all", &[("/v1", "/v2")], NewCall),
        ("whose secret", &[("SVC_KEY", "OTHER_KEY")], NewCall),
        ("how the sender is proved", &[("auth_type: bearer", "auth_type: api_key")], NewCall),
        ("in which header", &[("auth_type: bearer, credentials: {", "auth_type: api_key, credentials: {api_key_header: x-k, ")], NewCall),
        ("nobody proves it", &[("auth_type: bearer, credentials: {api_key: '${SVC_KEY}'}", "auth_type: none")], NewCall),
        ("a header of all", &[("x-shop: one", "x-shop: two")], NewCall),
        ("a secret header of all", &[("x-token: '${T}'", "x-token: '${U}'")], NewCall),
        ("the method", &[("method: POST, endpoint: /put", "method: PATCH, endpoint: /put")], NewCall),
        ("the endpoint", &[("endpoint: /put", "endpoint: /set")], NewCall),
        ("a header", &[("x-a: a", "x-a: b")], NewCall),
        ("the query", &[("q: '1'", "q: '2'")], NewCall),
        ("the body", &[("b: $inputs.order", "c: $inputs.order")], NewCall),
        ("the tool", &[("tool: count", "tool: measure")], NewCall),
        ("the program", &[("[shelf,", "[rack,")], NewCall),
        ("its arguments", &[("--quiet", "--loud")], NewCall),
        ("its secret", &[("--token, '${SHELF}'", "--token, '${RACK}'")], NewCall),
        ("its environment", &[("MODE: fast", "MODE: slow")], NewCall),
        ("how long it is waited for", &[("timeout_ms: 5000", "timeout_ms: 6000")], PathDiffers),
        // Nothing had to be tried again.
        ("how often it is tried", &[("retries: 1", "retries: 2")], Same),
        (
            "who may",
            &[("{idempotency_key: '{{ inputs.order }}-1'", "{requires_confirmation: true, idempotency_key: '{{ inputs.order }}-1'")],
            GateRefused,
        ),
    ];
    let mut wrong = String::new();
    for (what, changes, class) in cases {
        let (found, why) = tried(changed(changes), &recording);
        if found != *class {
            let _ = write!(wrong, "\n{what}: {} instead of {}: {why}", found.as_str(), class.as_str());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What a secret is stands nowhere, not even as a digest.
#[tokio::test]
async fn a_secret_is_known_by_its_name_alone() {
    let written = |secret: &str| {
        let token = format!("API_TOKEN: {secret}");
        changed(&[("'${SVC_KEY}'", secret), ("--token, '${SHELF}'", &format!("--token, {secret}")), ("API_TOKEN: '${SHELF}'", &token)])
    };
    let recording = parse(&bytes(&record(&written("abc")).await)).unwrap();
    assert_eq!(tried(written("def"), &recording), (Class::Same, "[]".into()));
    for (from, to) in [("https://", "https://me:abc@"), ("/v1'", "/v1?key=abc'")] {
        let recording = parse(&bytes(&record(&changed(&[(from, to)])).await)).unwrap();
        assert_eq!(tried(changed(&[(from, &to.replace("abc", "def"))]), &recording).0, Class::Same, "{to}");
    }
}

/// What was recorded before any of it was kept plays, and is tried, as it was.
#[tokio::test]
async fn what_was_recorded_without_it_is_played_without_it() {
    let own = changed(&[]);
    let mut events = record(&own).await;
    let mut kept = 0;
    for event in &mut events {
        if let EventBody::Decided(decided) = &mut event.body {
            kept += usize::from(decided.way.take().is_some()) + usize::from(decided.key_of.take().is_some());
        }
    }
    assert_eq!(kept, 6);
    let recording = parse(&bytes(&events)).unwrap();
    let replayed = Machines::new(std::slice::from_ref(&own)).replay(&recording).unwrap();
    assert_eq!(replayed.difference, None);
    assert_eq!(tried(own, &recording).0, Class::Same);
    assert_eq!(tried(changed(&[("svc.example", "elsewhere.example")]), &recording).0, Class::Same);
}
