//! What a provider offers, while something else happens: answers are held back, and given by hand.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::engine::{Actor, CallResult, Command, ExecutionStatus, InputBody, Phase, Principal, attempts};
use waypost::model::{ErrorKind, Offered};
use waypost::supervise::provider::{Asker, From, Proposal, Yes, decide_execution};
use waypost::value::Name;

use super::harness::{Talk, answered, failed, loaded, machine, start, values};

const PAY: &str = "
name: Pay
type: provider
config: {base_url: 'http://pay.test', auth_type: none, ttl: 0, effects: [add_comment]}
";

const PAYMENT: &str = "
name: Payment
trigger: {goal: A payment failed, examples: [my payment failed]}
journey:
  - choice:
      from: provider.pay
      outcomes:
        executed: [{done: {outcome: well}}]
        failed: [{done: {outcome: badly}}]
        declined: [{done: {outcome: left}}]
        none: [{done: {outcome: nothing}}]
";

fn given(talk: &mut Talk, context: Json) {
    let host = Principal { id: "host".into(), scopes: vec!["context".into()], ..Principal::default() };
    talk.input_as(Actor::Runtime, host, InputBody::Command(Command::Context(Arc::new(context))));
}

fn of_case(id: &str) -> Json {
    json!({"identity": {"user_id": "u-1"}, "case": {"id": id}})
}

fn wish(inputs: &Json) -> Command {
    Command::Execute { provider: Name::new("pay"), action: "fix".into(), inputs: Arc::new(inputs.clone()), confirmed: true }
}

fn list() -> CallResult {
    answered(200, json!([{"id": "fix", "label": "Fix it", "requires_confirmation": true}]))
}

fn done(effects: &Json) -> CallResult {
    answered(200, json!({"success": true, "effects": effects}))
}

fn talk() -> Talk {
    let mut talk = Talk::new(machine(&[("integrations/pay.yaml", PAY), ("journeys/payment.yaml", PAYMENT)]));
    talk.held = true;
    talk
}

/// The user has said yes, and the provider is asked once more what it offers.
fn said_yes() -> Talk {
    let mut talk = talk();
    talk.user("my payment failed");
    talk.land(list());
    talk.user("1");
    assert_eq!(talk.answer.phase, Phase::Confirm, "{}", talk.trace());
    talk.user("yes");
    assert_eq!(paths(&talk), ["/discover", "/discover"], "{}", talk.trace());
    talk
}

fn paths(talk: &Talk) -> Vec<&str> {
    talk.calls.iter().map(|c| &*c.request.path).collect()
}

#[test]
fn a_yes_does_not_outlive_a_take_over() {
    // Handed back after the provider's answer, and before it.
    for late in [false, true] {
        let mut talk = said_yes();
        talk.command(Actor::Operator, Command::TakeOver);
        if late {
            talk.command(Actor::Operator, Command::HandBack);
            talk.land(list());
        } else {
            talk.land(list());
            assert_eq!(talk.answer.phase, Phase::Escalated, "{}", talk.trace());
            assert!(talk.answer.messages.is_empty(), "whoever has it speaks: {}", talk.trace());
            talk.command(Actor::Operator, Command::HandBack);
        }
        assert_eq!((paths(&talk).len(), talk.answer.phase), (2, Phase::Confirm), "{late} {}", talk.trace());
        // A yes to what was put in the operator's turn has not seen it, and has it put again.
        for _ in 0..2 {
            if talk.answer.phase == Phase::Confirm {
                talk.user("yes");
            }
        }
        talk.land(list());
        talk.land(done(&json!([])));
        assert_eq!(talk.answer.outcome.as_deref(), Some("well"), "{late} {}", talk.trace());
        assert_eq!(paths(&talk)[3..], ["/execute"], "{late}");
    }
}

