//! The one place that allows: rule by rule, in the order of supervision, section 2. What cannot be decided is denied.

use std::sync::Arc;

use jiff::Timestamp;

use super::approval::{Approval, Approved};
use super::grant::{Grant, covers};
use super::identity::Identity;
use super::lineage::{Source, Variables, moved, stale};
use super::owner::{Owner, Ownership};
use super::permit::Permit;
use crate::model::action::{Effects, IdentityRule, Safety};
use crate::model::{Action, ContentHash, StepKey};
use crate::policy::{Gates, Policies, Scene};

/// An action that a journey wants to run.
#[derive(Debug)]
pub struct Intent<'a> {
    /// Which, as the run's version of the workspace has it.
    pub action: &'a Action,
    /// The same action today: of what both ask for, the stricter holds.
    pub today: Today<'a>,
    /// The step that wants it.
    pub step: &'a StepKey,
    /// Whether the journey stands at that step, or the step lists the read.
    pub placed: bool,
    /// Everything that the request reads.
    pub sources: &'a [Source],
    /// What each rule of ownership found.
    pub owners: &'a [Ownership],
    /// How it stands with an approval.
    pub approval: Approval<'a>,
    /// Until when the request may be sent.
    pub until: Timestamp,
}

/// What has become of an action since the run began.
#[derive(Debug, Clone, Copy)]
pub enum Today<'a> {
    /// It is the same.
    Same,
    /// It is another.
    Changed(&'a Action),
    /// The workspace has none of that name.
    Gone,
}

impl<'a> Intent<'a> {
    /// What the run's version asks for, and what today's does where that is another.
    pub fn safeties(&self) -> impl Iterator<Item = &'a Safety> {
        let today = match self.today {
            Today::Changed(action) => Some(&action.safety),
            Today::Same | Today::Gone => None,
        };
        std::iter::once(&self.action.safety).chain(today)
    }
}

/// What supervision knows of the conversation.
#[derive(Debug)]
pub struct Ledger<'a> {
    /// The run's variables.
    pub variables: &'a Variables,
    /// The run's grants.
    pub grants: &'a [Arc<Grant>],
    /// Who was verified.
    pub identity: Option<&'a Identity>,
    /// The policies and what they are asked about, if the workspace has any.
    pub policies: Option<(&'a Policies, Scene<'a>)>,
    /// Whether the same write was started and nobody knows what came of it.
    pub in_doubt: bool,
    /// Seconds that a grant lives.
    pub grant_ttl_s: u64,
    /// How its rate stands.
    pub rate: RateStanding,
    /// How its idempotency key stands.
    pub key: KeyStanding,
    /// Today's version of the run's journey.
    pub version: Option<&'a ContentHash>,
}

/// How the rate of an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateStanding {
    /// It has none, or there is room.
    Free,
    /// It is used up.
    Full {
        /// When there is room again, if that is known.
        retry_at: Option<Timestamp>,
    },
}

/// How the idempotency key that an author wrote for an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// There is none, or it can be had.
    Free,
    /// The same request is in flight under it elsewhere.
    Busy,
    /// It was used for another request.
    OtherInputs,
    /// The request was done under it: its answer is known, and nothing is to be sent.
    Applied,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may be sent.
    Allow,
    /// It waits for somebody's approval.
    Hold,
    /// It may not.
    Deny,
}

/// The rules, in the order that they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of supervision, section 2")]
pub enum Rule {
    Place,
    Stale,
    Identity,
    Owner,
    Confirmation,
    Policy,
    Approval,
    Rate,
    Idempotency,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// The rule.
    pub rule: Rule,
    /// A stable code, if it denied: `stale no_grant identity owner …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Arc<str>>,
    /// One sentence, without values.
    pub text: Arc<str>,
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// What was decided.
    pub decision: Decision,
    /// One for each rule that spoke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// The question whose yes allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Arc<str>>,
}

impl Verdict {
    /// The code of the rule that denied.
    #[must_use]
    pub fn code(&self) -> Option<&Arc<str>> {
        self.reasons.iter().find_map(|r| r.code.as_ref())
    }

