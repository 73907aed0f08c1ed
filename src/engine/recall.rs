//! Decisions that stand on what may not be shown: each is noted with its turn, and taken from there where the turn is played again from
//! a recording that no longer holds what it stood on.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::event::{Event, EventBody, Filled, Finished, Judged, Told};
use super::operand;
use super::scope::View;
use super::turn::{REDACTED, Turn};
use crate::expr::{EvalError, Program, Read, Root, Scope};
use crate::model::{Datapoint, Operand};
use crate::supervise::Origin;
use crate::understand::FieldProblem;
use crate::value::{Json, Name, Value, hex};

/// Before a word that a message was taken for.
const WORD: &str = "word:";

/// Before the digest of a template by which hidden values were said.
const SAID: &str = "said";

/// Before a field that was given the hidden value again that it had.
const KEPT: &str = "kept:";

/// Before what was wrong with a hidden value.
const PROBLEM: &str = "problem";

/// What became of hidden values when a turn was played again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// Decisions that were taken over.
    pub taken: u32,
    /// Whether a decision stood on a hidden value and was not in the recording: what came of it says nothing.
    pub blind: bool,
    /// Whether a value was computed from a hidden one.
    pub computed: bool,
    /// Whether hidden values are said by another template than then.
    pub reworded: bool,
}

/// What a turn decided on hidden values; where it is played again, what it had decided then.
#[derive(Debug, Default)]
pub(super) struct Recall {
    /// What happened in the turn when it was recorded; none: it happens now.
    recorded: Option<Arc<[Event]>>,
    used: RefCell<Vec<usize>>,
    judged: RefCell<Vec<Judged>>,
    /// What messages were held against, told of only if one of them is hidden.
    heard: RefCell<Option<Judged>>,
    hides_heard: Cell<bool>,
    said: RefCell<Vec<Judged>>,
    reworded: Cell<bool>,
    taken: Cell<u32>,
    blind: Cell<bool>,
    computed: Cell<bool>,
}

impl Recall {
    /// Of a turn that is played again.
    pub fn of(recorded: Arc<[Event]>) -> Self {
        Self { recorded: Some(recorded), ..Self::default() }
    }

    /// Whether the turn is played again.
    pub fn plays(&self) -> bool {
        self.recorded.is_some()
    }

    /// What became of hidden values.
    pub fn hidden(&self) -> Hidden {
        let reworded = self.reworded.get();
        Hidden { taken: self.taken.get(), blind: self.blind.get(), computed: self.computed.get(), reworded }
    }

    /// What was decided in it. `sensitive`: whether the message that began it may not be shown.
    pub fn judged(&self, sensitive: bool) -> Vec<Judged> {
        let heard = self.heard.borrow().clone().filter(|_| sensitive || self.hides_heard.get());
        self.judged.borrow().iter().cloned().chain(heard).chain(self.said.borrow().iter().cloned()).collect()
    }

    /// Something is decided on a hidden value, and the recording does not tell how it was decided.
    pub fn guess(&self) {
        self.blind.set(self.blind.get() || self.plays());
    }

    fn take(&self) {
        self.taken.set(self.taken.get() + 1);
    }

    /// What a hidden condition came to: noted now, or as it was noted then.
    pub fn condition<E>(&self, on: &str, answer: impl FnOnce() -> Result<bool, E>) -> Result<bool, E> {
        let judged = match &self.recorded {
            None => {
                let answer = answer();
                let told = answer.as_ref().ok().copied();
                self.judged.borrow_mut().push(Judged { on: on.into(), answer: told });
                return answer;
            }
            Some(_) => self.noted(on),
        };
        let told = judged.as_ref().and_then(|j| j.answer);
        self.judged.borrow_mut().extend(judged);
        if let Some(told) = told {
            self.take();
            return Ok(told);
        }
        self.guess();
        answer()
    }

    /// What the recording notes under this name, each note once.
    fn noted(&self, on: &str) -> Option<Judged> {
        let turn = self.recorded.iter().flat_map(|r| r.iter());
        let turn = turn.into_iter().find_map(|e| if let EventBody::Turn(turn) = &e.body { Some(turn) } else { None })?;
        let mut used = self.used.borrow_mut();
        let (at, judged) = turn.brought.judged.iter().enumerate().find(|(i, j)| *j.on == *on && !used.contains(i))?;
        used.push(at);
        Some(judged.clone())
    }

    /// Values that are hidden now were held against these rules: noted now, or taken over if they were the same then.
    pub fn judge_by(&self, on: &str, hides: bool) {
        if hides {
            let Ok(_) = self.condition(on, || Ok::<_, std::convert::Infallible>(true));
        } else {
            self.judged.borrow_mut().push(Judged { on: on.into(), answer: Some(true) });
        }
    }