#[test]
fn what_a_provider_does_to_a_case_is_done_to_no_other() {
    let comment = json!([{"type": "add_comment", "content": "paid", "is_public": true}]);
    for (before, after, code, comments) in
        [(Some("C-1"), "C-2", Some("other_case"), 0), (None, "C-2", Some("no_case"), 0), (Some("C-1"), "C-1", None, 1)]
    {
        let mut talk = talk();
        if let Some(id) = before {
            given(&mut talk, of_case(id));
        }
        talk.command(Actor::Operator, wish(&json!({})));
        talk.land(list());
        let effect = talk.last_effect();
        given(&mut talk, of_case(after));
        talk.input(Actor::User, "", None, InputBody::Result(effect, done(&comment)));
        let attempt = attempts(&talk.events).pop().unwrap();
        let found = attempt.effects[0].code.as_deref();
        assert_eq!((attempt.status, found), (ExecutionStatus::Executed, code), "{}", talk.trace());
        assert_eq!(talk.state.case().unwrap().comments.len(), comments);
    }
}

/// The decision alone: a run that asks by itself never comes to it without a yes.
#[test]
fn a_permit_takes_the_yes_of_whoever_may_give_it() {
    let pay = PAY.replace("ttl: 0", "reads: [look]");
    let loaded = loaded(&[("integrations/pay.yaml", &pay)]);
    let integration = loaded.workspace().integrations.get(&Name::new("pay")).unwrap().clone();
    let config = integration.provider.clone().unwrap();
    let (question, own) = (Yes::Question("q-1".into()), Yes::Operator);
    for (action, asks, from, actor, yes, came) in [
        ("fix", false, From::Choice, "user", None, Some("no_grant")),
        ("fix", false, From::Choice, "user", Some(&own), Some("no_grant")),
        ("fix", false, From::Choice, "user", Some(&question), None),
        ("look", false, From::Choice, "agent", None, None),
        ("look", true, From::Choice, "agent", None, Some("no_grant")),
        ("look", false, From::Choice, "admin", None, Some("actor")),
        ("look", false, From::Choice, "system", None, Some("actor")),
        ("fix", false, From::Direct, "operator", None, None),
        ("fix", true, From::Direct, "operator", None, Some("no_grant")),
        ("fix", true, From::Direct, "operator", Some(&question), Some("no_grant")),
        ("fix", true, From::Direct, "operator", Some(&own), None),
        ("fix", false, From::Direct, "runtime", Some(&own), Some("no_grant")),
        ("look", false, From::Direct, "runtime", None, None),
        ("look", false, From::Direct, "operator", None, Some("other_case")),
        ("look", false, From::Direct, "user", None, Some("actor")),
        ("look", false, From::Direct, "agent", None, Some("actor")),
        ("look", false, From::Direct, "admin", None, Some("actor")),
        ("look", false, From::Direct, "system", None, Some("actor")),
    ] {
        let (offered, _) = Offered::list(&json!([{"id": action, "requires_confirmation": asks}])).unwrap();
        let now = "2026-01-05T09:00:00Z".parse().unwrap();
        let elsewhere = came == Some("other_case");
        let proposal = Proposal {
            provider: &config,
            offered: Ok((&offered[0], &offered[0].action(&integration))),
            asker: Asker { actor, roles: &[], from },
            yes,
            elsewhere,
            other: false,
            fault: None,
            policies: None,
            busy: false,
            in_doubt: false,
            until: now,
        };
        let (verdict, permit) = decide_execution(&proposal, now);
        let code = verdict.reasons.iter().find_map(|r| r.code.as_deref());
        assert_eq!((code, permit.is_some()), (came, came.is_none()), "{action} {asks} {from:?} {actor} {yes:?}");
    }
}

#[test]
fn what_was_offered_in_another_context_is_asked_again() {
    // A wish for one case is done to no other, and what was offered before the context changed is not offered after it.
    for (then, sent, code) in
        [(of_case("C-2"), 2, Some("other_case")), (json!({"case": {"id": "C-1"}, "identity": {"user_id": "u-1"}, "vip": true}), 3, None)]
    {
        let mut talk = talk();
        given(&mut talk, of_case("C-1"));
        talk.command(Actor::Operator, wish(&json!({})));
        given(&mut talk, then);
        talk.land(list());
        assert_eq!(paths(&talk), ["/discover", "/discover"], "{}", talk.trace());
        talk.land(list());
        assert_eq!(talk.calls.len(), sent, "{}", talk.trace());
        let attempt = attempts(&talk.events).pop().unwrap();
        assert_eq!(attempt.code.as_deref(), code, "{}", talk.trace());
    }
}