    /// What the rule that denied said.
    #[must_use]
    pub fn why(&self) -> Option<&Arc<str>> {
        self.reasons.iter().find(|r| r.code.is_some()).map(|r| &r.text)
    }
}

/// Decides. A permit comes with an `allow`, and from nowhere else.
#[must_use]
pub fn decide(intent: &Intent<'_>, ledger: &Ledger<'_>, now: Timestamp) -> (Verdict, Option<Permit>) {
    let mut docket = Docket::default();
    docket.rules(intent, ledger, now);
    let denied = docket.reasons.iter().any(|r| r.code.is_some());
    let decision = match (denied, docket.hold) {
        (true, _) => Decision::Deny,
        (false, true) => Decision::Hold,
        (false, false) => Decision::Allow,
    };
    // INVARIANT: whose it is was told before anything is allowed.
    let told = !intent.owners.contains(&Ownership::Unread);
    let permit = (decision == Decision::Allow && told).then(|| Permit::new(intent.until));
    (Verdict { decision, reasons: docket.reasons, question: docket.question }, permit)
}

/// Now; and for what was there when an action was held, the time of that.
#[derive(Clone, Copy)]
struct Clock {
    now: Timestamp,
    held: Option<Timestamp>,
}

impl Clock {
    fn at(self, since: Timestamp) -> Timestamp {
        self.held.filter(|held| since <= *held).unwrap_or(self.now)
    }
}

#[derive(Default)]
struct Docket {
    reasons: Vec<Reason>,
    question: Option<Arc<str>>,
    hold: bool,
}

impl Docket {
    fn rules(&mut self, intent: &Intent<'_>, ledger: &Ledger<'_>, now: Timestamp) {
        if !intent.placed {
            return self.deny(Rule::Place, "place", "the journey does not stand at this action");
        }
        if matches!(intent.today, Today::Gone) {
            return self.deny(Rule::Place, "gone", "the workspace has this action no more");
        }
        if let Some(name) = moved(intent.sources, ledger.variables) {
            return self.deny(Rule::Stale, "stale", &format!("`{name}` has been assigned since the request was made"));
        }
        if let Some(name) = stale(intent.sources, ledger.variables) {
            return self.deny(Rule::Stale, "stale", &format!("`{name}` was computed from something that has been assigned since"));
        }
        let asks = |rule: fn(&Safety) -> bool| intent.safeties().any(rule);
        let clock = Clock { now, held: intent.approval.held_at() };
        if !self.identity(intent, ledger, clock) || !self.owner(intent, ledger, clock) {
            return;
        }
        if asks(|s| s.requires_confirmation) && !self.confirmation(intent, ledger, clock) {
            return;
        }
        if !self.policies(intent, ledger, clock) {
            return;
        }
        if !self.approval(intent) {
            return;
        }
        // What is not sent does not count.
        if ledger.key == KeyStanding::Applied {
            return self.pass(Rule::Idempotency, "it was done before under the same key, and is not sent again");
        }
        if let RateStanding::Full { retry_at } = ledger.rate {
            let wait = retry_at.map(|at| at.as_second().saturating_sub(now.as_second()).max(1));
            let again = wait.map_or_else(String::new, |s| format!(": there is room again in {s} s"));
            return self.deny(Rule::Rate, "rate_limited", &format!("it ran as often as `rate_limit` allows{again}"));
        }
        if intent.action.effects == Effects::Write {
            self.idempotency(ledger);
        }
    }

    fn idempotency(&mut self, ledger: &Ledger<'_>) {
        let rule = Rule::Idempotency;
        if ledger.in_doubt {
            return self.deny(rule, "in_doubt", "the same write was sent before, and nobody knows what came of it");
        }
        match ledger.key {
            KeyStanding::Busy => self.deny(rule, "busy", "the same request is under way elsewhere"),
            KeyStanding::OtherInputs => self.deny(rule, "other_inputs", "the idempotency key was used with other inputs"),
            KeyStanding::Free | KeyStanding::Applied => {}
        }
    }

