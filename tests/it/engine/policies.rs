//! Policies at their place in a decision: whom they are asked about, when, and what comes of what they say.

use serde_json::{Value as Json, json};
use waypost::engine::{Actor, Command, Phase, Status};
use waypost::model::ErrorKind;

use super::harness::{Talk, failed, machine, start, values};

const SHOP: &str = r"
name: Shop
type: rest_api
config: {base_url: 'http://shop.test', auth_type: none}
actions:
  - name: Look
    type: read
    invocation: {method: GET, endpoint: '/orders/{order_id}'}
    outcomes: [{name: found, condition: response.status == 200}]
    settings: {retries: 1}
  - name: Pay back
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/refunds'}
    input_schema: {order_id: {type: string}, amount: {type: number}, note: {type: string, required: false}}
    outcomes: [{name: done, condition: response.status == 201}]
    safety: {requires_confirmation: true}
";

const FIELDS: &str = "- {name: Order id, slug: order_id, type: string}\n- {name: Amount, slug: amount, type: number}\n";

const REFUND: &str = r#"
name: Refund
trigger: {goal: refund an order, examples: [I want a refund]}
journey:
  - collect: [order_id]
  - action: shop.look
  - collect: [amount]
  - confirm: {message: "Refund {{ variables.amount }} for {{ variables.order_id }}?"}
  - action: shop.pay-back
    name: pay
    outcomes: {done: continue}
  - done: "Refunded."
"#;

fn shop(policies: &str) -> Talk {
    let files = [
        ("integrations/shop.yaml", SHOP),
        ("datapoints/all.yaml", FIELDS),
        ("journeys/refund.yaml", REFUND),
        ("policies/all.cedar", policies),
    ];
    Talk::new(machine(&files[..if policies.is_empty() { 3 } else { 4 }]))
}

/// What a refund of that amount comes to: an agent fills the fields, the user says yes.
fn refund(policies: &str, amount: Json) -> (Talk, String) {
    let mut talk = shop(policies);
    talk.stub(200, json!({}));
    talk.stub(201, json!({}));
    talk.agent(start("refund"));
    let looked = talk.agent(Command::Fill(values(&[("order_id", json!("A1"))])));
    if looked.status != Status::Active {
        let outcome = looked.outcome.unwrap_or_default().to_string();
        return (talk, outcome);
    }
    let asked = talk.user(&amount.to_string());
    assert_eq!(asked.phase, Phase::Confirm, "{asked:?}");
    let said = talk.user("yes");
    let outcome = said.outcome.unwrap_or_default().to_string();
    (talk, outcome)
}

#[test]
fn without_policies_everything_is_permitted() {
    let (talk, outcome) = refund("", json!(5));
    assert_eq!((&*outcome, talk.calls.len()), ("done", 2));
}

#[test]
fn with_any_policy_what_none_permits_is_denied() {
    let (talk, outcome) = refund("permit(principal, action in Action::\"reads\", resource);", json!(5));
    assert_eq!((&*outcome, talk.calls.len()), ("denied", 1));
    assert!(talk.trace().contains("no policy permits it"), "{}", talk.trace());
}