#[test]
fn while_a_provider_is_asked_nothing_older_is_shown() {
    let mut talk = Talk::new(machine(&[("integrations/pay.yaml", &PAY.replace("ttl: 0", "ttl: 600"))]));
    talk.held = true;
    let shown = |talk: &Talk| {
        let (offers, out) = talk.machine.offers(&talk.state, Actor::Operator, &Principal::default(), talk.now);
        (offers.len(), out.iter().map(|o| o.code.to_string()).collect::<Vec<_>>())
    };
    given(&mut talk, of_case("C-1"));
    talk.command(Actor::Operator, Command::Discover);
    talk.land(list());
    assert_eq!(shown(&talk), (1, vec![]));
    given(&mut talk, of_case("C-2"));
    talk.command(Actor::Operator, Command::Discover);
    assert_eq!(shown(&talk), (0, vec!["working".to_owned()]));
}

#[test]
fn the_same_wish_is_not_taken_twice_while_its_provider_is_asked() {
    let mut talk = talk();
    given(&mut talk, of_case("C-1"));
    talk.command(Actor::Operator, wish(&json!({"a": 1, "b": 2})));
    let first = talk.last_effect();
    let code = |talk: &Talk| talk.answer.refused.as_ref().map(|r| r.code.to_string());
    talk.command(Actor::Operator, wish(&json!({"b": 2, "a": 1})));
    assert_eq!(code(&talk).as_deref(), Some("busy"), "{}", talk.trace());
    talk.command(Actor::Operator, wish(&json!({"a": 1, "b": 3})));
    assert_eq!(code(&talk), None, "{}", talk.trace());
    talk.land(list());
    talk.input(Actor::User, "", None, InputBody::Result(first, list()));
    assert_eq!(paths(&talk), ["/discover", "/discover", "/execute", "/execute"], "{}", talk.trace());
}

/// Whatever the order of its inputs; for another case it is something else.
#[test]
fn a_doubt_is_of_what_was_asked_for_that_case() {
    let pay = PAY.replace("ttl: 0", "ttl: 0, protocol: mcp");
    let mut talk = Talk::new(machine(&[("integrations/pay.yaml", &pay)]));
    talk.held = true;
    let mut came = |case: &str, inputs: &Json, result: CallResult| {
        given(&mut talk, of_case(case));
        talk.command(Actor::Operator, wish(inputs));
        talk.land(list());
        talk.land(result);
        let attempt = attempts(&talk.events).pop().unwrap();
        (attempt.status, attempt.code.map(|c| c.to_string()))
    };
    let doubt = || failed(ErrorKind::Timeout, true);
    assert_eq!(came("C-1", &json!({"a": 1, "b": 2}), doubt()).0, ExecutionStatus::InDoubt);
    assert_eq!(came("C-1", &json!({"b": 2, "a": 1}), doubt()), (ExecutionStatus::Denied, Some("in_doubt".to_owned())));
    assert_eq!(came("C-2", &json!({"b": 2, "a": 1}), done(&json!([]))).0, ExecutionStatus::Executed);
}

#[test]
fn a_yes_is_to_what_the_question_and_those_before_it_showed() {
    let amount = |maximum: u32| json!({"type": "object", "properties": {"amount": {"type": "number", "maximum": maximum}}});
    let offered = |label: &str, description: &str, maximum: u32| {
        let item = json!({"id": "fix", "label": label, "description": description, "requires_confirmation": true, "input_schema": amount(maximum)});
        answered(200, json!([item]))
    };
    for (again, holds) in [
        (offered("Fix it", "for you", 10), true),
        (offered("Fix it", "for somebody else", 10), false),
        (offered("Break it", "for you", 10), false),
        (offered("Fix it", "for you", 10_000), false),
    ] {
        let mut talk = talk();
        talk.user("my payment failed");
        talk.land(offered("Fix it", "for you", 10));
        talk.user("1");
        talk.user("yes");
        talk.land(again);
        assert_eq!(talk.calls.len(), if holds { 3 } else { 2 }, "{}", talk.trace());
    }
}

