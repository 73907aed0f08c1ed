//! Compares what is expected with what was seen. Runs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::script::{Check, CheckKind, ExpectedCall, Saying};
use super::stubs::Call;
use super::write::flow;
use crate::engine::{self, Answer, Phase, Status};
use crate::model::action::Effects;
use crate::source::Span;
use crate::value::{Json, Name, Value, display};

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it is written.
    pub span: Span,
    /// One lower-case sentence.
    pub message: String,
    /// What should have been.
    pub expected: Option<String>,
    /// What was.
    pub actual: Option<String>,
    /// What to write in place of it, if what was is right.
    pub fix: Option<Fix>,
}

/// What an expectation would have to say to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The value in the file.
    pub span: Span,
    /// What goes there.
    pub text: String,
    /// Whether it accepts that a gate or a call is another.
    pub gate: bool,
}

impl Failure {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), expected: None, actual: None, fix: None }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(super) fn actual(mut self, actual: impl Into<String>) -> Self {
        self.actual = Some(actual.into());
        self
    }
}

/// What was seen since the last expectations.
pub(super) struct Seen<'a> {
    /// The last answer.
    pub(super) answer: &'a Answer,
    /// The variables of the run on top, or of the one that ended last.
    pub(super) variables: &'a BTreeMap<Name, Value>,
    /// Calls.
    pub(super) calls: &'a [Call],
    /// Codes that calls were denied with.
    pub(super) denied: &'a [Arc<str>],
    /// Lines of the audit, as they are written in a transcript.
    pub(super) audit: &'a [String],
    /// The case; `null` if there is none.
    pub(super) case: &'a Json,
    /// Whether a call that is not listed fails `calls`.
    pub(super) strict: bool,
}

/// Why the expectations of an entry are not met.
pub(super) fn check_all(checks: &[Check], seen: &Seen<'_>) -> Vec<Failure> {
    let said = |wanted: fn(&CheckKind) -> bool| checks.iter().any(|c| wanted(&c.kind));
    // What nothing is said of may be another than it was: then no other word of the entry can be taken as it is now.
    let calls = !seen.calls.is_empty() && !said(|k| matches!(k, CheckKind::Calls(_)));
    let asks = is_gate(seen.answer.phase) && !said(|k| matches!(k, CheckKind::Phase(_)));
    let failures = checks.iter().filter_map(|c| {
        let failure = check(c, seen)?;
        let fix = failure.fix.clone().or_else(|| fix(c, seen)).map(|f| Fix { gate: f.gate || calls || asks, ..f });
        Some(Failure { fix, ..failure })
    });
    failures.collect()
}

/// Whether a write was made that no `calls` of the entry names: that nobody looks at.
pub(super) fn has_unasked_write(checks: &[Check], calls: &[Call]) -> bool {
    let named: Vec<&ExpectedCall> =
        checks.iter().filter_map(|c| if let CheckKind::Calls(named) = &c.kind { Some(named) } else { None }).flatten().collect();
    calls.iter().any(|call| call.effects == Effects::Write && !named.iter().any(|n| fits(n, call)))
}

/// Whether an entry says that something else than a question stood there.
pub(super) fn is_pinned(checks: &[Check]) -> bool {
    checks.iter().any(|c| match &c.kind {
        CheckKind::Phase(phase) => !is_gate(*phase),
        CheckKind::Options(options) => !options.is_empty(),
        CheckKind::Status(status) => *status != Status::Active,
        _ => false,
    })
}

pub(super) fn is_gate(phase: Phase) -> bool {
    matches!(phase, Phase::Confirm | Phase::Hold)
}

