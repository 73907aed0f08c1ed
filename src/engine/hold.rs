//! Actions that wait for an approval (supervision, 5): held with their request frozen, decided by a person, or withdrawn.

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Status;
use super::call::Trouble;
use super::event::{Draft, Event, EventBody, Held, HoldEnd, HoldEnded, Purpose, who};
use super::input::{Actor, Principal};
use super::state::Hold;
use super::steps::offer;
use super::turn::{Go, Turn, later};
use crate::model::Next;
use crate::model::action::{ApprovalRule, ErrorKind};
use crate::model::step::StepKind;
use crate::supervise::Approved;

/// An action that waits for a person of the company.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HoldRow {
    /// Its id: an approval names it.
    pub id: Arc<str>,
    /// The agent whose conversation it is.
    pub agent: Arc<str>,
    /// `integration.action`.
    pub action: Arc<str>,
    /// The role that may approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Arc<str>>,
    /// Where it is put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Arc<str>>,
    /// Who asked for it, and may not approve it.
    pub asked_by: Arc<str>,
    /// Since when.
    pub at: Timestamp,
    /// Refused by itself after that.
    pub until: Timestamp,
}

/// What a commit does to the index of holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldChange {
    /// An action is held.
    Opened(HoldRow),
    /// It was approved, refused or withdrawn, or its time passed.
    Closed {
        /// Which.
        id: Arc<str>,
    },
}