    /// Whether a message that is hidden now was noted to be this word.
    fn meant(&self, word: &str) -> bool {
        let turn =
            self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| if let EventBody::Turn(turn) = &e.body { Some(turn) } else { None });
        let meant = turn.is_some_and(|t| t.brought.judged.iter().any(|j| j.on.strip_prefix(WORD) == Some(word)));
        if meant {
            self.take();
        }
        meant
    }

    /// Notes that a message was this word.
    fn mean(&self, word: &str) {
        self.judged.borrow_mut().push(Judged { on: format!("{WORD}{word}").into(), answer: Some(true) });
    }

    /// Whether this text or value is one that the recording does not hold.
    pub fn hides(&self, json: &Json) -> bool {
        self.plays() && json.as_str() == Some(REDACTED)
    }

    /// The same of a text.
    pub fn hides_text(&self, text: &str) -> bool {
        self.plays() && text == REDACTED
    }

    /// A message is heard, and held against these words and wishes: of one that is hidden, what it leads to is known only from what was
    /// noted of it, and only where they were the same. `hidden`: it is one that may not be shown.
    pub fn hear(&self, text: &str, by: &str, hidden: bool) {
        let hides = self.hides_text(text);
        self.computed.set(self.computed.get() || hides);
        self.hides_heard.set(self.hides_heard.get() || hides || hidden);
        if self.heard.borrow().is_some() {
            return;
        }
        let heard = if hides { self.noted(by) } else { Some(Judged { on: by.into(), answer: Some(true) }) };
        match heard {
            Some(_) if hides => self.take(),
            Some(_) => {}
            None => self.guess(),
        }
        *self.heard.borrow_mut() = heard;
    }

    /// Hidden values are said by that template: in what words, the recording does not hold.
    pub fn say(&self, by: Option<&str>) {
        let Some(by) = by else { return };
        let on = known_by(SAID, &[by]);
        let noted = if self.plays() { self.noted(&on) } else { Some(Judged { on: on.as_str().into(), answer: Some(true) }) };
        self.reworded.set(self.reworded.get() || noted.is_none());
        self.said.borrow_mut().extend(noted);
    }

    /// The value that a field got in the turn.
    pub fn filled(&self, name: &Name) -> Option<Filled> {
        let found = self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::Filled(filled) if filled.name == *name => Some((**filled).clone()),
            _ => None,
        })?;
        self.take();
        Some(found)
    }

    /// The value that a variable was assigned in the turn.
    pub fn assigned(&self, name: &Name) -> Option<Value> {
        self.computed.set(self.computed.get() || self.plays());
        self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::Set(set) if set.name == *name => Some(set.value.clone()),
            _ => None,
        })
    }

    /// What a journey that began in the turn was given under a name.
    pub fn began_with(&self, name: &Name) -> Option<Value> {
        let began = self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::Began(began) => began.with.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
            _ => None,
        })?;
        self.take();
        Some(began)
    }

    /// Whose word that was.
    pub fn began_origin(&self, name: &Name) -> Option<Origin> {
        self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::Began(began) => began.origins.get(began.with.iter().position(|(n, _)| n == name)?).copied(),
            _ => None,
        })
    }

    /// Who was verified in the turn.
    pub fn verified(&self) -> Option<Arc<str>> {
        let found = self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::Verified { identity } => Some(identity.subject.clone()),
            _ => None,
        })?;
        self.take();
        Some(found)
    }

    /// Notes that a field was given the value again that it had, which may not be shown.
    pub fn keep(&self, name: &Name) {
        self.judged.borrow_mut().push(Judged { on: format!("{KEPT}{name}").into(), answer: Some(true) });
    }

    /// Whether a field was given the value again that it had.
    pub fn kept(&self, name: &Name) -> bool {
        let noted = self.noted(&format!("{KEPT}{name}"));
        let kept = noted.is_some();
        self.judged.borrow_mut().extend(noted);
        if kept {
            self.take();
        }
        kept
    }

    /// Whether any hidden value was given again.
    pub fn has_kept(&self) -> bool {
        self.judged.borrow().iter().any(|j| j.on.starts_with(KEPT))
    }

    /// What was wrong with a value that a hidden message had for a field, as that field says it; and its place among what was noted.
    pub fn problem(&self, datapoint: &Datapoint) -> Option<(usize, FieldProblem)> {
        let by = problem_of(datapoint);
        let turn = self.recorded.iter().flat_map(|r| r.iter());
        let turn = turn.into_iter().find_map(|e| if let EventBody::Turn(turn) = &e.body { Some(turn) } else { None })?;
        let noted = turn.brought.judged.iter().enumerate();
        let (at, judged, problem) =
            noted.into_iter().find_map(|(at, judged)| Some((at, judged, FieldProblem::told(judged.on.strip_prefix(&*by)?, datapoint)?)))?;
        self.judged.borrow_mut().push(judged.clone());
        self.take();
        Some((at, problem))
    }

    /// Notes what is wrong with a value that a message has for a field, where the message may be hidden later on.
    pub fn note_problem(&self, datapoint: &Datapoint, problem: &FieldProblem) {
        let on = format!("{}{}", problem_of(datapoint), problem.tell());
        self.judged.borrow_mut().push(Judged { on: on.into(), answer: Some(true) });
    }

    /// The journey that a message led to, and how surely.
    pub fn routed(&self) -> Option<(Name, u32)> {
        let found = self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::Routed { journey, score } => Some((journey.clone(), *score)),
            _ => None,
        })?;
        self.take();
        Some(found)
    }

    /// The answer that the turn took in.
    pub fn finished(&self) -> Option<&Finished> {
        self.recorded.iter().flat_map(|r| r.iter()).find_map(|e| match &e.body {
            EventBody::ActionFinished(finished) => Some(&**finished),
            _ => None,
        })
    }

    /// What was told of an answer that the recording does not hold, if the same rules judged it.
    pub fn told(&self, by: &str) -> Option<Told> {
        let told = self.finished()?.told.as_deref().filter(|t| *t.by == *by).cloned();
        match told {
            Some(_) => self.take(),
            None => self.guess(),
        }
        told
    }
}

