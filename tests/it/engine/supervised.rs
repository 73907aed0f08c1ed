//! What cannot be said in a talk: what a host forwards, a later claim of the caller's, newer versions of the workspace, and what
//! each actor may see. Each test here was seen to fail with its rule taken out.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::engine::input::Said;
use waypost::engine::{Actor, Answer, Command, EventBody, HoldChange, InputBody, Keys, Machine, Phase, Principal, holds};
use waypost::value::Name;

use super::harness::{Talk, loaded, machine, start, values};

const SHOP: &str = r"
name: Shop
type: rest_api
config: {base_url: 'http://shop.test', auth_type: none}
actions:
  - name: Look
    type: read
    invocation: {method: GET, endpoint: '/orders/{order_id}'}
    input_schema: {order_id: {type: string}}
    safety: {}
  - name: Pay back
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/refunds', body: {to: $user.iban}}
    input_schema: {order_id: {type: string}}
    safety: {requires_confirmation: true}
  - name: Gift
    type: write
    invocation: {method: POST, endpoint: /gifts}
    input_schema: {order_id: {type: string}}
    safety: {requires_approval: {role: cashier, queue: gifts, ttl: 1h}}
";

const FIELDS: &str = "- {name: Order id, slug: order_id, type: string, validation: {pattern: 'A[0-9]+'}}\n";

const REFUND: &str = r#"
name: Refund
trigger: {goal: refund an order, examples: [I want a refund]}
journey:
  - collect: [order_id]
  - confirm: {message: "Refund {{ variables.order_id }} to {{ user.iban }}?"}
  - guide: [Wait.]
  - action: shop.pay-back
  - done: {message: Refunded., outcome: refunded}
"#;

const LOOK: &str = r"
name: Look up
trigger: {goal: look it up, examples: [look it up]}
journey:
  - collect: [order_id]
  - action: shop.look -> order
  - done: {outcome: looked}
";

const GIFT: &str = r"
name: Gift
trigger: {goal: send a gift, examples: [send a gift]}
journey:
  - collect: [order_id]
  - action: shop.gift
  - done: {outcome: given}
";

