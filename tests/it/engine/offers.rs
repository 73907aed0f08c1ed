//! What a provider offers, while something else happens: answers are held back, and given by hand.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::engine::{Actor, CallResult, Command, ExecutionStatus, InputBody, Phase, Principal, attempts};
use waypost::model::Offered;
use waypost::supervise::provider::{Asker, From, Proposal, Yes, decide_execution};
use waypost::value::Name;

use super::harness::{Talk, answered, loaded, machine};

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
    let given = |talk: &mut Talk, id: &str| {
        let host = Principal { id: "host".into(), scopes: vec!["context".into()], ..Principal::default() };
        let context = Arc::new(json!({"identity": {"user_id": "u-1"}, "case": {"id": id}}));
        talk.input_as(Actor::Runtime, host, InputBody::Command(Command::Context(context)));
    };
    let comment = json!([{"type": "add_comment", "content": "paid", "is_public": true}]);
    for (before, after, code, comments) in
        [(Some("C-1"), "C-2", Some("other_case"), 0), (None, "C-2", Some("no_case"), 0), (Some("C-1"), "C-1", None, 1)]
    {
        let mut talk = talk();
        if let Some(id) = before {
            given(&mut talk, id);
        }
        let inputs = Arc::new(json!({}));
        talk.command(Actor::Operator, Command::Execute { provider: Name::new("pay"), action: "fix".into(), inputs, confirmed: true });
        talk.land(list());
        let effect = talk.last_effect();
        given(&mut talk, after);
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
        ("look", false, From::Direct, "user", None, Some("actor")),
        ("look", false, From::Direct, "agent", None, Some("actor")),
        ("look", false, From::Direct, "admin", None, Some("actor")),
        ("look", false, From::Direct, "system", None, Some("actor")),
    ] {
        let (offered, _) = Offered::list(&json!([{"id": action, "requires_confirmation": asks}])).unwrap();
        let now = "2026-01-05T09:00:00Z".parse().unwrap();
        let proposal = Proposal {
            provider: &config,
            offered: Ok((&offered[0], &offered[0].action(&integration))),
            asker: Asker { actor, roles: &[], from },
            yes,
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
