//! Conversations that asked a provider of actions: they play again, are tried on other versions, and become tests.

use std::fmt::Write as _;
use std::sync::Arc;

use waypost::check::{Loaded, load};
use waypost::engine::{Event, EventBody, Keys, Machine};
use waypost::source::SourceMap;
use waypost::transcript::record::{Class, Recording, convert, parse, try_on};
use waypost::transcript::{self, Options, Runner};

use super::bytes;

type Files = Vec<(String, Arc<str>)>;

const MAIN: &str = "journeys/payment.yaml";
const PAY: &str = "integrations/pay.yaml";

const FILES: [(&str, &str); 4] = [
    (
        "waypost.yaml",
        "
queues: {default: care, names: [care]}
case: {statuses: {Open: [Closed], Closed: []}}
",
    ),
    (
        PAY,
        "
name: Pay
type: provider
config: {base_url: http://service.example, auth_type: none, effects: [add_comment, change_status], reads: [look], roles: []}
",
    ),
    (
        "integrations/other.yaml",
        "
name: Other
type: provider
config: {base_url: http://service.example, auth_type: none}
",
    ),
    (
        MAIN,
        "
name: Payment
trigger: {goal: A payment failed, examples: [my payment failed]}
fallback: {to: care, message: A person looks into it.}
journey:
  - choice:
      prompt: What shall we do?
      from: provider.pay
      as: picked
      outcomes:
        executed: [{done: {message: Done., outcome: well}}]
        failed: [{done: {message: It did not work., outcome: badly}}]
        declined: [{done: {message: As you like., outcome: left}}]
        none: [{done: {message: There is nothing to do., outcome: nothing}}]
",
    ),
];

const STUBS: &str = "
name: it
context: {identity: {user_id: u-1}, case: {id: c-1, status: Open, fields: {amount: 5}}}
stubs:
  pay.discover:
    body:
      - {id: refund, label: Refund, requires_confirmation: true, input_schema: {amount: {type: number, maximum: 100}}}
      - nothing
      - {id: look, label: Look at it, requires_confirmation: false, secret: of no use}
      - {label: without an id}
      - {id: void, label: Void, disabled_reason: it was booked}
  pay.refund:
    - when: inputs.amount == 7
      fault: timeout
    - {status: 200, body: {success: true, message: Refunded., effects: [{type: add_comment, content: x, is_public: true}, {type: change_status, status: Closed}, nothing, {type: explode}]}}
  other.discover: {body: []}
  pay.look: {body: {success: false, message: Nothing to see.}}
talk:
  - user: my payment failed
";

/// What was said after that.
const TALKS: [(&str, &str); 11] = [
    ("a yes", "refund|5|yes"),
    ("a no", "refund|5|no"),
    ("by commands", "{choose: refund}|{fill: {amount: 500}}|{fill: {amount: 5}}|{confirm: }"),
    ("a read", "look at it"),
    ("a doubt", "refund|7|yes"),
    ("another case in the middle", "host: {context: {identity: {user_id: u-1}, case: {id: c-2, status: Open}}}|refund|5|yes"),
    ("another plan in the middle", "refund|host: {context: {identity: {user_id: u-1}, entitlements: {plan: gold}}}|5|yes"),
    ("a case in the middle that is not taken", "host: {context: {identity: {user_id: u-1}, case: 5}}|refund|5|no"),
    ("a host's own verification", "host: {identified: {subject: u-1, level: 2}}|refund|5|yes|host: {identified: {subject: u-1}}"),
    ("a host that looks", "host: {discover: }|host: {execute: {action: pay.look}}|refund|5|host: {discover: }|yes"),
    ("an operator", "operator: {discover: }|operator: {execute: {action: pay.refund, inputs: {amount: 6}, confirmed: true}}|refund|5|yes"),
];

/// What stubs do not tell apart.
const UNSEEN: [&str; 3] = ["how long it is waited for", "where it goes", "as whom"];

fn changed(file: &str, from: &str, to: &str) -> Loaded {
    let mut files: Files = FILES.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
    if !from.is_empty() {
        let (_, text) = files.iter_mut().find(|(name, _)| name == file).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        *text = text.replacen(from, to, 1).into();
    }
    let checked = load(files);
    let shown: Vec<String> = checked.diagnostics.0.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
    checked.loaded().unwrap_or_else(|| panic!("the workspace has errors: {shown:#?}"))
}

async fn record(loaded: &Loaded, talk: &str) -> Vec<Event> {
    record_with(loaded, STUBS, talk).await
}

async fn record_with(loaded: &Loaded, head: &str, talk: &str) -> Vec<Event> {
    let mut text = head.to_owned();
    for said in talk.split('|') {
        let who = if said.starts_with("operator:") || said.starts_with("host:") || said.starts_with("expect:") { "" } else { "user: " };
        let said = if said.starts_with('{') || who.is_empty() { said.to_owned() } else { format!("'{said}'") };
        let _ = writeln!(text, "  - {who}{said}");
    }
    let file = SourceMap::default().add("t", Arc::<str>::from(&*text));
    let document = transcript::read(file, &text, Some(loaded)).remove(0);
    let script = document.script.unwrap_or_else(|| panic!("{:?}", document.diagnostics));
    let (failures, events) = Runner::new(loaded.clone(), Options::default()).record(&script).await.unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    events
}

fn read(events: &[Event]) -> Recording {
    parse(&bytes(events)).unwrap()
}

fn tried(loaded: Loaded, recording: &Recording) -> (Class, String) {
    let tried = try_on(&Machine::new(loaded, Keys::derive(b"recording")), recording).unwrap();
    (tried.class, format!("{:#?}", tried.differences))
}

#[tokio::test]
async fn they_play_again_and_become_tests() {
    let loaded = changed("", "", "");
    for (name, talk) in TALKS {
        let events = record(&loaded, talk).await;
        let test = good(&loaded, name, &events).await;
        assert!(!test.contains("of no use"), "{name}: {test}");
    }
}

/// A recording plays again, is the same on its own version, and makes a test that passes: which one.
async fn good(loaded: &Loaded, name: &str, events: &[Event]) -> String {
    if let Err(why) = super::plays(loaded, events) {
        panic!("{name}: {why}");
    }
    let (class, why) = tried(loaded.clone(), &read(events));
    assert_eq!(class, Class::Same, "{name}: {why}");
    let converted = convert(name, events, Some(loaded.workspace()), true);
    assert!(converted.notes.is_empty(), "{name}: {converted:?}");
    let failures = super::tests(loaded, &converted.text).await.unwrap();
    assert!(failures.is_empty(), "{name}: {failures:#?}\n{}", converted.text);
    converted.text
}

#[tokio::test]
async fn a_list_of_which_some_is_left_out_plays_again() {
    let look = r#"{"id": "look", "label": "Look at it", "requires_confirmation": false}"#;
    let many = (0..150).map(|n| format!(r#"{{"id": "a-{n}"}}"#)).collect::<Vec<_>>().join(", ");
    let long = "x".repeat(70_000);
    let lists = [
        format!(r#"{{"actions": [{look}], "more": true}}"#),
        format!(r#"{{"actions": [{look}], "more": "true"}}"#),
        format!(r#"{{"actions": [{look}, 5], "more": true}}"#),
        format!("[{look}, {many}, 5]"),
        format!(r#"{{"actions": [{look}, {many}, 5], "more": true}}"#),
        format!("[{look}, {look}, null, [], {{}}]"),
        format!(r#"[{look}, {{"id": "b", "label": [1]}}, {{"id": "c", "label": "{long}", "description": 4}}]"#),
        format!(r#"[{look}, {{"id": "d", "input_schema": "none"}}, {{"id": "e", "input_schema": {{"a": {{"description": "{long}"}}}}}}]"#),
        format!(r#"[{look}, {{"id": "f", "input_schema": [1]}}, {{"id": "{long}"}}, {{"id": "g", "requires_confirmation": {{}}}}]"#),
        r#"{"actions": [], "more": true}"#.to_owned(),
    ];
    let loaded = changed("", "", "");
    for list in lists {
        let (before, rest) = STUBS.split_once("  pay.discover:").unwrap();
        let (_, after) = rest.split_once("  pay.refund:").unwrap();
        let head = format!("{before}  pay.discover: {{body: {list}}}\n  pay.refund:{after}");
        let talk = if list.contains("look") { "look at it" } else { "hello" };
        let events = record_with(&loaded, &head, talk).await;
        let name = &format!("{list:.200}");
        let left_out = events.iter().any(|e| matches!(&e.body, EventBody::Discovered(d) if !d.left_out.is_empty()));
        assert_eq!(left_out, !list.contains(r#""true""#), "{name}");
        good(&loaded, name, &events).await;
    }
}

#[tokio::test]
async fn a_case_that_was_not_taken_is_not_taken_again() {
    let big = format!("{{id: c, more: {}}}", "x".repeat(300_000));
    let loaded = changed("", "", "");
    for case in ["5", "{}", "{id: c, status: 5}", "{id: c, issue_type: 5}", "{id: c, fields: 5}", "{id: c, comments: 5}", &big] {
        let head = STUBS.replace("{id: c-1, status: Open, fields: {amount: 5}}", case);
        let events = record_with(&loaded, &head, "refund|5|no").await;
        assert!(events.iter().any(|e| matches!(&e.body, EventBody::Noted { text } if text.contains("was not taken"))), "{case:.40}");
        good(&loaded, &format!("{case:.40}"), &events).await;
        // Nor is what was not taken kept.
        assert!(!String::from_utf8(bytes(&events)).unwrap().contains("xxx"), "{case:.40}");
    }
}

#[tokio::test]
async fn a_provider_s_answer_goes_only_to_what_it_answered() {
    use Class::{GateRefused, NewCall, PathDiffers, TextDiffers};
    // What changed, the file, the words before and after, the talk, and what becomes of it.
    let cases: &[(&str, &str, &str, &str, &str, Class)] = &[
        ("what it may do to the case", PAY, "add_comment, change_status", "add_comment", "a yes", PathDiffers),
        ("nobody is asked", PAY, "reads: [look]", "reads: [look, void]", "a yes", Class::Same),
        ("who may", PAY, "roles: []", "roles: [billing]", "a yes", PathDiffers),
        ("who may, of an operator", PAY, "roles: []", "roles: [user]", "an operator", GateRefused),
        ("who is asked", MAIN, "provider.pay", "provider.other", "a yes", NewCall),
        ("what it is told", MAIN, "name: Payment", "name: Payments", "a yes", NewCall),
        ("how long it holds", PAY, "roles: []", "ttl: 0", "a yes", NewCall),
        ("how long it is waited for", PAY, "roles: []", "timeout_ms: 1000", "a read", PathDiffers),
        ("a read that is none", PAY, "reads: [look]", "reads: []", "a read", PathDiffers),
        ("where it goes", PAY, "service.example", "elsewhere.example", "a yes", NewCall),
        ("as whom", PAY, "auth_type: none", "auth_type: hmac, credentials: {secret: '${S}'}", "a yes", NewCall),
        ("what is said", MAIN, "message: Done.", "message: It is done.", "a yes", TextDiffers),
        ("where it leads", MAIN, "outcome: well", "outcome: fine", "a yes", PathDiffers),
        ("a step before", MAIN, "  - choice:", "  - say: Let me see.\n  - choice:", "a doubt", PathDiffers),
    ];
    let loaded = changed("", "", "");
    let mut wrong = Vec::new();
    for (what, file, from, to, talk, class) in cases {
        let events = record(&loaded, TALKS.iter().find(|(name, _)| name == talk).unwrap().1).await;
        let other = changed(file, from, to);
        let (found, why) = tried(other.clone(), &read(&events));
        if found != *class {
            wrong.push(format!("{what}: {} instead of {}: {why}", found.as_str(), class.as_str()));
        }
        // A test that was made of it fails where it was not the same.
        let test = convert(what, &events, Some(loaded.workspace()), true).text;
        let passes = super::tests(&other, &test).await.is_ok_and(|failures| failures.is_empty());
        if passes != (*class == Class::Same) && !UNSEEN.contains(what) {
            wrong.push(format!("{what}: its test {}:\n{test}", if passes { "passes" } else { "fails" }));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A conversation that a decision began: of a journey that only `run` starts otherwise, with values that nobody said.
#[tokio::test]
async fn what_a_decision_starts_becomes_a_test() {
    let count = "name: Count\ncallable: true\nfallback: {message: Bye.}\ninputs: {amount: {required: true}}\njourney:\n  - say: '{{ variables.amount }} of {{ user.decision.of }}'\n  - done: {outcome: counted}\n";
    let files = [("datapoints/d.yaml", "- {name: Amount, type: number}\n"), ("journeys/count.yaml", count)];
    let loaded = load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec()).loaded().unwrap();
    for start in ["{journey: count, variables: {amount: 5}}", "count"] {
        let head = format!("name: it\ncontext: {{decision: {{of: shoes}}}}\nstubs: {{}}\ntalk:\n  - decision: {{start: {start}}}\n");
        let refused = start == "count";
        let events =
            record_with(&loaded, &head, if refused { "expect: {refused: missing_input}" } else { "expect: {says: 5 of shoes}" }).await;
        good(&loaded, start, &events).await;
    }
}
