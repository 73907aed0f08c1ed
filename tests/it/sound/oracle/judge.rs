//! What the judge says of a request that is sent, and of one that is refused.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;
use waypost::engine::{Actor, CallEffect};

use super::{Flight, GRANT_TTL, Oracle, Put, Run, Variable, marks};
use crate::sound::journeys::{Fact, Newer};
use crate::sound::service::{APPROVED, CONFIRMED, IDENTIFIED, READS, TRIES};

type Approval = (String, Timestamp, u64);

impl Oracle<'_> {
    /// A variable and all that it was computed from, with the moment when each was assigned. `Err`: one is outdated.
    fn sources(run: &Run, reads: &BTreeSet<String>) -> Result<BTreeMap<String, Variable>, String> {
        let mut found: BTreeMap<String, Variable> = BTreeMap::new();
        let mut open: Vec<(String, u64)> = reads.iter().map(|r| (r.clone(), u64::MAX)).collect();
        while let Some((name, computed)) = open.pop() {
            let Some(variable) = run.variables.get(&name) else { continue };
            if variable.moment > computed {
                return Err(name);
            }
            if found.insert(name.clone(), variable.clone()).is_none() {
                open.extend(variable.reads.iter().filter(|r| **r != name).map(|r| (r.clone(), variable.moment)));
            }
        }
        Ok(found)
    }

    pub(super) fn judge(&mut self, call: &CallEffect, attempt: u32, put: &Put<'_>) -> Result<(), String> {
        let now = put.at;
        let action = call.request.action.action.name.to_string();
        let Some(run) = self.runs.last() else { return Err(format!("{action} was sent without a run")) };
        let none = BTreeSet::new();
        let reads = match self.fact() {
            Some(Fact::Call { reads, .. } | Fact::Verify { reads, .. }) => reads,
            Some(Fact::Investigate(listed)) if !listed.contains(&&*action) => {
                return Err(format!("{action} was asked at {}, which lists {listed:?}", run.step));
            }
            Some(Fact::Investigate(_)) => &none,
            other => return Err(format!("{action} was sent from {}, which is {other:?}", run.step)),
        };
        if self.renewed && self.rules.newer == Some(Newer::Gone) && action == "note" {
            return Err(format!("{action} at {step} was sent, which there is no more", step = run.step));
        }
        let carried =
            marks(&format!("{:?} {:?} {:?} {:?}", call.request.path, call.request.query, call.request.headers, call.request.body));
        let (id, step, entered) = (run.id, run.step.clone(), run.entered);
        let spends: Vec<String> = Self::sources(run, reads).unwrap_or_default().into_keys().collect();
        let (request, first) = self.once(&action, attempt, call, put)?;
        let Some(run) = self.runs.last() else { return Ok(()) };
        if self.taken.is_some_and(|since| entered > since) {
            return Err(format!("{action} at {step} was sent while somebody of the company had the conversation"));
        }
        if let Err(name) = Self::sources(run, reads) {
            return Err(format!("{action} at {step} was sent with something computed from an older `{name}`"));
        }
        if let Some(Fact::Verify { anybody, .. }) = self.fact() {
            self.tries += u32::from(attempt == 1);
            if self.tries > TRIES {
                return Err("a verification was tried too often".into());
            }
            if let Some(mark) = carried.iter().find(|m| !anybody && self.proposed.contains(*m) && !self.said.contains(*m)) {
                return Err(format!("a verification was tried with {mark}, which only an agent said"));
            }
        }
        if let Some(mark) = carried.iter().find(|m| self.hidden.contains(*m)) {
            return Err(format!("{action} was sent with {mark}, of an answer that is somebody else's"));
        }
        let approved = self.approval(&action, run, reads)?;
        self.owned(&action, attempt, &carried, call, now)?;
        self.policy(&action, &carried, call, put)?;
        if let Some((_, level, age)) = IDENTIFIED.iter().find(|(a, ..)| *a == action) {
            self.tally.gated += 1;
            let known = self.identity.as_ref().ok_or_else(|| format!("{action} was sent and nobody was verified"))?;
            let since = now.as_second() - known.at.as_second();
            if known.level < *level || since > *age || since >= known.ttl {
                return Err(format!("{action} was sent with a verification of level {} after {since} seconds", known.level));
            }
        }
        if self.wants_a_yes(&action) {
            self.tally.gated += 1;
            let whys: Vec<_> = (0..self.yeses.len()).map(|y| self.lacks(y, &action, &carried, now, approved.as_ref())).collect();
            if !whys.iter().any(Option::is_none) {
                return Err(format!("{action} at {step} was sent with {carried:?} and no yes to it: {whys:?} of {:?}", self.yeses));
            }
        }
        if !READS.contains(&&*action) {
            self.runs.last_mut().into_iter().for_each(|r| r.spent.extend(spends.iter().cloned()));
            if CONFIRMED.contains(&&*action) || IDENTIFIED.iter().any(|(a, ..)| *a == action) {
                self.tally.wrote.extend(self.runs.last().map(|r| r.journey.clone()));
            }
            let base = self.runs.iter().rposition(|r| !r.called).unwrap_or(0);
            let under: Vec<u32> = self.runs[..base].iter().map(|r| r.id).collect();
            self.over("a write in another journey", false, |q| under.contains(&q.run));
        }
        for yes in self.yeses.iter_mut().filter(|y| self.questions[y.question].run == id) {
            yes.used.entry(step.clone()).or_insert(entered);
        }
        let proposed = matches!(self.fact(), Some(Fact::Investigate(_)))
            && carried.iter().any(|m| self.proposed.contains(m) && !self.said.contains(m));
        self.flight =
            Some(Flight { effect: call.id.0.to_string(), action, carried, run: id, step, proposed, done: false, at: first, request });
        Ok(())
    }

    /// Who approved it, where it needs that, and the time and moment when it was held.
    fn approval(&self, action: &str, run: &Run, reads: &BTreeSet<String>) -> Result<Option<Approval>, String> {
        if !APPROVED.0.contains(&action) {
            return Ok(None);
        }
        let hold = self.holds.iter().rfind(|h| h.run == run.id && h.step == run.step && h.entered == run.entered);
        let Some((hold, (by, true))) = hold.and_then(|h| Some((h, h.decided.clone()?))) else {
            return Err(format!("{action} was sent without an approval: {hold:?}"));
        };
        let sources = Self::sources(run, reads).unwrap_or_default();
        match sources.into_iter().find(|(_, v)| v.moment > hold.moment) {
            Some((name, _)) => Err(format!("{action} was sent by an approval that `{name}` is newer than")),
            None => Ok(Some((by, hold.at, hold.moment))),
        }
    }

    /// Of two versions the stricter one holds.
    fn wants_a_yes(&self, action: &str) -> bool {
        let late = self.runs.last().is_some_and(|r| r.late);
        let note = match self.rules.newer {
            Some(Newer::Stricter) => self.renewed,
            Some(Newer::Looser) => !late,
            None | Some(Newer::Text | Newer::Gone) => false,
        };
        CONFIRMED.contains(&action) || (action == "note" && note)
    }

    /// What is somebody else's is not touched.
    fn owned(&self, action: &str, attempt: u32, carried: &BTreeSet<String>, call: &CallEffect, now: Timestamp) -> Result<(), String> {
        let known = self.identity.as_ref().is_some_and(|i| i.is_valid(now));
        let subject = self.identity.as_ref().map_or("nobody", |i| &*i.subject);
        match action {
            "mine" if call.request.body.as_deref() != Some(&*json!({"x": subject}).to_string()) => {
                Err(format!("{action} was sent for another than {subject}: {:?}", call.request.body))
            }
            "hers" if call.request.body.as_deref() != Some(&*json!({"x": subject}).to_string()) || !known => {
                Err(format!("{action} was sent for {subject}, known now: {known}"))
            }
            "deed" if attempt == 1 => match &self.owner {
                Some((asked, who, input)) if asked == carried && who == subject && *input == self.input => Ok(()),
                told => Err(format!("{action} was sent for {subject} with {carried:?}, and what was told is {told:?}")),
            },
            _ => Ok(()),
        }
    }

    fn policy(&self, action: &str, carried: &BTreeSet<String>, call: &CallEffect, put: &Put<'_>) -> Result<(), String> {
        let known = self.identity.as_ref().is_some_and(|i| i.is_valid(put.at));
        let broken = match self.rules.policy {
            Some(0) => action == "note" && put.actor == Actor::Agent,
            Some(1) => {
                let yes = |y| self.lacks(y, action, carried, put.at, None).is_none();
                action == "note" && !(0..self.yeses.len()).any(yes)
            }
            Some(2) => action == "pay" && call.request.path.starts_with("/pay/a"),
            Some(3) => action == "note" && !known,
            _ => false,
        };
        if broken { Err(format!("{action} was sent with {carried:?} by {:?} against the policy", put.actor)) } else { Ok(()) }
    }

    /// Why a yes does not stand for what an action carries, and whether that lies in the journey.
    /// `approved`: by whom, held since when.
    fn lacks(
        &self,
        yes: usize,
        action: &str,
        carried: &BTreeSet<String>,
        now: Timestamp,
        approved: Option<&Approval>,
    ) -> Option<(String, bool)> {
        let yes = &self.yeses[yes];
        let question = &self.questions[yes.question];
        let run = self.runs.last().filter(|r| r.id == question.run);
        let Some(run) = run else { return Some(("it was said to another run".into(), true)) };
        if let Some((why, journey)) = yes.over {
            return Some((why.into(), journey));
        }
        if let Some((by, ..)) = approved.filter(|(by, ..)| *by == yes.by) {
            return Some((format!("{by} said it, and approved it too"), false));
        }
        // What was there when it was held does not grow older while it waits.
        let until = approved.map(|(_, held, _)| *held).filter(|held| yes.at <= *held).unwrap_or(now);
        if until.as_second() - yes.at.as_second() >= GRANT_TTL {
            return Some(("it is too old".into(), false));
        }
        if yes.used.get(&run.step).is_some_and(|entered| *entered != run.entered) {
            return Some(("it was used there".into(), true));
        }
        let of = |step: &str| self.facts.get(&run.journey).and_then(|j| j.get(step));
        let Some(Fact::Confirm { shows, only }) = of(&question.step) else { return Some(("it was no confirm's".into(), true)) };
        if only.is_some_and(|o| o != action) {
            return Some(("it was for another action".into(), true));
        }
        let sources = match of(&run.step) {
            Some(Fact::Call { reads, .. } | Fact::Verify { reads, .. }) => Self::sources(run, reads).unwrap_or_default(),
            _ => BTreeMap::new(),
        };
        let shown = shows.iter().filter_map(|n| run.variables.get(n).map(|v| (n, v)));
        let late = sources.iter().chain(shown).find(|(_, v)| v.moment > question.moment);
        if let Some((name, _)) = late {
            // What the caller says of the user, no journey can know.
            return Some((format!("`{name}` was assigned after the question"), !name.starts_with('$')));
        }
        let shown = marks(&question.text);
        carried.iter().find(|m| !m.starts_with('s') && !shown.contains(*m)).map(|m| (format!("{m} was not shown"), true))
    }

    /// A refusal for want of a yes or a subject: something that somebody did must be the cause, not the way that the journey leads.
    pub(super) fn denied(&mut self, action: &str, code: &str, now: Timestamp) {
        let Some((journey, step)) = self.place().map(|(j, s)| (j.to_owned(), s.to_owned())) else { return };
        let why = match code {
            // How a note was asked for before the workspace changed says nothing of now.
            "no_grant" if action == "note" => return,
            "no_grant" => {
                let whys: Vec<_> = (0..self.yeses.len()).map(|y| self.lacks(y, action, &BTreeSet::new(), now, None)).collect();
                let by_the_journey = whys.iter().flatten().all(|(_, journey)| *journey);
                by_the_journey.then(|| ("WP0501", format!("{journey}.{step} was denied by the way that led there: {whys:?}")))
            }
            "stale" => {
                let reads = match self.fact() {
                    Some(Fact::Call { reads, .. } | Fact::Verify { reads, .. }) => reads.clone(),
                    _ => BTreeSet::new(),
                };
                let older = self.runs.last().and_then(|run| Self::sources(run, &reads).err()).filter(|name| !name.starts_with('$'));
                older.map(|name| ("WP0506", format!("{journey}.{step} was denied: `{name}` was assigned on the way there")))
            }
            "identity" if !self.rules.proves => {
                let wanted = IDENTIFIED.iter().find(|(a, ..)| *a == action).map_or(1, |(_, level, _)| *level);
                let base = self.runs.iter().rposition(|r| !r.called).map(|base| self.runs[base].id);
                let known = self.identity.as_ref();
                // Whoever was verified elsewhere, less surely, is not of this way.
                let lacks = known.is_none_or(|i| i.level < wanted && base.is_some_and(|base| i.run >= base));
                lacks.then(|| ("WP0503", format!("{journey}.{step} was denied on the way there to {known:?}")))
            }
            _ => return,
        };
        self.tally.denied += 1;
        self.tally.unproved.extend(why.map(|(code, why)| (journey, code, why)));
    }
}
