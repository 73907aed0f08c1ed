//! What else holds of a conversation: who may do what, what nothing is done beside, and what is not done twice.

use jiff::Timestamp;
use waypost::engine::{Actor, CallEffect, CallResult, Command, Event, EventBody, InputBody};

use super::{Identity, Oracle, Put};
use crate::sound::journeys::Fact;
use crate::sound::service::{AGAIN, COUNTED, FIELDS, KEYED, READS, SEARCH};

/// Whether somebody may send that.
fn may(put: &Put<'_>) -> bool {
    let InputBody::Command(command) = put.body else { return true };
    match command {
        Command::Reject { .. } => put.actor != Actor::Agent,
        Command::Context(_) => put.actor != Actor::Agent && !["porter", "clerk"].contains(&put.principal),
        Command::Read { .. } | Command::Finding(_) => put.actor != Actor::User,
        Command::Said(_) => put.actor == Actor::Runtime,
        Command::Identified(_) => put.principal == "host",
        _ if of_the_company(command) => put.actor == Actor::Operator,
        _ => true,
    }
}

/// Whether it is for those who have the conversation, or decide on something in it.
fn of_the_company(command: &Command) -> bool {
    matches!(command, Command::TakeOver | Command::Say(_) | Command::HandBack | Command::Approve { .. } | Command::Refuse { .. })
}