/// What would be met, where that can be written.
fn fix(check: &Check, seen: &Seen<'_>) -> Option<Fix> {
    let answer = seen.answer;
    let list = |items: Vec<Json>| Json::Array(items);
    let text = |text: Option<&Arc<str>>| text.map(|t| Json::from(&**t));
    let (json, gate) = match &check.kind {
        CheckKind::Says(_) if answer.messages.is_empty() || answer.sensitive => return None,
        CheckKind::Says(sayings) => {
            let whole = matches!(&**sayings, [Saying::Is(_)]);
            let several = sayings.len() > 1 && answer.messages.len() > 1;
            let said = if several { list(answer.messages.iter().map(|m| (**m).into()).collect()) } else { answer.text().into() };
            (if whole { json!({"is": said}) } else { said }, false)
        }
        CheckKind::Phase(phase) => (serde_json::to_value(answer.phase).ok()?, is_gate(*phase) || is_gate(answer.phase)),
        CheckKind::Status(_) => (serde_json::to_value(answer.status).ok()?, false),
        CheckKind::Outcome(_) => (text(answer.outcome.as_ref())?, false),
        CheckKind::Journey(_) => (text(answer.journey.as_ref())?, false),
        CheckKind::Options(_) => (list(answer.options.iter().map(|o| (*o.id).into()).collect()), false),
        CheckKind::Variables(names) => {
            let value = |name: &Name| seen.variables.get(name).map(engine::shown).unwrap_or_default();
            (Json::Object(names.iter().map(|(name, _)| (name.to_string(), value(name))).collect()), false)
        }
        CheckKind::Calls(_) => (list(seen.calls.iter().map(|c| json!({c.action.to_string(): c.plain()})).collect()), true),
        CheckKind::NotCalled(names) => {
            let still = names.iter().filter(|name| !seen.calls.iter().any(|c| c.is_of(name)));
            (list(still.map(|(integration, action)| format!("{integration}.{action}").into()).collect()), true)
        }
        CheckKind::Errors(_) => (Json::Object(answer.errors.iter().map(|e| (e.field.to_string(), (*e.code).into())).collect()), false),
        CheckKind::Refused(_) => ((*answer.refused.as_ref()?.code).into(), true),
        CheckKind::Denied(_) => ((**seen.denied.first()?).into(), true),
        CheckKind::Audit(_) => (list(seen.audit.iter().map(|l| l.as_str().into()).collect()), true),
        CheckKind::Case(_) => (seen.case.clone(), true),
    };
    Some(Fix { span: check.value, text: flow(&json), gate })
}

/// Why an expectation is not met, if it is not.
fn check(check: &Check, seen: &Seen<'_>) -> Option<Failure> {
    let answer = seen.answer;
    let differs = |what: &str, expected: &str, actual: &str| {
        (expected != actual).then(|| Failure::new(check.span, format!("the {what} is another")).expected(expected).actual(actual))
    };
    match &check.kind {
        CheckKind::Says(sayings) => says(check.span, sayings, answer),
        CheckKind::Phase(phase) => differs("phase", &wire(phase), &wire(&answer.phase)),
        CheckKind::Status(status) => differs("status", &wire(status), &wire(&answer.status)),
        CheckKind::Outcome(outcome) => {
            let actual = answer.outcome.as_deref().map(Name::new);
            (actual.as_ref() != Some(outcome)).then(|| {
                let actual = answer.outcome.as_deref().unwrap_or("no run has ended");
                Failure::new(check.span, "the outcome is another").expected(outcome.as_str()).actual(actual)
            })
        }
        CheckKind::Journey(journey) => {
            let actual = answer.journey.as_deref().map(Name::new);
            (actual.as_ref() != Some(journey)).then(|| {
                let actual = answer.journey.as_deref().unwrap_or("none");
                Failure::new(check.span, "it is in another journey").expected(journey.as_str()).actual(actual)
            })
        }
        CheckKind::Options(expected) => options(check.span, expected, answer),
        CheckKind::Variables(expected) => variables(check.span, expected, seen.variables),
        CheckKind::Calls(expected) => calls(check.span, expected, seen),
        CheckKind::NotCalled(actions) => actions.iter().find_map(|action| {
            let call = seen.calls.iter().find(|c| c.is_of(action))?;
            Some(Failure::new(check.span, format!("`{}` was called", call.action)).expected("not called").actual(shown(call)))
        }),
        CheckKind::Errors(expected) => errors(check.span, expected, answer),
        CheckKind::Refused(code) => match &answer.refused {
            Some(refusal) if *refusal.code == **code => None,
            Some(refusal) => {
                let actual = format!("{}: {}", refusal.code, refusal.reason);
                Some(Failure::new(check.span, "it was refused with another code").expected(code).actual(actual))
            }
            None => Some(Failure::new(check.span, "it was not refused").expected(code).actual(said(answer))),
        },
        CheckKind::Denied(code) => (!seen.denied.iter().any(|d| **d == **code)).then(|| {
            let actual = if seen.denied.is_empty() { "no call was denied".to_owned() } else { seen.denied.join(", ") };
            Failure::new(check.span, "no call was denied with this code").expected(code).actual(actual)
        }),
        CheckKind::Audit(expected) => audit(check.span, expected, seen.audit),
        CheckKind::Case(expected) => (!is_part(expected, seen.case)).then(|| {
            let actual = if seen.case.is_null() { "there is none".to_owned() } else { seen.case.to_string() };
            Failure::new(check.span, "the case is another").expected(expected.to_string()).actual(actual)
        }),
    }
}

