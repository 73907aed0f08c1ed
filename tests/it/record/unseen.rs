//! No false `same` where the recording does not hold what it stood on: hidden values, words, rates, the time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use waypost::check::{Loaded, load};
use waypost::engine::effect::EffectId;
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallResult, Claim, Effect, Event, EventBody, Input, InputBody, Keys, Machine, Principal, Refused, State};
use waypost::source::SourceMap;
use waypost::transcript::record::{Class, Machines, Recording, convert, parse, try_on};
use waypost::transcript::{self, Options, Runner};

use super::bytes;

type Files = Vec<(String, Arc<str>)>;

/// A workspace in which a number that nobody may see decides, is computed with, handed over and sent.
const FILES: [(&str, &str); 6] = [
    (
        "waypost.yaml",
        "
agent: {slug: s, name: S}
queues: {default: support, names: [support]}
locale: {default: en}
words: {yes: {en: [aye]}}
limits: {idle: 24h}
lints: {WP0501: allow, WP0502: allow, WP0503: allow, WP0504: allow, WP0506: allow, WP0601: allow, WP0602: allow, WP0603: allow}
",
    ),
    (
        "datapoints/d.yaml",
        "
- name: Pin
  type: string
  sensitive: true
  validation: {pattern: \"[0-9]{4}\"}
- name: Alt pin
  type: string
  sensitive: true
  validation: {pattern: \"[0-9]{5}\"}
",
    ),
    (
        "integrations/svc.yaml",
        "
name: Svc
type: rest_api
config: {base_url: \"https://svc.example\", auth_type: none}
actions:
  - name: Put it
    type: write
    invocation: {method: POST, endpoint: \"/put\", headers: {x-pin: \"a{{ inputs.pin }}\"}}
    input_schema: {pin: {type: string}}
    outcomes: [{name: ok, condition: response.status == 200}]
    settings: {idempotency: key}
    safety: {rate_limit: {max: 5, per: 1h, scope: user}}
",
    ),
    (
        "journeys/main.yaml",
        "
name: Main
description: says things
trigger: {goal: Check a pin, examples: [check my pin]}
fallback: {to: support, message: bye}
journey:
  - collect: [pin]
    name: ask
  - set: {flag: $variables.pin == '1234'}
  - if: $variables.flag
    then:
      - say: flag is true
  - say: \"It is {{ variables.pin }}.\"
  - confirm: {fields: [], message: \"Is {{ variables.pin }} right?\"}
    name: sure
  - run: kid
    name: kid
    with: {alt-pin: \"{{ variables.pin }}5\"}
    outcomes:
      yes_it_is: [{say: kid says yes}]
      no_it_is_not: [{say: kid says no}]
  - action: svc.put-it
    name: put
    inputs: {pin: $variables.pin}
    outcomes: {ok: continue}
  - action: svc.put-it
    name: put2
    inputs: {pin: \"{{ variables.pin }}9\"}
    outcomes: {ok: continue}
  - choice:
      prompt: Anything else?
      options: {One: [{say: one it is}], Two: [{say: two it is}]}
    name: more
  - done: all done
",
    ),
    (
        "journeys/kid.yaml",
        "
name: Kid
description: d
callable: true
fallback: {to: support, message: bye}
inputs:
  alt-pin: {required: true, from: caller}
journey:
  - if: $variables.alt_pin == '12345'
    then:
      - done: {outcome: yes_it_is, result: {found: \"{{ variables.alt_pin }}1\"}}
  - done: {outcome: no_it_is_not}
",
    ),
    (
        "journeys/other.yaml",
        "
name: Other
description: talks about parrots
trigger: {goal: Talk about parrots, examples: [parrots please]}
fallback: {to: support, message: bye}
journey:
  - say: parrots are nice
  - done: over
",
    ),
];

const TALKS: [(&str, &str); 2] = [
    (
        "by words",
        "
name: by words
stubs: {svc.put-it: [{body: {}}]}
talk:
  - user: check my pin
  - wait: 2h
  - user: '1234'
  - user: 'yes'
  - user: One
",
    ),
    (
        "by a command",
        "
name: by a command
stubs: {svc.put-it: [{body: {}}]}
talk:
  - agent: {start: {journey: main, variables: {pin: '1234'}}}
  - user: 'yes'
  - wait: 2h
  - user: Two
",
    ),
];

fn files() -> Files {
    FILES.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect()
}

fn changed(file: &str, from: &str, to: &str) -> Files {
    let mut files = files();
    let (_, text) = files.iter_mut().find(|(name, _)| name == file).unwrap();
    assert!(text.contains(from), "{file} has no `{from}`");
    *text = text.replacen(from, to, 1).into();
    files
}

fn loaded(files: Files) -> Loaded {
    let checked = load(files);
    let shown: Vec<String> = checked.diagnostics.0.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
    checked.loaded().unwrap_or_else(|| panic!("the workspace has errors: {shown:#?}"))
}

async fn record(talk: &str) -> Recording {
    record_on(&loaded(files()), talk).await
}

async fn record_on(loaded: &Loaded, talk: &str) -> Recording {
    let runner = Runner::new(loaded.clone(), Options::default());
    let text: Arc<str> = talk.into();
    let file = SourceMap::default().add("t", text.clone());
    let document = transcript::read(file, &text, Some(loaded)).remove(0);
    let script = document.script.unwrap_or_else(|| panic!("{:?}", document.diagnostics));
    let (failures, events) = runner.record(&script).await.unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    parse(&bytes(&events)).unwrap()
}

fn tried(files: Files, recording: &Recording) -> (Class, String) {
    let machine = Machine::new(loaded(files), Keys::derive(b"recording"));
    let tried = try_on(&machine, recording).unwrap();
    (tried.class, format!("{:?}", tried.differences))
}

#[tokio::test]
async fn what_the_recording_does_not_hold_is_never_called_the_same() {
    const MAIN: &str = "journeys/main.yaml";
    const SVC: &str = "integrations/svc.yaml";
    const D: &str = "datapoints/d.yaml";
    let both = ["by words", "by a command"];
    let words = ["by words"];
    // What changed, the file, the words before and after, and which talks it makes another.
    let cases: &[(&str, &str, &str, &str, &[&str])] = &[
        ("a hidden condition is kept", MAIN, "pin == '1234'", "pin == '9999'", &both),
        ("what is handed over", MAIN, "pin }}5", "pin }}6", &both),
        ("what is handed over and refused there", MAIN, "pin }}5", "pin }}55", &both),
        ("what the one it is handed to takes", D, "[0-9]{5}", "[1-9]{5}", &both),
        ("what a field takes", D, "[0-9]{4}", "[1-9]{4}", &both),
        ("an input of an action", MAIN, "pin }}9", "pin }}7", &both),
        ("a hidden value that is said in other words", MAIN, "It is {{ variables.pin }}", "It is {{ variables.pin | upper }}", &both),
        ("a hidden value that is asked about in other words", MAIN, "Is {{ variables.pin }}", "Is {{ variables.pin | upper }}", &both),
        ("a result", "journeys/kid.yaml", "alt_pin }}1", "alt_pin }}2", &both),
        ("a header that is sent", SVC, "a{{ inputs.pin }}", "b{{ inputs.pin }}", &both),
        ("where it is sent", SVC, "endpoint: \"/put\"", "endpoint: \"/set\"", &both),
        ("what the schema takes", SVC, "{pin: {type: string}}", "{pin: {type: string, required: true}}", &both),
        ("examples of another journey", "journeys/other.yaml", "parrots please", "'1234'", &words),
        ("the goal of another journey", "journeys/other.yaml", "goal: Talk about parrots", "goal: '1234'", &words),
        ("words", "waypost.yaml", "words: {yes: {en: [aye]}}", "words: {cancel: {en: ['1234']}}", &words),
        ("the language", "waypost.yaml", "default: en", "default: de", &words),
        ("the time zone", "waypost.yaml", "default: en", "default: en, timezone: Europe/Vienna", &words),
        ("the region of phone numbers", "waypost.yaml", "default: en", "default: en, phone_region: AT", &words),
        ("a rate", SVC, "max: 5", "max: 1", &both),
        ("the time that is waited", "waypost.yaml", "idle: 24h", "idle: 1m", &both),
        ("an option that nobody picked is renamed", MAIN, "{One: [", "{One!: [", &["by a command"]),
        ("an option that nobody picked is another", MAIN, "{One: [", "{Three: [", &["by a command"]),
        ("an option is added", MAIN, "Two: [", "Three: [{say: three}], Two: [", &both),
    ];
    let mut wrong = Vec::new();
    for (name, talk) in TALKS {
        let recording = record(talk).await;
        let (class, why) = tried(files(), &recording);
        assert_eq!(class, Class::Same, "{name}, on its own version: {why}");
        for (what, file, from, to, _) in cases.iter().filter(|c| c.4.contains(&name)) {
            let (class, why) = tried(changed(file, from, to), &recording);
            match class {
                Class::Same => wrong.push(format!("{name}: {what}")),
                _ => eprintln!("{name}: {what}: {} {why}", class.as_str()),
            }
        }
    }
    assert!(wrong.is_empty(), "called the same:\n{}", wrong.join("\n"));
}

/// What was said to a hidden value that did not fit is known again: not what it was.
#[tokio::test]
async fn a_hidden_value_that_did_not_fit_is_answered_the_same() {
    const D: &str = "datapoints/d.yaml";
    let talk = "name: it\nstubs: {}\ntalk: [{user: check my pin}, {user: '12'}, {user: '1234'}]\n";
    let recording = record(talk).await;
    let written = String::from_utf8(bytes(&recording.events().cloned().collect::<Vec<_>>())).unwrap();
    assert!(written.contains("That does not look like a Pin.") && !written.contains(r#""12""#), "{written}");
    let own = loaded(files());
    let replayed = Machines::new(std::slice::from_ref(&own)).replay(&recording).unwrap();
    assert_eq!(replayed.difference, None);
    assert_eq!(tried(files(), &recording), (Class::Same, "[]".into()));
    let described = changed(D, "- name: Pin\n", "- name: Pin\n  description: four digits\n");
    let (class, why) = tried(described, &recording);
    assert_eq!(class, Class::TextDiffers, "{why}");
    assert_ne!(tried(changed(D, "[0-9]{4}", "[0-9]{2,4}"), &recording).0, Class::Same);
}

/// A hidden value that is said once more is as hidden as it was, and is known again.
#[tokio::test]
async fn a_hidden_value_that_is_said_again_is_hidden_again() {
    let talk = "name: it\nstubs: {}\ntalk: [{user: check my pin}, {user: '1234'}, {user: 'no, my pin is 1234'}]\n";
    let recording = record(talk).await;
    let written = String::from_utf8(bytes(&recording.events().cloned().collect::<Vec<_>>())).unwrap();
    assert!(!written.contains("1234\""), "{written}");
    let own = loaded(files());
    let replayed = Machines::new(std::slice::from_ref(&own)).replay(&recording).unwrap();
    assert_eq!(replayed.difference, None);
    assert_eq!(tried(files(), &recording), (Class::Same, "[]".into()));
}

/// In the place of a hidden value that a field did not take stands one that it does not take either.
#[tokio::test]
async fn a_test_gives_what_does_not_fit_where_that_was_given() {
    let talks = [
        "{user: check my pin}, {agent: {fill: {pin: '12'}}}, {user: {fill: {pin: '1234'}}}",
        "{agent: {start: {journey: main, variables: {pin: '12'}}}}, {user: {fill: {pin: '1234'}}}",
        "{user: check my pin}, {agent: {fill: {pin: '1234'}}}, {user: {correct: {pin: '123'}}}",
        "{user: check my pin}, {agent: {fill: {pin: '1234'}}}, {user: {correct: {pin: '1234'}}}",
    ];
    let own = loaded(files());
    for talk in talks {
        let recording = record(&format!("name: it\nstubs: {{}}\ntalk: [{talk}]\n")).await;
        let replayed = Machines::new(std::slice::from_ref(&own)).replay(&recording).unwrap();
        assert_eq!(replayed.difference, None, "{talk}");
        assert_eq!(tried(files(), &recording), (Class::Same, "[]".into()), "{talk}");
        let events: Vec<Event> = recording.events().cloned().collect();
        let converted = convert("it", &events, Some(own.workspace()), true);
        let failures = super::tests(&own, &converted.text).await.unwrap();
        assert!(failures.is_empty() && converted.notes.is_empty(), "{talk}: {failures:#?}\n{}", converted.text);
    }
}

/// What came from elsewhere a test cannot say: it is noted.
#[tokio::test]
async fn a_test_notes_what_others_took_and_keys_that_were_gone() {
    let own = loaded(files());
    let notes = |events: &[Event]| convert("it", events, Some(own.workspace()), true).notes;
    let events: Vec<Event> = record(TALKS[1].1).await.events().cloned().collect();
    assert_eq!(notes(&events), [""; 0]);
    for (claim, noted) in
        [(Claim::Rate { bucket: "b".into(), max: 5, per_s: 60 }, "other conversations"), (Claim::Message { id: "m".into() }, "")]
    {
        let mut events = events.clone();
        let turn = events.iter_mut().filter_map(|e| if let EventBody::Turn(turn) = &mut e.body { Some(turn) } else { None }).nth(1);
        turn.unwrap().brought.refused.push(Refused { claim, reason: "rate_limited".into(), retry_at: None, recorded: None });
        assert_eq!(notes(&events).len(), usize::from(!noted.is_empty()));
        assert!(notes(&events).iter().all(|note| note.contains(noted)));
    }
    let mut gone = events.clone();
    for event in &mut gone {
        if let EventBody::Turn(turn) = &mut event.body
            && &*turn.what == "message"
        {
            turn.what = "unsealed".into();
            break;
        }
    }
    assert!(notes(&gone).iter().any(|note| note.contains("keys of its sensitive values were gone")), "{:?}", notes(&gone));
}

/// Who was verified by what is hidden, is who was.
#[tokio::test]
async fn who_was_verified_by_what_is_hidden_is_taken_over() {
    let files = |subject: &str| -> Files {
        let mut files = files();
        files.retain(|(name, _)| !name.starts_with("journeys/"));
        let main = format!(
            "name: Main\ntrigger: {{goal: Check a pin, examples: [check my pin]}}\nfallback: {{message: bye}}\njourney:\n  - collect: [pin]\n  - verify: {{call: svc.put-it, verified: [ok], subject: \"{subject}\"}}\n  - say: Hello.\n  - collect: [alt-pin]\n  - done: \"Bye, {{{{ conversation.identity.subject }}}}.\"\n"
        );
        files.push(("journeys/main.yaml".into(), main.into()));
        files
    };
    let talk = "name: it\nstubs: {svc.put-it: [{body: {}}]}\ntalk: [{user: check my pin}, {user: '1234'}]\n";
    let subject = "'u-' + string(size(inputs.pin))";
    let own = loaded(files(subject));
    let recording = record_on(&own, talk).await;
    assert!(recording.events().any(|e| matches!(&e.body, EventBody::Verified { identity } if &*identity.subject == "u-4")));
    let replayed = Machines::new(std::slice::from_ref(&own)).replay(&recording).unwrap();
    assert_eq!(replayed.difference, None);
    assert_eq!(tried(files(subject), &recording), (Class::Same, "[]".into()));
    for other in ["'v-' + string(size(inputs.pin))", "'u-4'"] {
        assert_ne!(tried(files(other), &recording).0, Class::Same, "{other}");
    }
}

/// What is hidden is not in a test either; the words around it are.
#[tokio::test]
async fn a_test_holds_the_words_around_what_is_hidden() {
    let (_, talk) = TALKS[0];
    let events: Vec<Event> = record(talk).await.events().cloned().collect();
    let own = loaded(files());
    let converted = convert("a pin", &events, Some(own.workspace()), true);
    assert!(converted.notes.is_empty() && !converted.text.contains("1234'"), "{converted:?}");
    let ways = [("It is {{", "That is {{"), ("Is {{ variables.pin }} right?", "Is {{ variables.pin }} good?")];
    for (from, to) in ways {
        let failures = super::tests(&loaded(changed("journeys/main.yaml", from, to)), &converted.text).await.unwrap();
        assert!(failures.iter().any(|f| f.expected.as_ref().is_some_and(|e| e.contains(".*"))), "{to}: {failures:#?}\n{}", converted.text);
    }
}

/// A message that came while an action was under way is said when that is done.
#[tokio::test]
async fn a_test_says_later_what_had_to_wait() {
    let files = [
        (
            "integrations/svc.yaml",
            "name: Svc\ntype: rest_api\nconfig: {base_url: 'https://svc.example', auth_type: none}\nactions:\n  - {name: Look, type: read, invocation: {method: GET, endpoint: /look}}\n",
        ),
        ("datapoints/d.yaml", "- {name: Note, type: string}\n"),
        (
            "journeys/look.yaml",
            "name: Look\ntrigger: {goal: Look for it, examples: [look for it]}\nfallback: {message: Bye.}\njourney:\n  - action: svc.look\n  - collect: [note]\n  - done: 'Noted: {{ variables.note }}.'\n",
        ),
    ];
    let own = loaded(files.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect());
    let machine = Machine::new(own.clone(), Keys::derive(b"recording"));
    let (mut state, mut events, mut effects) = (State::default(), Vec::new(), Vec::new());
    let open = Open { conversation: "c".into(), tenant: "t".into(), agent: "a".into(), user_id: "u".into(), user: Arc::default() };
    let say = |text: &str| InputBody::Message(text.into());
    for (n, body) in [InputBody::Open(open), say("look for it"), say("it is blue"), say("")].into_iter().enumerate() {
        let body = match effects.pop() {
            Some(Effect::Call(call)) if n == 3 => InputBody::Result(call.id, CallResult::answered(200, serde_json::json!({}))),
            left => {
                effects.extend(left);
                body
            }
        };
        let input = Input {
            at: "2026-01-05T09:00:00Z".parse().unwrap(),
            actor: if n == 3 { Actor::System } else { Actor::User },
            principal: Principal::default(),
            message_id: None,
            entropy: [u8::try_from(n).unwrap(); 32],
            refused: Vec::new(),
            unaware: false,
            answered: false,
            body,
        };
        let progress = machine.handle(&state, input);
        (state, effects) = (progress.state, effects.into_iter().chain(progress.effects).collect());
        events.extend(progress.events);
    }
    assert!(events.iter().any(|e| e.body == EventBody::Dequeued), "{events:#?}");
    super::makes_a_test(&own, &events).await.unwrap();
    let text = convert("later", &events, Some(own.workspace()), true).text;
    assert!(text.contains("it is blue") && !text.starts_with('#'), "{text}");
}

/// What comes from nobody.
fn by_itself(at: Timestamp, body: InputBody) -> Input {
    let (principal, refused) = (Principal::default(), Vec::new());
    Input { at, actor: Actor::System, principal, message_id: None, entropy: [0; 32], refused, unaware: false, answered: false, body }
}

/// What was given up after it had come plays again as what it was: nothing.
#[tokio::test]
async fn an_effect_that_is_over_is_taken_over_to_nothing() {
    let recording = record(TALKS[1].1).await;
    let mut events: Vec<Event> = recording.events().cloned().collect();
    let mut state = State::default();
    for event in &events {
        state.apply(event);
    }
    let own = loaded(files());
    let machine = Machine::new(own.clone(), Keys::derive(b"recording"));
    let input = by_itself(events.last().unwrap().at, InputBody::TakeOver(EffectId("e-gone".into())));
    events.extend(machine.handle(&state, input).events);
    super::plays(&own, &events).unwrap();
}

#[tokio::test]
async fn the_time_at_which_nobody_had_come_back_is_told_apart() {
    let (_, talk) = TALKS[1];
    let recording = record(talk).await;
    let events: Vec<Event> = recording.inputs.iter().take(2).flat_map(|i| i.iter()).cloned().collect();
    let mut state = State::default();
    for event in &events {
        state.apply(event);
    }
    let machine = Machine::new(loaded(files()), Keys::derive(b"recording"));
    let day = SignedDuration::from_hours(24);
    let wake = by_itself(events.last().unwrap().at + day, InputBody::Wake);
    let given_up = machine.handle(&state, wake).events;
    assert!(given_up.iter().any(|e| e.body == EventBody::Abandoned), "{given_up:#?}");
    let recording = parse(&bytes(&[events, given_up].concat())).unwrap();
    for (idle, class) in [("24h", Class::Same), ("12h", Class::PathDiffers), ("25h", Class::PathDiffers)] {
        let (found, why) = tried(changed("waypost.yaml", "idle: 24h", &format!("idle: {idle}")), &recording);
        assert_eq!(found, class, "{idle}: {why}");
    }
}