#[test]
fn a_forbid_wins_and_is_named_with_no_value() {
    let policies = "permit(principal, action, resource);
        @id(\"small refunds only\") forbid(principal, action in Action::\"writes\", resource) when { context.inputs.amount.greaterThan(decimal(\"100.0\")) };";
    assert_eq!(refund(&policies.replace("in Action::\"writes\"", "== Action::\"shop.pay-back\""), json!(100)).1, "done");
    let (talk, outcome) = refund(&policies.replace("in Action::\"writes\"", "== Action::\"shop.pay-back\""), json!(100.01));
    assert_eq!((&*outcome, talk.calls.len()), ("denied", 1));
    assert!(talk.trace().contains("`small refunds only` forbids it"), "{}", talk.trace());
}

#[test]
fn the_principal_is_whoever_sent_what_is_being_handled() {
    let reads_by_agents = "permit(principal is Agent, action in Action::\"reads\", resource);";
    let by_users = format!("{reads_by_agents} permit(principal is User, action in Action::\"writes\", resource);");
    assert_eq!(refund(&by_users, json!(5)).1, "done", "the agent filled, the user said yes");
    let by_agents = format!("{reads_by_agents} permit(principal is Agent, action in Action::\"writes\", resource);");
    assert_eq!(refund(&by_agents, json!(5)).1, "denied");
    let to_themselves = "permit(principal, action, resource) when { principal == resource.user || action in Action::\"reads\" };";
    assert_eq!(refund(to_themselves, json!(5)).1, "done");
}

#[test]
fn policies_are_asked_after_the_yes_and_told_of_it() {
    let confirmed = "permit(principal, action in Action::\"reads\", resource) unless { context.confirmed };
        permit(principal, action in Action::\"writes\", resource) when { context.confirmed };";
    assert_eq!(refund(confirmed, json!(5)).1, "done");
    // Without a yes the policies are not reached: the code is the confirmation's.
    let bare = REFUND.replace("  - confirm: {message: \"Refund {{ variables.amount }} for {{ variables.order_id }}?\"}\n", "");
    let mut talk = Talk::new(machine(&[
        ("integrations/shop.yaml", SHOP),
        ("datapoints/all.yaml", FIELDS),
        ("journeys/refund.yaml", &bare),
        ("policies/all.cedar", "permit(principal, action in Action::\"reads\", resource);"),
    ]));
    talk.stub(200, json!({}));
    talk.agent(start("refund"));
    talk.agent(Command::Fill(values(&[("order_id", json!("A1"))])));
    let denied = talk.agent(Command::Fill(values(&[("amount", json!(5))])));
    assert_eq!(denied.outcome.as_deref(), Some("denied"));
    assert!(talk.trace().contains("no_grant") && !talk.trace().contains("no policy permits"), "{}", talk.trace());
}

#[test]
fn what_cannot_be_evaluated_is_denied() {
    // More than Cedar's numbers hold: an overflow while deciding, though another policy permits.
    let overflows =
        "@id(\"careful\") forbid(principal, action, resource) when { 9223372036854775807 + context.local.hour > 9223372036854775807 + 1 };
        permit(principal, action, resource);";
    let (talk, outcome) = refund(overflows, json!(5));
    assert_eq!((&*outcome, talk.calls.len()), ("denied", 0));
    assert!(talk.trace().contains("`careful` could not be evaluated"), "{}", talk.trace());
    // More places than a decimal has: denied if a policy reads it, and no matter if none does.
    let reads = "permit(principal, action in Action::\"reads\", resource);";
    let compares = format!(
        "{reads} permit(principal, action == Action::\"shop.pay-back\", resource) when {{ context.inputs.amount.lessThan(decimal(\"9.0\")) }};"
    );
    let (talk, outcome) = refund(&compares, json!(1.000_01));
    assert_eq!((&*outcome, talk.calls.len()), ("denied", 1));
    assert!(talk.trace().contains("the input `amount` is nothing that a policy can compare"), "{}", talk.trace());
    let open = format!("{reads} permit(principal, action == Action::\"shop.pay-back\", resource);");
    assert_eq!(refund(&open, json!(1.000_01)).1, "done");
}

#[test]
fn every_attempt_is_decided_again() {
    // The first try is the agent's; the one after the pause is the system's own.
    for (who, calls, outcome) in [("principal is Agent", 1, Status::Completed), ("principal", 2, Status::Active)] {
        let mut talk = shop(&format!("permit({who}, action in Action::\"reads\", resource); permit(principal is User, action, resource);"));
        talk.stubs.push_back(failed(ErrorKind::Connect, false));
        talk.stub(200, json!({}));
        talk.agent(start("refund"));
        talk.agent(Command::Fill(values(&[("order_id", json!("A1"))])));
        let after = talk.wait(60);
        assert_eq!((talk.calls.len(), after.status), (calls, outcome), "{who}: {}", talk.trace());
    }
}

#[test]
fn an_operator_is_known_by_roles() {
    let policies =
        "permit(principal in Role::\"clerk\", action, resource); permit(principal is Agent, action in Action::\"reads\", resource);";
    for (roles, outcome) in [(vec!["clerk"], "done"), (vec!["guest"], "denied"), (vec![], "denied")] {
        let mut talk = shop(policies);
        talk.roles = roles.iter().map(|r| (*r).into()).collect();
        talk.stub(200, json!({}));
        talk.stub(201, json!({}));
        talk.agent(start("refund"));
        talk.agent(Command::Fill(values(&[("order_id", json!("A1"))])));
        let asked = talk.command(Actor::Operator, Command::Fill(values(&[("amount", json!(5))])));
        let said = talk.command(Actor::Operator, Command::Confirm { question: asked.question.map(|q| q.id) });
        assert_eq!(said.outcome.as_deref(), Some(outcome), "{roles:?}: {}", talk.trace());
    }
}

#[test]
fn a_verification_that_has_expired_is_none() {
    let check = "
name: Check
trigger: {goal: look up, examples: [look]}
journey:
  - collect: [order_id]
  - verify: {call: desk.prove, verified: [right], subject: inputs.order_id, ttl: 60}
  - collect: [amount]
  - action: shop.look
  - done: Looked.
";
    let desk = "{name: Desk, type: rest_api, config: {base_url: 'http://desk.test', auth_type: none}, actions: [{name: Prove, type: write,
      invocation: {method: POST, endpoint: /prove}, input_schema: {order_id: {type: string}}, outcomes: [{name: right, condition: response.status == 200}]}]}";
    let policies = "permit(principal, action == Action::\"desk.prove\", resource);
        permit(principal, action in Action::\"shop.*\", resource) when { context.identity.verified && context.identity.level == 1 };";
    for (wait, outcome) in [(59, "done"), (60, "denied")] {
        let mut talk = Talk::new(machine(&[
            ("integrations/shop.yaml", SHOP),
            ("integrations/desk.yaml", desk),
            ("datapoints/all.yaml", FIELDS),
            ("journeys/check.yaml", check),
            ("policies/all.cedar", policies),
        ]));
        talk.stub(200, json!({}));
        talk.stub(200, json!({}));
        talk.user("look");
        talk.user("A1");
        talk.wait(wait);
        assert_eq!(talk.user("5").outcome.as_deref(), Some(outcome), "{}", talk.trace());
    }
}