fn files(shop: &str, journey: &str) -> [(&'static str, String); 3] {
    [("integrations/shop.yaml", shop.to_owned()), ("datapoints/all.yaml", FIELDS.to_owned()), ("journeys/a.yaml", journey.to_owned())]
}

fn talk_of(shop: &str, journey: &str) -> Talk {
    let files = files(shop, journey);
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let user = json!({"identity": {"user_id": "u-1"}, "iban": "DE1"});
    Talk::with(Arc::new(machine(&files)), user)
}

/// The same conversation under a newer workspace: its runs keep the version that they began with.
fn renew(talk: &mut Talk, before: (&str, &str), now: (&str, &str)) {
    let load = |(shop, journey): (&str, &str)| {
        let files = files(shop, journey);
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        loaded(&files)
    };
    talk.machine = Arc::new(Machine::new(load(now), Keys::derive(b"a key for tests")).with_older(&load(before)));
}

fn host(talk: &mut Talk, text: &str, message_id: &str, question: Option<Arc<str>>) -> waypost::engine::Answer {
    let said = Said { text: text.into(), message_id: message_id.into(), question };
    talk.input(Actor::Runtime, "host", None, InputBody::Command(Command::Said(said)))
}

fn asked(talk: &mut Talk) -> Arc<str> {
    host(talk, "I want a refund", "m-1", None);
    let answer = host(talk, "A1", "m-2", None);
    assert_eq!(answer.phase, Phase::Confirm, "{answer:?}");
    answer.question.unwrap().id
}

fn code(answer: &waypost::engine::Answer) -> Option<&str> {
    answer.refused.as_ref().map(|r| &*r.code)
}

#[test]
fn a_host_forwards_a_yes_with_the_question_that_it_answers() {
    let mut talk = talk_of(SHOP, REFUND);
    let question = asked(&mut talk);
    // Neither its own word nor a plain message is a yes.
    let confirm = Command::Confirm { question: Some(question.clone()) };
    assert_eq!(code(&talk.command(Actor::Runtime, confirm)), Some("forbidden"));
    let again = talk.input(Actor::Runtime, "host", None, InputBody::Message("yes".into()));
    assert_eq!(again.phase, Phase::Confirm);
    let newer = again.question.unwrap().id;
    assert_ne!(newer, question);
    assert_eq!(code(&host(&mut talk, "yes", "m-3", Some(question))), Some("stale"));
    // A message that was used before is none, nor is one that was said to another question.
    for old in ["m-1", "m-2", "m-3", ""] {
        assert_eq!(code(&host(&mut talk, "yes", old, Some(newer.clone()))), Some("used"));
    }
    let yes = host(&mut talk, "yes, please", "m-4", Some(newer));
    assert_eq!(yes.phase, Phase::Guide, "{}", talk.trace());
    assert_eq!(code(&host(&mut talk, "next", "m-4", None)), Some("used"));
    talk.stub(200, json!({}));
    assert_eq!(host(&mut talk, "next", "m-5", None).outcome.as_deref(), Some("refunded"));
}

#[test]
fn what_a_host_forwards_is_judged_by_its_words() {
    for (text, phase) in [("yes, and also send flowers", Phase::Confirm), ("make it A2", Phase::Confirm), ("yes", Phase::Guide)] {
        let mut talk = talk_of(SHOP, REFUND);
        let question = asked(&mut talk);
        assert_eq!(host(&mut talk, text, "m-3", Some(question)).phase, phase, "{text}");
    }
    let mut talk = talk_of(SHOP, REFUND);
    let question = asked(&mut talk);
    assert_eq!(host(&mut talk, "no", "m-3", Some(question)).outcome.as_deref(), Some("declined"));
    for actor in [Actor::Agent, Actor::User, Actor::Operator, Actor::System] {
        let said = Said { text: "yes".into(), message_id: "m-9".into(), question: None };
        assert_eq!(code(&talk.command(actor, Command::Said(said))), Some("forbidden"));
    }
}

#[test]
fn a_message_id_that_the_store_knows_is_not_taken_again() {
    use waypost::engine::{Claim, Input, Refused};
    let mut talk = talk_of(SHOP, REFUND);
    let question = asked(&mut talk);
    let said = Said { text: "yes".into(), message_id: "m-old".into(), question: Some(question) };
    let claim = Claim::Message { id: "m-old".into() };
    let input = |refused| Input {
        at: talk.now,
        actor: Actor::Runtime,
        principal: Principal { id: "host".into(), ..Principal::default() },
        message_id: None,
        entropy: [1; 32],
        refused,
        unaware: false,
        answered: false,
        body: InputBody::Command(Command::Said(said.clone())),
    };
    assert!(talk.machine.handle(&talk.state, input(Vec::new())).claims.contains(&claim));
    let refused = Refused { claim, reason: "used".into(), retry_at: None, recorded: None };
    assert_eq!(code(&talk.machine.handle(&talk.state, input(vec![refused])).answer), Some("used"));
}

fn context(talk: &mut Talk, scopes: &[&str], user: Json) -> waypost::engine::Answer {
    let scopes = scopes.iter().map(|s| Arc::from(*s)).collect();
    talk.input_as(Actor::User, Principal { scopes, ..Principal::default() }, InputBody::Command(Command::Context(Arc::new(user))))
}

#[test]
fn a_later_claim_is_an_assignment_to_all_of_user() {
    let other = || json!({"identity": {"user_id": "u-1"}, "iban": "DE2"});
    let mut talk = talk_of(SHOP, REFUND);
    talk.user("I want a refund");
    talk.user("A1");
    assert_eq!(code(&context(&mut talk, &[], other())), Some("forbidden"));
    assert_eq!(code(&talk.agent(Command::Context(Arc::new(other())))), Some("forbidden"));
    // The question shows what is now another: it is put again.
    let old = talk.answer.question.clone();
    let put = context(&mut talk, &["context"], other());
    assert!(put.messages[0].contains("DE2"), "{put:?}");
    assert_ne!(put.question, old);
    // Who said what the context is need not have shown what came of it.
    assert_eq!(talk.user("yes").phase, Phase::Confirm);
    assert_eq!(talk.user("yes").phase, Phase::Guide, "{}", talk.trace());
    context(&mut talk, &["context"], json!({"identity": {"user_id": "u-1"}, "iban": "DE3"}));
    assert_eq!(talk.user("next").outcome.as_deref(), Some("denied"));
    assert!(talk.trace().contains("`$user` was assigned after it was shown"), "{}", talk.trace());
    assert!(talk.calls.is_empty());
}

#[test]
fn each_actor_is_told_only_what_it_may_send() {
    let mut talk = talk_of(SHOP, REFUND);
    talk.user("I want a refund");
    talk.user("A1");
    let question = talk.answer.question.clone().unwrap().id;
    let names = |actor| -> Vec<String> {
        talk.machine.expects(&talk.state, actor, &Principal::default()).commands.iter().map(|(n, _)| n.to_string()).collect()
    };
    let agents = talk.machine.expects(&talk.state, Actor::Agent, &Principal::default());
    assert!(!serde_json::to_string(&agents).unwrap().contains(&*question));
    for (command, actors) in [
        ("confirm", &[Actor::User, Actor::Operator][..]),
        ("said", &[Actor::Runtime]),
        ("take_over", &[Actor::Operator]),
        ("change", &[Actor::User, Actor::Agent, Actor::Runtime, Actor::Operator]),
    ] {
        for actor in [Actor::User, Actor::Agent, Actor::Operator, Actor::Runtime, Actor::Admin, Actor::System] {
            assert_eq!(names(actor).iter().any(|n| n == command), actors.contains(&actor), "{command} {actor:?}");
        }
    }
    assert_eq!(talk.machine.present(&talk.state, Actor::Agent, talk.now).question, None);
}

#[test]
fn a_decision_starts_what_only_a_run_reaches_and_gives_no_yes() {
    let noted = "name: Note\ncallable: true\ninputs: {order_id: {required: true}}\njourney:\n  - action: {call: shop.look}\n  - confirm: {message: Sure?}\n  - done: {outcome: noted}\n";
    let mut talk = talk_of(SHOP, noted);
    let start = |variables: &[(&str, serde_json::Value)]| {
        let variables = variables.iter().map(|(n, v)| (Name::new(n), v.clone())).collect();
        InputBody::Command(Command::Start { journey: Name::new("note"), variables })
    };
    let refused = |answer: Answer| answer.refused.map(|r| r.code.to_string());
    assert_eq!(refused(talk.input(Actor::User, "u", None, start(&[]))).as_deref(), Some("unknown_journey"));
    assert_eq!(refused(talk.input(Actor::System, "d", None, start(&[]))).as_deref(), Some("missing_input"));
    talk.stub(200, json!({}));
    assert_eq!(refused(talk.input(Actor::System, "d", None, start(&[("order_id", json!("A1"))]))), None, "{}", talk.trace());
    let question = talk.answer.question.clone().map(|q| q.id);
    let yes = InputBody::Command(Command::Confirm { question });
    assert_eq!(refused(talk.input(Actor::System, "d", None, yes)).as_deref(), Some("forbidden"));
}

#[test]
fn of_two_versions_the_stricter_holds() {
    let identity = SHOP.replace("safety: {}", "safety: {requires_identity_verification: true}");
    let confirm = SHOP.replace("safety: {}", "safety: {requires_confirmation: true}");
    let owner = SHOP.replace("safety: {}", "safety: {owner: inputs.order_id}");
    let approval = SHOP.replace("safety: {}", "safety: {requires_approval: {role: cashier}}");
    let gone = SHOP.replace("name: Look", "name: Look at");
    let elsewhere = LOOK.replace("shop.look", "shop.gift");
    let cases = [
        (SHOP, &*identity, LOOK, Some("(identity)")),
        (&*identity, SHOP, LOOK, Some("(identity)")),
        (SHOP, &*confirm, LOOK, Some("(no_grant)")),
        (&*confirm, SHOP, LOOK, Some("(no_grant)")),
        (SHOP, &*owner, LOOK, Some("(owner)")),
        (&*owner, SHOP, LOOK, Some("(owner)")),
        (SHOP, &*gone, &*elsewhere, Some("(gone)")),
        (SHOP, &*approval, LOOK, Some("waits as")),
        (&*approval, SHOP, LOOK, Some("waits as")),
        (SHOP, SHOP, LOOK, None),
    ];
    for (before, now, journey_now, why) in cases {
        let mut talk = talk_of(before, LOOK);
        talk.agent(start("look-up"));
        renew(&mut talk, (before, LOOK), (now, journey_now));
        if why.is_none() {
            talk.stub(200, json!({}));
        }
        talk.user("A1");
        assert_eq!(talk.calls.is_empty(), why.is_some(), "{}", talk.trace());
        assert!(why.is_none_or(|why| talk.trace().contains(why)), "{why:?} {}", talk.trace());
    }
}

#[test]
fn a_further_attempt_is_not_made_before_it_is_told_whose_it_is_by_now() {
    let reads = "settings: {retries: 1}
    safety: {}
  - {name: Check, type: read, invocation: {method: POST, endpoint: /check}, input_schema: {order_id: {type: string}}}
  - {name: Whose, type: read, invocation: {method: GET, endpoint: '/whose/{order_id}'}, input_schema: {order_id: {type: string}}}";
    let before = SHOP.replace("safety: {}", reads);
    let owner = "owner: {call: shop.whose, inputs: {order_id: $inputs.order_id}, is: response.body.who}";
    let now = before.replace("safety: {}", &format!("safety: {{{owner}}}"));
    let verify = "verify: {call: shop.check, verified: [success], subject: response.body.who, on_failed: escalate}";
    let journey = LOOK.replace("  - action", &format!("  - {verify}\n  - action"));
    for (newer, sent) in [(&before, 3), (&now, 2)] {
        let mut talk = talk_of(&before, &journey);
        talk.agent(start("look-up"));
        talk.stub(200, json!({"who": "c-1"})).stub(503, json!({}));
        talk.user("A1");
        renew(&mut talk, (&before, &journey), (newer, &journey));
        talk.stub(200, json!({}));
        talk.wait(60);
        assert_eq!(talk.calls.len(), sent, "{}", talk.trace());
    }
}

#[test]
fn todays_paths_are_hidden_in_an_older_runs_answers() {
    let now = SHOP.replace("safety: {}", "safety: {redact_fields: [response.iban]}");
    let journey = LOOK.replace("{outcome: looked}", "'{{ variables.order.iban }}'");
    let mut talk = talk_of(SHOP, &journey);
    talk.agent(start("look-up"));
    renew(&mut talk, (SHOP, &journey), (&now, LOOK));
    talk.stub(200, json!({"iban": "DE89"}));
    talk.agent(Command::Fill(values(&[("order_id", json!("A1"))])));
    assert!(!talk.answer.text().contains("DE89"), "{:?}", talk.answer);
}

#[test]
fn a_newer_version_of_the_journey_ends_a_yes() {
    let newer = REFUND.replace("Refunded.", "Done.");
    for (now, sent) in [(REFUND, true), (&newer, false)] {
        let mut talk = talk_of(SHOP, REFUND);
        talk.user("I want a refund");
        talk.user("A1");
        talk.user("yes");
        assert_eq!(talk.answer.phase, Phase::Guide);
        renew(&mut talk, (SHOP, REFUND), (SHOP, now));
        if sent {
            talk.stub(200, json!({}));
        }
        talk.user("next");
        assert_eq!(talk.calls.len(), usize::from(sent), "{}", talk.trace());
        assert_eq!(talk.trace().contains("the journey was changed after the yes"), !sent, "{}", talk.trace());
    }
}

#[test]
fn a_hold_is_told_to_the_store_and_survives_a_restart() {
    let mut talk = talk_of(SHOP, GIFT);
    talk.agent(start("gift"));
    assert_eq!(talk.user("A1").phase, Phase::Hold, "{}", talk.trace());
    let changes = holds(&"default".into(), &talk.events);
    let [HoldChange::Opened(row)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((&*row.action, row.role.as_deref(), row.queue.as_deref()), ("shop.gift", Some("cashier"), Some("gifts")));
    assert_eq!(row.until.duration_since(row.at).as_secs(), 3_600);
    // All that is known of it is in the events.
    let mut state = waypost::engine::State::default();
    talk.events.iter().for_each(|e| state.apply(e));
    talk.state = state;
    talk.stub(200, json!({}));
    let roles = vec!["cashier".into()];
    let approve = Command::Approve { hold: row.id.clone(), note: None };
    let principal = Principal { id: "anna".into(), roles, scopes: Vec::new() };
    let done = talk.input_as(Actor::Operator, principal, InputBody::Command(approve));
    assert_eq!(done.outcome.as_deref(), Some("given"), "{}", talk.trace());
    assert_eq!(holds(&"default".into(), &talk.events)[1..], [HoldChange::Closed { id: row.id.clone() }]);
    // Somebody else's answer, or one that only told whose it is, is in no event: here there is none.
    assert!(talk.events.iter().all(|e| !matches!(&e.body, EventBody::ActionFinished(f) if f.dropped)));
}

#[test]
fn who_hands_back_does_not_approve_what_that_begins() {
    let journey = GIFT.replace("  - action", "  - action: shop.look\n  - action");
    let anna = |name: &str| Principal { id: name.into(), roles: vec!["cashier".into()], scopes: Vec::new() };
    let mut talk = talk_of(SHOP, &journey);
    talk.agent(start("gift"));
    talk.held = true;
    talk.user("A1");
    let by = |talk: &mut Talk, name: &str, command| talk.input_as(Actor::Operator, anna(name), InputBody::Command(command));
    by(&mut talk, "anna", Command::TakeOver);
    talk.land(super::harness::answered(200, json!({})));
    by(&mut talk, "anna", Command::HandBack);
    assert_eq!(talk.answer.phase, Phase::Hold, "{}", talk.trace());
    let hold = talk.state.holds().next().unwrap().id.clone();
    let approve = || Command::Approve { hold: hold.clone(), note: None };
    let refused = by(&mut talk, "anna", approve()).refused;
    assert!(refused.is_some() && talk.calls.len() == 1, "{refused:?} {}", talk.trace());
    by(&mut talk, "bert", approve());
    assert_eq!(talk.calls.len(), 2, "{}", talk.trace());
}

#[test]
fn an_answer_that_is_somebody_elses_is_in_no_event() {
    let shop = SHOP.replace("safety: {}", "outcomes: [{name: mine, condition: response.status == 200}, {name: other, condition: response.status == 403}]\n    safety: {result_owner: {is: response.body.who, else: other}}");
    let mut talk = talk_of(&shop, LOOK);
    talk.agent(start("look-up"));
    talk.stub(200, json!({"who": "u-2", "secret": "the-secret-of-u-2"}));
    talk.user("A1");
    assert_eq!(talk.calls.len(), 1);
    let events = serde_json::to_string(&talk.events).unwrap();
    let state = serde_json::to_string(&talk.state).unwrap();
    assert!(!events.contains("the-secret") && !state.contains("the-secret"), "{events}");
}