fn audit(span: Span, expected: &[String], lines: &[String]) -> Option<Failure> {
    let mut rest = lines.iter();
    let missing = expected.iter().find(|words| !rest.any(|line| line.starts_with(words.as_str())))?;
    let actual = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") };
    Some(Failure::new(span, "the audit does not say this").expected(missing).actual(actual))
}

/// A value as it goes over the wire.
fn wire(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).map(|v| display(&v)).unwrap_or_default()
}

fn said(answer: &Answer) -> String {
    match answer.messages.is_empty() {
        true => "nothing was said".into(),
        false if answer.sensitive => "[redacted]".into(),
        false => answer.text(),
    }
}

/// One that stands alone is compared with all that is said; several each with a message, in order.
fn says(span: Span, sayings: &[Saying], answer: &Answer) -> Option<Failure> {
    let text = answer.text();
    let missing = if let [only] = sayings {
        (!holds(only, &text)).then_some(only)
    } else {
        let mut rest = answer.messages.iter().map(|m| &**m).peekable();
        sayings.iter().find(|saying| {
            while let Some(message) = rest.peek() {
                if holds(saying, message) {
                    return false;
                }
                rest.next();
            }
            true
        })
    }?;
    let (message, expected) = match missing {
        Saying::Contains(text) => ("this is not said", text.clone()),
        Saying::Is(text) => ("something else is said", text.clone()),
        Saying::Matches(regex) => ("nothing that is said matches", regex.as_str().to_owned()),
    };
    Some(Failure::new(span, message).expected(expected).actual(said(answer)))
}

fn holds(saying: &Saying, text: &str) -> bool {
    match saying {
        Saying::Contains(part) => text.contains(&**part),
        Saying::Is(whole) => text.trim() == whole.trim(),
        Saying::Matches(regex) => regex.is_match(text),
    }
}

fn options(span: Span, expected: &[String], answer: &Answer) -> Option<Failure> {
    let same = expected.len() == answer.options.len()
        && expected.iter().zip(&answer.options).all(|(e, a)| Name::new(e) == Name::new(&a.id) || **e == *a.label);
    (!same).then(|| {
        let actual: Vec<String> = answer.options.iter().map(|o| format!("{} ({})", o.id, o.label)).collect();
        let actual = if actual.is_empty() { "there are no options".to_owned() } else { actual.join(", ") };
        Failure::new(span, "the options are others").expected(expected.join(", ")).actual(actual)
    })
}