/// What events change of the holds of an agent's conversation.
#[must_use]
pub fn holds(agent: &Arc<str>, events: &[Event]) -> Vec<HoldChange> {
    let change = |event: &Event| match &event.body {
        EventBody::Held(held) => Some(HoldChange::Opened(HoldRow {
            id: held.id.clone(),
            agent: agent.clone(),
            action: held.draft.action.to_string().into(),
            role: Some(held.roles.join(", ").into()),
            queue: held.queue.clone(),
            asked_by: held.asked_by.clone(),
            at: event.at,
            until: held.until,
        })),
        EventBody::HoldEnded(ended) => Some(HoldChange::Closed { id: ended.hold.clone() }),
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

impl Turn<'_> {
    /// Holds what was decided on, and tells the user.
    pub fn hold(&mut self, draft: Draft, rules: &[ApprovalRule]) {
        let ttl_s = rules.iter().map(|r| r.ttl_s).min().unwrap_or(0);
        // Who confirmed for the user is among those who helped.
        let mut barred = self.state.top().map(|r| r.helpers.clone()).unwrap_or_default();
        let asked_by = who(self.actor, &self.principal.id);
        barred.push(asked_by.clone());
        barred.sort_unstable();
        barred.dedup();
        let held = Held {
            id: self.fresh_id("h"),
            draft,
            roles: roles(rules),
            queue: rules.iter().find_map(|r| r.queue.clone()),
            asked_by,
            barred,
            until: later(self.at, ttl_s.saturating_mul(1_000)),
        };
        self.emit(EventBody::Held(Box::new(held)));
        self.say("That needs somebody's approval, which I have asked for. I go on when it is there.");
    }

    /// Tells of what was held and is no more.
    pub fn withdraw(&mut self, before: &[Arc<str>]) {
        for hold in before {
            let moved =
                self.state.runs.iter().any(|r| r.stand.hold.as_ref().is_some_and(|h| h.held.id == *hold && is_moved(h, &r.variables)));
            if moved || !self.state.holds().any(|h| h.id == *hold) && self.is_untold(hold) {
                self.end_hold(hold.clone(), HoldEnd::Withdrawn, None);
            }
        }
    }

    /// Whether what became of a hold was not said in this turn.
    fn is_untold(&self, hold: &Arc<str>) -> bool {
        !self.events.iter().any(|e| matches!(&e.body, EventBody::HoldEnded(ended) if ended.hold == *hold))
    }

    fn end_hold(&mut self, hold: Arc<str>, how: HoldEnd, note: Option<Arc<str>>) {
        let by = matches!(how, HoldEnd::Approved | HoldEnd::Refused).then(|| who(self.actor, &self.principal.id));
        self.emit(EventBody::HoldEnded(Box::new(HoldEnded { hold, how, by, note })));
    }

    /// An operator approves or refuses.
    pub fn decide_hold(&mut self, hold: &Arc<str>, note: Option<Arc<str>>, approved: bool) {
        let Some(held) = self.state.holds().find(|h| h.id == *hold).cloned() else {
            let nothing = self.state.holds().next().is_none();
            let why = if nothing { "nothing is held".to_owned() } else { format!("nothing is held under `{hold}`") };
            return self.refuse(if nothing { "not_now" } else { "unknown_hold" }, why);
        };
        if held.until <= self.at {
            return self.refuse("expired", "the time to decide on it has passed");
        }
        if let Some(role) = held.roles.iter().find(|r| !self.principal.roles.contains(r)) {
            return self.refuse("forbidden", format!("it is for somebody with the role `{role}`"));
        }
        if approved && held.barred.contains(&who(self.actor, &self.principal.id)) {
            return self.refuse("own_request", "whoever asked for it or confirmed it cannot approve it");
        }
        let how = if approved { HoldEnd::Approved } else { HoldEnd::Refused };
        self.end_hold(hold.clone(), how, note);
        let go = self.come_back();
        self.walk(go);
    }

    /// Whether the time of some hold has passed; it is refused then.
    pub fn expire_holds(&mut self) -> bool {
        let passed: Vec<Arc<str>> = self.state.holds().filter(|h| h.until <= self.at).map(|h| h.id.clone()).collect();
        if passed.is_empty() {
            return false;
        }
        self.begin("wake", None);
        for hold in passed {
            self.end_hold(hold, HoldEnd::Expired, None);
        }
        let go = self.come_back();
        self.walk(go);
        true
    }

    /// The run on top goes on where it stands: by what was decided on its hold, or by its question, put again.
    pub fn come_back(&mut self) -> Go {
        if self.state.status == Status::Escalated || self.state.is_busy() {
            return Go::Wait;
        }
        let Some(run) = self.state.top().filter(|r| !r.paused).cloned() else { return Go::Wait };
        let Some(here) = self.here() else { return Go::Wait };
        if !run.stand.waits {
            // It was kept from going on while somebody had the conversation.
            return Go::via(Next::Step(here.id), "again");
        }
        if let Some(hold) = &run.stand.hold {
            return match &hold.decided {
                None => {
                    self.say("That still waits for an approval.");
                    Go::Wait
                }
                Some((how, by)) => self.after_hold(hold, *how, by),
            };
        }
        let acts = here.step().is_some_and(|s| matches!(s.kind, StepKind::Action(_) | StepKind::Verify(_)));
        if acts || run.stand.entered == 0 || offer::is_unput(self) {
            // What it stood at was withdrawn, or put to somebody else.
            return Go::via(Next::Step(here.id), "again");
        }
        self.put_again();
        Go::Wait
    }

    fn after_hold(&mut self, hold: &Hold, how: HoldEnd, by: &Arc<str>) -> Go {
        let why = match how {
            HoldEnd::Approved => {
                let mut draft = hold.held.draft.clone();
                draft.approved = Some(Approved { held_at: hold.at, by: by.clone() });
                draft.owners.clear();
                return self.take_up(draft);
            }
            HoldEnd::Refused => ("refused", "somebody refused to approve it"),
            HoldEnd::Expired => ("expired", "nobody approved it in time"),
            HoldEnd::Withdrawn => ("withdrawn", "it was withdrawn"),
        };
        let trouble = Trouble::coded(ErrorKind::Denied, why.0, why.1);
        self.not_sent(hold.held.draft.purpose, &hold.held.draft.action, trouble)
    }

    /// Decides on a draft whose time has come: the read that tells whose it is was answered, or it was approved.
    pub fn take_up(&mut self, draft: Draft) -> Go {
        let (purpose, id) = (draft.purpose, draft.action.clone());
        let Some(action) = self.drafted(&draft) else {
            let trouble = Trouble::new(ErrorKind::Internal, "the action is not in this version of the workspace");
            return self.not_sent(purpose, &id, trouble);
        };
        match self.pursue(&action, draft) {
            Ok(go) => go,
            Err(trouble) => self.not_sent(purpose, &id, trouble),
        }
    }
}

/// Whether somebody may approve a hold, or refuse it.
pub(super) fn may_decide(held: &Held, actor: Actor, principal: &Principal, approves: bool) -> bool {
    held.roles.iter().all(|r| principal.roles.contains(r)) && !(approves && held.barred.contains(&who(actor, &principal.id)))
}

/// Whether something that it was asked for with has been assigned since.
fn is_moved(hold: &Hold, variables: &crate::supervise::Variables) -> bool {
    hold.decided.is_none() && crate::supervise::moved(&hold.held.draft.sources, variables).is_some()
}

/// The roles that rules name, each once.
pub(super) fn roles(rules: &[ApprovalRule]) -> Vec<Arc<str>> {
    let mut roles: Vec<Arc<str>> = rules.iter().map(|r| r.role.clone()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// What the step's call is for, where it can wait for an approval.
pub(super) fn can_wait(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Step => true,
        Purpose::Read | Purpose::Reconcile | Purpose::Owner => false,
    }
}