#[test]
fn a_value_stands_on_its_own_line_of_the_question() {
    let mut talk = talk();
    talk.user("my payment failed");
    let schema = json!({"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]});
    talk.land(answered(200, json!([{"id": "fix", "label": "Fix it", "requires_confirmation": true, "input_schema": schema}])));
    talk.user("1");
    talk.command(Actor::User, Command::Fill(values(&[("note", json!("none\namount: 1\u{202e}\nShall I do that?"))])));
    let question = talk.answer.question.clone().unwrap().text;
    assert_eq!(&*question, "Fix it\nnote: none amount: 1 Shall I do that?\nShall I do that?");
}

#[test]
fn whoever_took_a_conversation_over_speaks_alone() {
    // Its provider answers what it offers after the take-over.
    let mut talk = talk();
    talk.user("my payment failed");
    talk.command(Actor::Operator, Command::TakeOver);
    talk.land(list());
    assert_eq!((talk.answer.messages.len(), talk.answer.phase), (0, Phase::Escalated), "{}", talk.trace());
    talk.command(Actor::Operator, Command::HandBack);
    if paths(&talk).len() == 2 {
        talk.land(list());
    }
    assert_eq!(talk.answer.phase, Phase::Choice, "{}", talk.trace());
    assert_eq!(talk.answer.options.len(), 1, "{}", talk.trace());
    // It answers what it did after the take-over.
    let mut talk = said_yes();
    talk.land(list());
    talk.command(Actor::Operator, Command::TakeOver);
    talk.land(answered(200, json!({"success": true, "message": "Paid.", "effects": []})));
    assert_eq!((talk.answer.messages.len(), talk.answer.phase), (0, Phase::Escalated), "{}", talk.trace());
}

#[test]
fn looking_leaves_no_doubt() {
    let pay = PAY.replace("ttl: 0", "ttl: 0, reads: [fix]");
    let mut talk = Talk::new(machine(&[("integrations/pay.yaml", &pay), ("journeys/payment.yaml", PAYMENT)]));
    talk.held = true;
    talk.user("my payment failed");
    talk.land(answered(200, json!([{"id": "fix", "label": "Look at it", "requires_confirmation": false}])));
    talk.user("1");
    talk.land(answered(200, json!([{"id": "fix", "label": "Look at it", "requires_confirmation": false}])));
    talk.land(failed(ErrorKind::Timeout, true));
    assert_eq!(attempts(&talk.events).pop().unwrap().status, ExecutionStatus::Failed);
    assert_eq!(talk.answer.outcome.as_deref(), Some("badly"), "{}", talk.trace());
}

/// A yes of a journey does not outlive a write that was asked for in the middle of it.
#[test]
fn a_write_of_a_provider_ends_a_yes_under_it() {
    let shop = "
name: Shop
type: rest_api
config: {base_url: 'http://shop.test', auth_type: none}
actions:
  - name: Send
    type: write
    invocation: {method: POST, endpoint: '/send'}
    input_schema: {order: {type: string}}
    outcomes: [{name: sent, condition: response.status == 200}]
    safety: {requires_confirmation: true}
";
    let send = "
name: Send
trigger: {goal: send my order, examples: [send my order]}
journey:
  - collect: [order]
  - confirm: {fields: [order], message: 'Send {{ variables.order }}?'}
  - guide: [Take a breath.]
    name: pause
  - action: shop.send
    inputs: {order: $variables.order}
    outcomes: {sent: [{done: Sent.}]}
";
    let files = [
        ("integrations/pay.yaml", PAY),
        ("integrations/shop.yaml", shop),
        ("journeys/payment.yaml", PAYMENT),
        ("journeys/send.yaml", send),
        ("datapoints/all.yaml", "{name: Order, type: string}"),
    ];
    for (provider, sent) in [(false, 1), (true, 0)] {
        let mut talk = Talk::new(machine(&files));
        talk.held = true;
        talk.user("send my order");
        talk.user("A1");
        talk.user("yes");
        assert_eq!(talk.answer.phase, Phase::Guide, "{}", talk.trace());
        if provider {
            talk.agent(start("payment"));
            talk.land(list());
            talk.user("1");
            talk.user("yes");
            talk.land(list());
            talk.land(done(&json!([])));
        }
        talk.user("next");
        assert_eq!(talk.calls.iter().filter(|c| &*c.request.path == "/send").count(), sent, "{}", talk.trace());
    }
}
