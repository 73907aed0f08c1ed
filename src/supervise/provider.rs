//! May an action that a provider offers run now? The same question is put when it is shown and once more when it is to run.
//!
//! What a provider says of its action can only ask for more: its own `requires_confirmation` never takes away what is asked anyway. A write
//! needs somebody's word: the user's yes at a choice, or an operator who runs it; a host alone has only reads.

use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Decision, Reason, Rule, Verdict};
use super::permit::Permit;
use crate::model::action::Effects;
use crate::model::{Action, Offered, Provider};
use crate::policy::{Gates, Policies, Scene};

/// From where an action of a provider is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// A choice of a journey, at which the run stands.
    Choice,
    /// A person of the company, or their host, by its name.
    Direct,
}

/// Whose yes it has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Yes {
    /// The yes to a question that showed it and all its inputs.
    Question(Arc<str>),
    /// An operator's own word, said with it.
    Operator,
}

/// Who asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// As what: the name of the actor.
    pub actor: &'a str,
    /// Roles.
    pub roles: &'a [Arc<str>],
    /// From where.
    pub from: From,
}

/// An action of a provider that somebody wants to run.
#[derive(Debug)]
pub struct Proposal<'a> {
    /// What is configured of its provider.
    pub provider: &'a Provider,
    /// It, as it was offered for this case and now; or why it was not.
    pub offered: Result<(&'a Offered, &'a Action), Arc<str>>,
    /// Who asks.
    pub asker: Asker<'a>,
    /// The yes that it has.
    pub yes: Option<&'a Yes>,
    /// Whether the case at hand is another than the one that it is wanted for.
    pub elsewhere: bool,
    /// Whether it is offered otherwise now than when that was said.
    pub other: bool,
    /// What of its inputs does not fit.
    pub fault: Option<String>,
    /// The policies and what they are asked about, if the workspace has any.
    pub policies: Option<(&'a Policies, Scene<'a>)>,
    /// Whether the same is under way.
    pub busy: bool,
    /// Whether the same was sent before, nobody knows what came of it, and the service cannot tell a repetition.
    pub in_doubt: bool,
    /// Until when the request may be sent.
    pub until: Timestamp,
}

/// Leave to ask a provider what it offers: that changes nothing, and is decided by its being configured.
#[must_use]
pub fn ask(until: Timestamp) -> Permit {
    Permit::new(until)
}

/// Why an action that was offered is not for whoever asks; `None`: it is, once they have said yes to it.
#[must_use]
pub fn locked(
    provider: &Provider,
    action: &Action,
    asker: Asker<'_>,
    policies: Option<(&Policies, Scene<'_>)>,
    now: Timestamp,
) -> Option<Reason> {
    if let Some(reason) = barred(provider, asker) {
        return Some(reason);
    }
    if asker.from == From::Direct && asker.actor != "operator" && (action.safety.requires_confirmation || action.effects == Effects::Write)
    {
        return Some(deny(Rule::Confirmation, "no_grant", "it needs an operator, or a user's yes in a journey"));
    }
    let (policies, scene) = policies?;
    let ruling = policies.decide(action, &scene, &Gates { step: "", verified: None, confirmed: true, now });
    (!ruling.allowed).then(|| deny(Rule::Policy, "policy", &ruling.text))
}

/// Decides. A permit comes with an `allow`, and from nowhere else.
#[must_use]
pub fn decide_execution(proposal: &Proposal<'_>, now: Timestamp) -> (Verdict, Option<Permit>) {
    let mut reasons = Vec::new();
    let denied = rules(proposal, now, &mut reasons);
    reasons.extend(denied);
    let denied = reasons.iter().any(|r: &Reason| r.code.is_some());
    let question = match proposal.yes {
        Some(Yes::Question(id)) if !denied => Some(id.clone()),
        _ => None,
    };
    let decision = if denied { Decision::Deny } else { Decision::Allow };
    (Verdict { decision, reasons, question }, (!denied).then(|| Permit::new(proposal.until)))
}

fn rules(proposal: &Proposal<'_>, now: Timestamp, passed: &mut Vec<Reason>) -> Option<Reason> {
    let Proposal { provider, asker, .. } = proposal;
    let (offered, action) = match &proposal.offered {
        Ok(offered) => *offered,
        Err(why) => return Some(deny(Rule::Place, "not_discovered", why)),
    };
    if proposal.elsewhere {
        return Some(deny(Rule::Place, "other_case", "another case is at hand now than the one that it was asked for"));
    }
    if let Some(why) = &offered.disabled_reason {
        return Some(deny(Rule::Place, "disabled", &format!("it cannot be run now: {why}")));
    }
    if let Some(reason) = barred(provider, *asker) {
        return Some(reason);
    }
    if let Some(fault) = &proposal.fault {
        return Some(deny(Rule::Place, "invalid_input", fault));
    }
    let asks = match asker.from {
        From::Choice => provider.asks_first(offered),
        From::Direct => offered.requires_confirmation || (asker.actor != "operator" && provider.asks_first(offered)),
    };
    let said = match (proposal.yes, asker.from) {
        (Some(Yes::Question(_)), From::Choice) => true,
        (Some(Yes::Operator), From::Direct) => asker.actor == "operator",
        _ => false,
    };
    match (asks, said) {
        (true, false) => return Some(deny(Rule::Confirmation, "no_grant", "nobody who may has said yes to it")),
        (true, true) if proposal.other => {
            return Some(deny(Rule::Confirmation, "no_grant", "it is offered as another now than the one that the yes was said to"));
        }
        (true, true) => passed.push(pass(Rule::Confirmation, "a yes covers it")),
        (false, _) => {}
    }
    if let Some((policies, scene)) = &proposal.policies {
        let ruling = policies.decide(action, scene, &Gates { step: "", verified: None, confirmed: said, now });
        if !ruling.allowed {
            return Some(deny(Rule::Policy, "policy", &ruling.text));
        }
        passed.push(pass(Rule::Policy, &ruling.text));
    }
    if proposal.busy {
        return Some(deny(Rule::Idempotency, "busy", "the same is under way"));
    }
    if proposal.in_doubt {
        return Some(deny(Rule::Idempotency, "in_doubt", "the same was sent before, and nobody knows what came of it"));
    }
    None
}

/// Whether that caller may run actions of this provider at all.
fn barred(provider: &Provider, asker: Asker<'_>) -> Option<Reason> {
    let may = match asker.from {
        From::Choice => !matches!(asker.actor, "system" | "admin"),
        From::Direct => matches!(asker.actor, "operator" | "runtime"),
    };
    if !may {
        return Some(deny(Rule::Place, "actor", &format!("it is not for callers of the kind `{}`", asker.actor)));
    }
    let named = |role: &Arc<str>| **role == *asker.actor || asker.roles.contains(role);
    if provider.roles.is_empty() || provider.roles.iter().any(named) {
        return None;
    }
    let roles = provider.roles.iter().map(|r| &**r).collect::<Vec<_>>().join("`, `");
    Some(deny(Rule::Place, "role", &format!("it is for somebody with one of the roles `{roles}`")))
}

fn pass(rule: Rule, text: &str) -> Reason {
    Reason { rule, code: None, text: text.into() }
}

fn deny(rule: Rule, code: &str, text: &str) -> Reason {
    Reason { rule, code: Some(code.into()), text: text.into() }
}