    fn identity(&mut self, intent: &Intent<'_>, ledger: &Ledger<'_>, clock: Clock) -> bool {
        let rules = intent.safeties().filter_map(|s| s.identity);
        let Some(rule) = rules.reduce(IdentityRule::stricter) else { return true };
        let short = match ledger.identity {
            None => Some("nobody is verified"),
            Some(identity) => identity.falls_short(rule, clock.at(identity.at)),
        };
        match short {
            None => self.pass(Rule::Identity, "verified"),
            Some(why) => self.deny(Rule::Identity, "identity", why),
        }
        short.is_none()
    }

    /// Every rule of ownership must name the verified subject.
    fn owner(&mut self, intent: &Intent<'_>, ledger: &Ledger<'_>, clock: Clock) -> bool {
        if intent.owners.is_empty() {
            return true;
        }
        let Some(identity) = ledger.identity.filter(|i| i.verified(clock.at(i.at))) else {
            self.deny(Rule::Owner, "owner", "nobody is verified whose it could be");
            return false;
        };
        for owner in intent.owners {
            let why = match owner {
                Ownership::Told(Owner::Is(owner)) if **owner == *identity.subject => continue,
                Ownership::Unread | Ownership::Told(Owner::Meets) => continue,
                Ownership::Told(Owner::Is(_) | Owner::Fails) => "it is somebody else's",
                Ownership::Told(Owner::Unknown) => "whose it is cannot be told",
            };
            self.deny(Rule::Owner, "owner", why);
            return false;
        }
        self.pass(Rule::Owner, "it is the verified person's");
        true
    }

    fn confirmation(&mut self, intent: &Intent<'_>, ledger: &Ledger<'_>, clock: Clock) -> bool {
        let mut why = String::from("nobody said yes to it");
        for grant in ledger.grants.iter().rev() {
            match covers(grant, intent, ledger, clock.at(grant.at)) {
                Ok(()) => {
                    self.question = Some(grant.question.clone());
                    self.pass(Rule::Confirmation, "a yes covers it");
                    return true;
                }
                Err(reason) => why = reason,
            }
        }
        self.deny(Rule::Confirmation, "no_grant", &why);
        false
    }

    fn policies(&mut self, intent: &Intent<'_>, ledger: &Ledger<'_>, clock: Clock) -> bool {
        let Some((policies, scene)) = &ledger.policies else { return true };
        let covered = |g: &Arc<Grant>| covers(g, intent, ledger, clock.at(g.at)).is_ok();
        let gates = Gates {
            step: &intent.step.0,
            verified: ledger.identity.filter(|i| i.verified(clock.at(i.at))).map(|i| (&*i.subject, i.level)),
            confirmed: self.question.is_some() || ledger.grants.iter().any(covered),
            now: clock.now,
        };
        let ruling = policies.decide(intent.action, scene, &gates);
        if ruling.allowed {
            self.pass(Rule::Policy, &ruling.text);
        } else {
            self.deny(Rule::Policy, "policy", &ruling.text);
        }
        ruling.allowed
    }

    fn approval(&mut self, intent: &Intent<'_>) -> bool {
        match intent.approval {
            Approval::Unneeded => {}
            Approval::Given(Approved { by, .. }) => self.pass(Rule::Approval, &format!("{by} approved it")),
            Approval::Needed(roles) => {
                self.pass(Rule::Approval, &format!("it waits for the approval of `{}`", roles.join("` and `")));
                self.hold = true;
            }
            Approval::Impossible => {
                self.deny(Rule::Approval, "approval", "it needs an approval, which a read like this cannot wait for");
                return false;
            }
        }
        true
    }

    fn pass(&mut self, rule: Rule, text: &str) {
        self.reasons.push(Reason { rule, code: None, text: text.into() });
    }

    fn deny(&mut self, rule: Rule, code: &str, text: &str) {
        self.reasons.push(Reason { rule, code: Some(code.into()), text: text.into() });
    }
}
