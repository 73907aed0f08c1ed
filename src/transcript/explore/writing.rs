//! Paths as transcripts: run once for what is to be seen, written with all of it as expectations, and run again as they are written.

use std::fmt::Write as _;

use serde_json::json;

use super::{Move, Path};
use crate::engine::{Answer, Command, Phase, Status};
use crate::model::Journey;
use crate::source::{FileId, Span};
use crate::transcript::script::{Entry, EntryKind, Operator, Script, Speaker, StubFault, StubLists};
use crate::transcript::stubs::Call;
use crate::transcript::write::{flow, scalar};
use crate::transcript::{After, Runner, read};
use crate::value::{Json, Name};

/// A transcript made of a path.
#[derive(Debug, Clone)]
pub struct Written {
    /// The document.
    pub text: String,
    /// Why it does not pass as it is written, if it does not.
    pub fails: Option<String>,
}

/// Writes a path down as a transcript of that name.
pub async fn write(runner: &Runner, journey: &Journey, context: &Json, name: &str, path: &Path) -> Written {
    let script = Script {
        name: name.to_owned(),
        span: Span::NOWHERE,
        journey: Some((journey.slug.name.clone(), Span::NOWHERE)),
        context: context.clone(),
        now: None,
        strict: false,
        stubs: Some(shortened(&path.stubs)),
        talk: std::iter::once(EntryKind::Expect(Vec::new()))
            .chain(path.moves.iter().map(entry))
            .map(|kind| Entry { span: Span::NOWHERE, kind })
            .collect(),
    };
    let watched = runner.watched(&script).await;
    let text = document(&script, journey, path, &watched.seen);
    let document = read(FileId(0), &text, Some(runner.loaded())).into_iter().next();
    let fails = match document.and_then(|d| d.script) {
        None => Some("it cannot be read".to_owned()),
        Some(script) => runner.run(&script).await.into_iter().next().map(|f| f.message),
    };
    Written { text, fails }
}

fn entry(way: &Move) -> EntryKind {
    match way {
        Move::Say(text) => EntryKind::Say(text.clone()),
        Move::User(command) => EntryKind::Command(Speaker::User, command.clone()),
        Move::Agent(command) => EntryKind::Command(Speaker::Agent, command.clone()),
        Move::Operator(command) => EntryKind::Operator(Operator { id: "operator".into(), roles: None }, command.clone()),
        Move::Wait(seconds) => EntryKind::Wait(std::time::Duration::from_secs(*seconds)),
    }
}

/// The last stub repeats: what only repeats it is left out.
fn shortened(stubs: &StubLists) -> StubLists {
    let mut out = stubs.clone();
    for list in out.values_mut() {
        let same = |a: &crate::transcript::Stub, b: &crate::transcript::Stub| {
            (a.reply.status, &a.reply.body, a.reply.fault) == (b.reply.status, &b.reply.body, b.reply.fault)
        };
        while let [.., before, last] = &**list {
            if !same(before, last) {
                break;
            }
            list.pop();
        }
    }
    out
}

fn document(script: &Script, journey: &Journey, path: &Path, seen: &[After]) -> String {
    let mut out = format!("name: {}\njourney: {}\n", scalar(&script.name), journey.slug);
    if !script.context.is_null() {
        let _ = writeln!(out, "context: {}", flow(&script.context));
    }
    if let Some(stubs) = script.stubs.as_ref().filter(|s| !s.is_empty()) {
        out.push_str("stubs:\n");
        for ((integration, action), list) in stubs {
            let shown = |name: &Name| name.as_str().replace('_', "-");
            let _ = writeln!(out, "  {}.{}:", shown(integration), shown(action));
            for stub in list {
                let _ = writeln!(out, "    - {}", reply(stub));
            }
        }
    } else {
        out.push_str("stubs: {}\n");
    }
    out.push_str("talk:\n");
    let mut seen = seen.iter();
    let last = seen.len();
    let mut number = 0;
    let mut expect = |out: &mut String| {
        number += 1;
        if let Some(after) = seen.next() {
            let _ = writeln!(out, "  - expect: {}", flow(&expected(after, number == last)));
        }
    };
    expect(&mut out);
    for way in &path.moves {
        let _ = writeln!(out, "  - {}", said(way));
        expect(&mut out);
    }
    out
}

fn reply(stub: &crate::transcript::Stub) -> String {
    if let Some(fault) = stub.reply.fault {
        let name = StubFault::ALL.iter().find(|(_, f)| *f == fault).map_or("connect", |(name, _)| *name);
        return flow(&json!({"fault": name}));
    }
    match &*stub.reply.body {
        Json::Null => flow(&json!({"status": stub.reply.status})),
        body => flow(&json!({"status": stub.reply.status, "body": body})),
    }
}

/// All that is to be seen at once: what is said, where it stands, and each call.
fn expected(after: &After, ends: bool) -> Json {
    let answer: &Answer = &after.answer;
    let mut map = serde_json::Map::new();
    let mut put = |key: &str, json: Json| map.insert(key.to_owned(), json);
    if let Some(refusal) = &answer.refused {
        put("refused", (*refusal.code).into());
    }
    let words = |m: &std::sync::Arc<str>| m.lines().map(str::trim_end).next().unwrap_or("").to_owned();
    match &*answer.messages {
        [] => {}
        [only] if only.lines().count() == 1 => {
            put("says", (**only).into());
        }
        several => {
            put("says", Json::Array(several.iter().map(|m| words(m).into()).collect()));
        }
    }
    if !answer.options.is_empty() && answer.phase == Phase::Choice {
        put("options", Json::Array(answer.options.iter().map(|o| (*o.id).into()).collect()));
    }
    let over = !matches!(answer.status, Status::Active);
    if over || ends {
        put("status", serde_json::to_value(answer.status).unwrap_or_default());
    }
    if let Some(outcome) = answer.outcome.as_ref().filter(|_| answer.status == Status::Completed) {
        put("outcome", (**outcome).into());
    }
    if !over {
        put("phase", serde_json::to_value(answer.phase).unwrap_or_default());
    }
    if let Some(code) = after.denied.first() {
        put("denied", (**code).into());
    }
    let calls = after.calls.iter().map(|c: &Call| json!({c.action.to_string(): c.plain()}));
    put("calls", Json::Array(calls.collect()));
    Json::Object(map)
}

fn said(way: &Move) -> String {
    let values = |list: &[(Name, Json)]| Json::Object(list.iter().map(|(n, v)| (n.to_string(), v.clone())).collect());
    let command = |who: &str, command: &Command| {
        let json = match command {
            Command::Fill(list) => json!({"fill": values(list)}),
            Command::Change(list) => json!({"change": values(list)}),
            Command::Choose(id) => json!({"choose": id}),
            Command::Confirm { .. } => json!({"confirm": {}}),
            Command::Reject { .. } => json!({"reject": {}}),
            Command::Next => json!({"next": {}}),
            Command::Stuck => json!({"stuck": {}}),
            Command::Read { action, inputs } => json!({"read": {"action": action, "inputs": values(inputs)}}),
            Command::Finding(name) => json!({"finding": name}),
            Command::Approve { .. } => json!({"approve": {}}),
            Command::Refuse { .. } => json!({"refuse": {}}),
            other => json!({"cancel": format!("{other:?}")}),
        };
        format!("{who}: {}", flow(&json))
    };
    match way {
        Move::Say(text) => format!("user: {}", scalar(text)),
        Move::User(c) => command("user", c),
        Move::Agent(c) => command("agent", c),
        Move::Operator(c) => command("operator", c),
        Move::Wait(seconds) => format!("wait: {seconds}s"),
    }
}
