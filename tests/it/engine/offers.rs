//! What a provider offers, while something else happens: answers are held back, and given by hand.

use serde_json::{Value as Json, json};
use waypost::engine::{Actor, CallResult, Command, Phase};

use super::harness::{Talk, answered, machine};

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
            talk.command(Actor::Operator, Command::HandBack);
        }
        assert_eq!((paths(&talk).len(), talk.answer.phase), (2, Phase::Confirm), "{late} {}", talk.trace());
        talk.user("yes");
        talk.land(list());
        talk.land(done(&json!([])));
        assert_eq!(talk.answer.outcome.as_deref(), Some("well"), "{late} {}", talk.trace());
        assert_eq!(paths(&talk)[3..], ["/execute"], "{late}");
    }
}