fn variables(span: Span, expected: &[(Name, Json)], actual: &BTreeMap<Name, Value>) -> Option<Failure> {
    expected.iter().find_map(|(name, value)| {
        let found = actual.get(name).map_or(&Json::Null, |v| &v.json);
        (!is_part(value, found)).then(|| {
            let actual = actual.get(name).map(engine::shown).unwrap_or_default();
            Failure::new(span, format!("the variable `{name}` has another value")).expected(value.to_string()).actual(actual.to_string())
        })
    })
}

/// In order, others may stand between; an empty list means that there was none. Strict: these and no others.
fn calls(span: Span, expected: &[ExpectedCall], seen: &Seen<'_>) -> Option<Failure> {
    let all = || {
        let list: Vec<String> = seen.calls.iter().map(shown).collect();
        if list.is_empty() { "nothing was called".to_owned() } else { list.join("\n") }
    };
    let exact = seen.strict || expected.is_empty();
    let mut rest = seen.calls.iter();
    for wanted in expected {
        let found = if exact { rest.next().filter(|c| fits(wanted, c)) } else { rest.find(|c| fits(wanted, c)) };
        if found.is_none() {
            let expected = format!("{}.{} {}", wanted.action.0, wanted.action.1, wanted.inputs);
            return Some(Failure::new(wanted.span, "this call was not made, or not in this order").expected(expected).actual(all()));
        }
    }
    let more = rest.next().filter(|_| exact)?;
    let expected = if expected.is_empty() { "no call" } else { "no call beside these" };
    Some(Failure::new(span, format!("`{}` was called too", more.action)).expected(expected).actual(all()))
}

fn shown(call: &Call) -> String {
    format!("{} {}", call.action, call.shown)
}

fn fits(wanted: &ExpectedCall, call: &Call) -> bool {
    let (Json::Object(wanted_inputs), Json::Object(inputs)) = (&wanted.inputs, &*call.inputs) else {
        return call.is_of(&wanted.action) && is_part(&wanted.inputs, &call.inputs);
    };
    call.is_of(&wanted.action)
        && wanted_inputs.iter().all(|(key, value)| {
            let name = Name::new(key);
            let found = inputs.iter().find(|(k, _)| Name::new(k) == name).map_or(&Json::Null, |(_, v)| v);
            is_part(value, found)
        })
}

/// Maps by what is known of them, numbers by value, everything else as it is.
fn is_part(expected: &Json, actual: &Json) -> bool {
    match (expected, actual) {
        (Json::Object(e), Json::Object(a)) => e.iter().all(|(k, v)| is_part(v, a.get(k).unwrap_or(&Json::Null))),
        (Json::Array(e), Json::Array(a)) => e.len() == a.len() && e.iter().zip(a).all(|(e, a)| is_part(e, a)),
        (Json::Number(e), Json::Number(a)) => e == a || e.as_f64().zip(a.as_f64()).is_some_and(|(e, a)| e.total_cmp(&a).is_eq()),
        _ => expected == actual,
    }
}

fn errors(span: Span, expected: &[(Name, Option<String>)], answer: &Answer) -> Option<Failure> {
    let met = expected
        .iter()
        .all(|(field, code)| answer.errors.iter().any(|e| e.field == *field && code.as_ref().is_none_or(|code| **code == *e.code)));
    if met && expected.is_empty() == answer.errors.is_empty() {
        return None;
    }
    let list = |items: Vec<String>| if items.is_empty() { "no errors".to_owned() } else { items.join(", ") };
    let wanted = expected.iter().map(|(f, c)| c.as_ref().map_or_else(|| f.to_string(), |c| format!("{f}: {c}"))).collect();
    let actual = answer.errors.iter().map(|e| format!("{}: {}", e.field, e.code)).collect();
    Some(Failure::new(span, "the errors are others").expected(list(wanted)).actual(list(actual)))
}