impl Oracle<'_> {
    /// Nothing comes of what somebody may not do, and of what is said while an action is under way.
    pub(super) fn theirs(&self, put: &Put<'_>, events: &[Event]) -> Result<(), String> {
        let busy = self.flight.as_ref().is_some_and(|f| !f.done);
        let waits = match put.body {
            InputBody::Message(_) => busy,
            InputBody::Command(command) => busy && !of_the_company(command),
            _ => false,
        };
        let is_quiet =
            |e: &Event| matches!(e.body, EventBody::Turn(_) | EventBody::Refused { .. } | EventBody::Noted { .. } | EventBody::Queued(_));
        match events.iter().find(|e| !is_quiet(e)) {
            Some(event) if !may(put) => Err(format!("{:?} {} may not, and it came to {:?}", put.actor, put.principal, event.body)),
            Some(event) if waits => Err(format!("while {:?} was under way, it came to {:?}", self.flight, event.body)),
            _ => Ok(()),
        }
    }

    pub(super) fn lawful(&mut self, event: &EventBody, put: &Put<'_>) -> Result<(), String> {
        match event {
            EventBody::Began(began) if !began.called => {
                let given = began.with.iter().find(|(n, _)| !FIELDS.contains(&n.as_str()));
                let open: &[&str] = if self.rules.open { &["alpha", "beta", "gamma"] } else { &["alpha", "beta"] };
                match () {
                    () if !open.contains(&began.journey.as_str()) => Err(format!("{} was started, which is only run", began.journey)),
                    () if self.runs.iter().any(|r| r.journey == began.journey.as_str()) => Err(format!("{} began twice", began.journey)),
                    () if !self.tagged => Err(format!("{} was begun by somebody whom it is not for", began.journey)),
                    () => given.map_or(Ok(()), |(name, _)| Err(format!("{} began with `{name}`", began.journey))),
                }
            }
            EventBody::Filled(filled) => {
                let id = filled.run.or(self.runs.last().map(|r| r.id));
                let spent = self.runs.iter().any(|r| Some(r.id) == id && r.spent.contains(filled.name.as_str()));
                match FIELDS.contains(&filled.name.as_str()) {
                    true if !spent => Ok(()),
                    true => Err(format!("`{}` was filled, which a write was sent with", filled.name)),
                    false => Err(format!("`{}` was filled, which nothing asks for", filled.name)),
                }
            }
            EventBody::Unset { name } => {
                self.runs.last_mut().map(|r| r.spent.remove(name.as_str()));
                Ok(())
            }
            EventBody::Investigating { .. } => {
                if let Some(run) = self.runs.last_mut() {
                    (run.asked, run.since) = (0, Some(put.at));
                }
                Ok(())
            }
            EventBody::Context { user } => {
                self.tagged = user.get("tag").is_some();
                Ok(())
            }
            EventBody::Verified { identity } if matches!(put.body, InputBody::Command(_)) => {
                let ttl = identity.expires.as_second() - identity.at.as_second();
                let run = self.runs.last().map_or(0, |r| r.id);
                self.known(Identity { subject: identity.subject.to_string(), level: identity.level, at: identity.at, ttl, run });
                match self.identity.as_ref().filter(|i| *i.subject == *identity.subject) {
                    Some(_) => Ok(()),
                    None => Err(format!("{} was verified, and another before", identity.subject)),
                }
            }
            _ => Ok(()),
        }
    }

    /// What came of a request, as far as that is known.
    pub(super) fn settle(&mut self, body: &InputBody) {
        let (effect, class) = match body {
            InputBody::Result(effect, CallResult::Answered(answer)) => match answer.status {
                200..=299 => (effect, Some(true)),
                400..=499 if answer.status != 408 => (effect, Some(false)),
                _ => (effect, None),
            },
            InputBody::Result(effect, CallResult::Failed(failure)) => (effect, (!failure.sent).then_some(false)),
            InputBody::TakeOver(effect) => (effect, None),
            _ => return,
        };
        let failed = matches!(body, InputBody::Result(_, CallResult::Failed(_)));
        let Some(flight) = self.flight.as_mut().filter(|f| *f.effect == *effect.0 && !f.done) else {
            // A late answer that leaves nothing open tells.
            if class.is_some() && !failed {
                self.doubts.retain(|_, e| **e != *effect.0);
            }
            return;
        };
        if matches!(body, InputBody::TakeOver(_)) {
            flight.done = true;
        }
        if READS.contains(&&*flight.action) {
            return;
        }
        match class {
            None => {
                self.doubts.insert(flight.request.clone(), flight.effect.clone());
            }
            Some(true) => {
                self.doubts.remove(&flight.request);
            }
            Some(false) => {}
        }
    }

    /// Nothing is sent that is counted out, that stands under a key, beside another, or again in doubt. By what it is known again, and
    /// when it was sent first.
    pub(super) fn once(&mut self, action: &str, attempt: u32, call: &CallEffect, put: &Put<'_>) -> Result<(String, Timestamp), String> {
        let sent = &call.request;
        let request = format!("{action} {:?} {:?} {:?}", sent.path, sent.query, sent.body);
        if let Some(why) = put.full.filter(|why| if *why == "rate_limited" { COUNTED.contains(&action) } else { action == KEYED }) {
            return Err(format!("{action} was sent, which was {why}"));
        }
        let before = self.flight.as_ref();
        if let Some(other) = before.filter(|f| !f.done) {
            return Err(format!("{action} was sent while {} was under way", other.action));
        }
        if attempt == 1 && self.taken.is_some() && !matches!(put.body, InputBody::Result(..)) {
            return Err(format!("{action} was sent while somebody of the company had the conversation"));
        }
        let first = before.filter(|f| attempt > 1 && f.request == request).map_or(put.at, |f| f.at);
        let soon = action == AGAIN.1 && attempt > 1 && put.at.as_second() - first.as_second() < AGAIN.2 + 10;
        if !READS.contains(&action) && self.doubts.contains_key(&request) && action != AGAIN.0 && !soon {
            return Err(format!("{action} was sent again, and nobody knows what came of it before"));
        }
        if let (Some(Fact::Investigate(_)), 1) = (self.fact(), attempt)
            && let Some(run) = self.runs.last_mut()
        {
            run.asked += 1;
            if run.asked > SEARCH.0 || run.since.is_some_and(|since| put.at.as_second() - since.as_second() > SEARCH.1) {
                return Err(format!("{action} was asked as the {}. read since {:?}", run.asked, run.since));
            }
        }
        Ok((request, first))
    }
}