impl Turn<'_> {
    /// Whether a condition is true; one that reads what may not be shown is noted.
    pub fn test(&self, program: &Program, view: &View<'_>) -> Result<bool, EvalError> {
        if !self.is_sensitive(program.reads(), view) {
            return program.test(view);
        }
        self.recall.condition(&program.text().value, || program.test(view))
    }

    /// Whether a message is that word; of one that may not be shown, it is noted.
    pub fn is_meant(&self, word: &str, text: &str, is: impl FnOnce(&str) -> bool) -> bool {
        let hides = self.recall.hides_text(text);
        let meant = if hides { self.recall.meant(word) } else { is(text) };
        if meant && (hides || self.is_asked_for_sensitive()) {
            self.recall.mean(word);
        }
        meant
    }

    /// Whether any of these reads is of something that may not be shown.
    pub fn is_sensitive(&self, reads: &[Read], view: &View<'_>) -> bool {
        self.state.sensitive && reads.iter().any(|read| is_tainted(read, view))
    }

    /// Says of a value that was computed from hidden ones that it was.
    pub fn computes(&self, operand: &Operand) {
        if self.is_hidden(operand, &self.view()) {
            self.recall.computed.set(true);
        }
    }

    /// Whether an operand reads what may not be shown, where its turn is played again.
    pub fn is_hidden(&self, operand: &Operand, view: &View<'_>) -> bool {
        self.recall.plays() && self.reads_hidden(operand, view)
    }

    fn reads_hidden(&self, operand: &Operand, view: &View<'_>) -> bool {
        let reads = match operand {
            Operand::Literal(_) => return false,
            Operand::Expr(program) => program.reads(),
            Operand::Template(template) => template.reads(),
            Operand::List(items) => return items.iter().any(|o| self.reads_hidden(o, view)),
            Operand::Map(entries) => return entries.iter().any(|(_, o)| self.reads_hidden(o, view)),
        };
        self.is_sensitive(reads, view)
    }

    /// Notes how a value is made that may not be shown: what it was then, it is only if it was made the same way.
    pub fn judge_made(&self, place: &str, operand: &Operand, rule: &str) {
        if self.reads_hidden(operand, &self.view()) {
            self.judge_written("made", &[place, &operand::written(operand), rule]);
        }
    }

    /// The same of an expression.
    pub fn judge_computed(&self, place: &str, program: &Program) {
        if self.is_sensitive(program.reads(), &self.view()) {
            self.judge_written("made", &[place, &program.print()]);
        }
    }

    /// Notes what hidden values went through. Never give it a value: what is noted is a digest that anybody may try to guess.
    pub fn judge_written(&self, kind: &str, parts: &[&str]) {
        self.recall.judge_by(&known_by(kind, parts), self.recall.plays());
    }
}

impl Judged {
    /// Whether it notes that this field was given the value again that it had.
    #[must_use]
    pub fn keeps(&self, field: &Name) -> bool {
        self.on.strip_prefix(KEPT) == Some(field.as_str())
    }

    /// Whether it notes only in which words something was said.
    #[must_use]
    pub fn is_of_words(&self) -> bool {
        [SAID, PROBLEM].iter().any(|kind| self.on.strip_prefix(kind).is_some_and(|digest| digest.starts_with(':')))
    }
}

/// By which it is known again that a field has the same to say of what is wrong with a value.
fn problem_of(datapoint: &Datapoint) -> String {
    format!("{}:", known_by(PROBLEM, &[&datapoint.rule(), &*datapoint.name]))
}

/// A digest of what was written, by which it is known again.
pub(super) fn known_by(kind: &str, parts: &[impl AsRef<[u8]>]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_ref());
        digest.update([0]);
    }
    let digest = digest.finalize();
    format!("{kind}:{}", hex(digest.get(..8).unwrap_or(&digest)))
}

fn is_tainted(read: &Read, view: &View<'_>) -> bool {
    let Some((first, rest)) = read.keys.split_first() else {
        return !matches!(read.root, Root::Now | Root::Outcome | Root::User | Root::Conversation)
            && view.whole(read.root).is_some_and(|v| !v.taint.is_clean());
    };
    let Some(node) = view.member(read.root, first) else { return false };
    !node.taint.is_clean() && !rest.iter().fold(node.taint.clone(), |taint, key| taint.member(Some(key))).is_clean()
}
