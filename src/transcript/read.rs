//! Reads transcripts from their files. What is wrong is said as of any other file: by code, at its place, with a hint.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::reader::Reader;
use super::script::{
    Check, CheckKind, Entry, EntryKind, ExpectedCall, Operator, Reply, Saying, Script, Speaker, Stub, StubFault, StubLists, Word,
};
use crate::engine::{Command, Phase, Status};
use crate::expr::Program;
use crate::model::Workspace;
use crate::source::{Code, Diagnostics, FileId, Span};
use crate::syntax::keys::transcript as keys;
use crate::syntax::{self, Entry as Pair, Node};
use crate::value::{Json, Name, Slug};

/// A document of a file of transcripts: the script, if nothing is wrong with it.
#[derive(Debug)]
pub struct Document {
    /// Its name, as far as it can be read.
    pub name: Option<String>,
    /// Where it begins.
    pub span: Span,
    /// The script, if it can be run.
    pub script: Option<Script>,
    /// What is wrong with it.
    pub diagnostics: Diagnostics,
}

/// The transcripts of a file. With a workspace, the actions and journeys that they name must be there.
#[must_use]
pub fn read(file: FileId, source: &str, workspace: Option<&Workspace>) -> Vec<Document> {
    let parsed = syntax::parse(file, source);
    let mut documents: Vec<Document> = parsed
        .documents
        .iter()
        .map(|node| {
            let mut reader = Reader { source, workspace, diagnostics: Diagnostics::default() };
            let script = reader.script(node);
            let name = node.get("name").and_then(Node::str).map(str::to_owned);
            let script = script.filter(|_| !reader.diagnostics.has_errors());
            reader.diagnostics.sort();
            Document { name, span: node.span, script, diagnostics: reader.diagnostics }
        })
        .collect();
    if !parsed.diagnostics.0.is_empty() {
        let span = parsed.diagnostics.0.first().map_or_else(Span::default, |d| d.span);
        documents.push(Document { name: None, span, script: None, diagnostics: parsed.diagnostics });
    }
    documents
}

/// A file of stubs: what stands under `stubs:` in a transcript.
#[must_use]
pub fn read_stubs(file: FileId, source: &str, workspace: Option<&Workspace>) -> (StubLists, Diagnostics) {
    let parsed = syntax::parse(file, source);
    let mut reader = Reader { source, workspace, diagnostics: parsed.diagnostics };
    let mut stubs = StubLists::new();
    for document in &parsed.documents {
        stubs.extend(reader.stubs(document));
    }
    (stubs, reader.diagnostics)
}

impl Reader<'_> {
    fn script(&mut self, node: &Node<'_>) -> Option<Script> {
        self.map(node, "a transcript")?;
        self.known(node, &keys::TRANSCRIPT);
        let name = self.required(node, "name").and_then(|n| self.text(n));
        let journey = node.get("journey").and_then(|n| self.startable(n));
        let context = node.get("context").map_or(Json::Null, |n| self.context(n));
        let now = node.get("now").and_then(|n| self.time(n));
        let strict = node.get("strict").and_then(Node::bool).unwrap_or(false);
        let stubs = node.get("stubs").map(|n| self.stubs(n));
        let talk = self.required(node, "talk").map(|n| self.list(n).iter().filter_map(|e| self.talk(e)).collect());
        let span = node.entry("name").map_or(node.span, |e| e.value.span);
        Some(Script { name: name?, span, journey, context, now, strict, stubs, talk: talk? })
    }

    fn journey(&mut self, node: &Node<'_>) -> Option<(Name, Span)> {
        let written = self.text(node)?;
        if let Some(workspace) = self.workspace
            && workspace.journey(&written).is_none()
        {
            let known = workspace.journeys.values().map(|j| &*j.slug.shown);
            self.unknown(Code::WP0206, node.span, "journey", &written, known);
            return None;
        }
        Some((Name::new(&written), node.span))
    }

    /// A journey that a conversation can begin with.
    fn startable(&mut self, node: &Node<'_>) -> Option<(Name, Span)> {
        let (name, span) = self.journey(node)?;
        if self.workspace.and_then(|w| w.journeys.get(&name)).is_some_and(|j| j.callable || j.trigger.is_none()) {
            return self.wrong(span, &format!("`{name}` is callable: nothing starts it but `run`"), "name the journey that runs it");
        }
        Some((name, span))
    }

    /// As a host sends it: bare, or under `context` beside a version.
    fn context(&mut self, node: &Node<'_>) -> Json {
        if self.map(node, "a context").is_none() {
            return Json::Null;
        }
        let inner = if node.get("version").is_some() { node.get("context").unwrap_or(node) } else { node };
        inner.json()
    }

    fn time(&mut self, node: &Node<'_>) -> Option<Timestamp> {
        let written = self.text(node)?;
        match written.parse() {
            Ok(time) => Some(time),
            Err(_) => self.wrong(node.span, &format!("`{written}` is not a time"), "write it as `2026-01-05T09:00:00Z`"),
        }
    }

    pub(super) fn stubs(&mut self, node: &Node<'_>) -> StubLists {
        let mut lists = StubLists::new();
        if self.map(node, "stubs by action").is_none() {
            return lists;
        }
        for pair in node.entries() {
            let Some(action) = self.action(&pair.key, pair.key_span) else { continue };
            let stubs = if pair.value.is_map() {
                self.stub(&pair.value).into_iter().collect()
            } else {
                self.list(&pair.value).iter().filter_map(|n| self.stub(n)).collect()
            };
            lists.insert(action, stubs);
        }
        lists
    }

    fn stub(&mut self, node: &Node<'_>) -> Option<Stub> {
        self.map(node, "a stub")?;
        self.known(node, &keys::STUB);
        let when = node.get("when").and_then(|n| self.expression(n));
        let status = node.get("status").map_or(Some(200), |n| self.status(n));
        let mut headers = Vec::new();
        for pair in node.get("headers").map(Node::entries).unwrap_or_default() {
            if let Some(value) = self.text(&pair.value) {
                headers.push((pair.key.to_lowercase().into(), value.into()));
            }
        }
        let body = Arc::new(node.entry("body").map_or(Json::Null, |e| e.value.json()));
        let fault = match node.get("fault") {
            None => None,
            Some(n) => {
                let written = self.text(n)?;
                Some(self.one_of(n.span, "a fault", &written, &StubFault::ALL)?)
            }
        };
        Some(Stub { span: node.span, when, reply: Reply { status: status?, headers, body, fault } })
    }

    fn status(&mut self, node: &Node<'_>) -> Option<u16> {
        match node.whole().and_then(|n| u16::try_from(n).ok()).filter(|n| (100..600).contains(n)) {
            Some(status) => Some(status),
            None => self.wrong(node.span, "a status is a number from 100 to 599", "write one, such as `200`"),
        }
    }

    fn expression(&mut self, node: &Node<'_>) -> Option<Program> {
        let text = self.located(node)?;
        let (program, faults) = Program::parse(text.clone());
        for fault in &faults {
            self.fault(&text, fault);
        }
        faults.is_empty().then_some(program)
    }

    fn talk(&mut self, node: &Node<'_>) -> Option<Entry> {
        self.map(node, "an entry of `talk`")?;
        self.known(node, &keys::TALK);
        let [pair] = node.entries() else {
            let span = node.entries().get(1).map_or(node.span, |e| e.key_span);
            return self.wrong(span, "an entry of `talk` has exactly one key", "begin a new entry with `- ` for each");
        };
        let kind = match &*pair.key {
            "user" if !pair.value.is_map() => EntryKind::Say(self.text(&pair.value)?.into()),
            "user" => EntryKind::Command(Speaker::User, self.command(&pair.value)?),
            "agent" => EntryKind::Command(Speaker::Agent, self.command(&pair.value)?),
            "operator" => self.operator(&pair.value)?,
            "host" => EntryKind::Host(self.host(&pair.value)?),
            "decision" => self.decision(&pair.value)?,
            "wait" => EntryKind::Wait(self.duration(&pair.value)?),
            "expect" => EntryKind::Expect(self.expect(&pair.value)?),
            "crash" if pair.value.bool() == Some(true) => EntryKind::Crash,
            "crash" => return self.wrong(pair.value.span, "a crash is `true`", "write `crash: true`, or leave it out"),
            _ => return None,
        };
        Some(Entry { span: pair.key_span, kind })
    }

    fn decision(&mut self, node: &Node<'_>) -> Option<EntryKind> {
        self.map(node, "a decision's deed")?;
        self.known(node, &keys::DECISION);
        let start = self.required(node, "start")?;
        match self.named_command("start", start.span, start)? {
            Command::Start { journey, variables } => Some(EntryKind::Decision(journey, variables)),
            _ => None,
        }
    }

    fn host(&mut self, node: &Node<'_>) -> Option<Word> {
        self.map(node, "a host's word")?;
        self.known(node, &keys::HOST);
        let [pair] = node.entries() else {
            return self.wrong(node.span, "a host says one thing at a time", "write `context:`, `identified:`, `discover:` or `execute:`");
        };
        match &*pair.key {
            "context" => return Some(Word::Context(Arc::new(self.context(&pair.value)))),
            "identified" => {}
            word @ ("discover" | "execute") => return self.named_command(word, pair.key_span, &pair.value).map(Word::Command),
            _ => return None,
        }
        let node = &pair.value;
        self.map(node, "a verification")?;
        self.known(node, &keys::IDENTIFIED);
        let subject = self.required(node, "subject").and_then(|n| self.text(n))?.into();
        let level = match node.get("level").map(|n| (n.span, n.whole().and_then(|n| u32::try_from(n).ok()))) {
            None => 1,
            Some((_, Some(level))) => level,
            Some((span, None)) => return self.wrong(span, "a level is a whole number", "write one, such as `1`"),
        };
        let mut time = |key| node.get(key).map(|n| self.time(n));
        Some(Word::Identified { subject, level, at: time("at").flatten(), expires: time("expires").flatten() })
    }

    fn duration(&mut self, node: &Node<'_>) -> Option<Duration> {
        let written = self.text(node)?;
        match syntax::millis(&written, 1_000) {
            Some(millis) => Some(Duration::from_millis(millis)),
            None => self.wrong(node.span, &format!("`{written}` is not a duration"), "write it as `30s`, `20m` or `24h`"),
        }
    }

    /// A command, beside it who gives it: `id` and `roles`.
    fn operator(&mut self, node: &Node<'_>) -> Option<EntryKind> {
        let id = node.get("id").and_then(|n| self.text(n)).unwrap_or_else(|| "operator".into());
        let roles = node.get("roles").map(|n| self.list(n).iter().filter_map(|n| self.text(n)).map(Arc::from).collect());
        let operator = Operator { id: id.into(), roles };
        if !node.is_map() {
            return Some(EntryKind::Operator(operator, self.command(node)?));
        }
        let mut commands = node.entries().iter().filter(|e| !matches!(&*e.key, "id" | "roles"));
        let (Some(pair), None) = (commands.next(), commands.next()) else {
            return self.wrong(node.span, "an operator gives exactly one command", "write one, beside `id` and `roles` if they matter");
        };
        Some(EntryKind::Operator(operator, self.named_command(&pair.key, pair.key_span, &pair.value)?))
    }

    /// A word, or a map with the command as its one key.
    fn command(&mut self, node: &Node<'_>) -> Option<Command> {
        if let Some(word) = node.str() {
            let nothing = Node { span: node.span, kind: syntax::NodeKind::List(Vec::new()) };
            return self.named_command(word, node.span, &nothing);
        }
        self.map(node, "a command")?;
        let [pair] = node.entries() else {
            return self.wrong(node.span, "a command has exactly one key", "write each command as an entry of its own");
        };
        self.named_command(&pair.key, pair.key_span, &pair.value)
    }

    fn named_command(&mut self, word: &str, span: Span, body: &Node<'_>) -> Option<Command> {
        Some(match word {
            "start" if body.is_map() => {
                self.known(body, &keys::START);
                let (journey, _) = self.required(body, "journey").and_then(|n| self.journey(n))?;
                let variables = body.get("variables").map(|n| self.values(n)).unwrap_or_default();
                Command::Start { journey, variables }
            }
            "start" => Command::Start { journey: self.journey(body)?.0, variables: Vec::new() },
            "fill" => Command::Fill(self.values(body)),
            "correct" => Command::Correct(self.values(body)),
            "change" => Command::Change(self.values(body)),
            "choose" => Command::Choose(self.text(body)?.into()),
            "confirm" => Command::Confirm { question: None },
            "reject" => Command::Reject { question: None },
            "next" => Command::Next,
            "back" => Command::Back,
            "stuck" => Command::Stuck,
            "read" => self.read_command(body)?,
            "finding" => Command::Finding(Name::new(&self.text(body)?)),
            "cancel" => Command::Cancel,
            "handoff" => Command::Handoff(body.str().map(Into::into)),
            "resume" => Command::Resume,
            "take_over" => Command::TakeOver,
            "say" => Command::Say(self.text(body)?.into()),
            "hand_back" => Command::HandBack,
            "discover" => Command::Discover,
            "execute" => self.execute_command(body)?,
            "approve" | "refuse" => {
                // Without its id, what waits is meant.
                let mut hold: Arc<str> = "".into();
                let mut note = body.str().map(Into::into);
                if body.is_map() {
                    self.known(body, &keys::HOLD);
                    hold = body.get("hold").and_then(|n| self.text(n)).unwrap_or_default().into();
                    note = body.get("note").and_then(Node::str).map(Into::into);
                }
                if word == "approve" { Command::Approve { hold, note } } else { Command::Refuse { hold, note } }
            }
            _ => {
                self.unknown(Code::WP0103, span, "command", word, keys::COMMAND.keys.iter().map(|k| k.name));
                return None;
            }
        })
    }

    fn execute_command(&mut self, node: &Node<'_>) -> Option<Command> {
        self.map(node, "an execution")?;
        self.known(node, &keys::EXECUTE);
        let named = self.required(node, "action")?;
        let written = self.text(named)?;
        let (provider, _) = self.action(&written, named.span)?;
        let action = written.split_once('.').map_or("", |(_, action)| action).into();
        let inputs = node.get("inputs").map_or_else(|| json!({}), Node::json);
        let confirmed = node.get("confirmed").and_then(Node::bool).unwrap_or(false);
        Some(Command::Execute { provider, action, inputs: Arc::new(inputs), confirmed })
    }

    /// `{action: x.y, inputs: {…}}`, or short `{x.y: {…}}`.
    fn read_command(&mut self, node: &Node<'_>) -> Option<Command> {
        self.map(node, "a read")?;
        let (action, span, inputs) = match (node.get("action"), node.entries()) {
            (Some(action), _) => {
                self.known(node, &keys::READ);
                (self.text(action)?, action.span, node.get("inputs").map(|n| self.values(n)).unwrap_or_default())
            }
            (None, [pair]) => (pair.key.to_string(), pair.key_span, self.values(&pair.value)),
            (None, _) => return self.wrong(node.span, "a read names one action", "write `read: {orders.get: {order_id: A1}}`"),
        };
        self.action(&action, span)?;
        Some(Command::Read { action: action.into(), inputs })
    }

    fn values(&mut self, node: &Node<'_>) -> Vec<(Name, Json)> {
        if !node.is_null() && self.map(node, "values by name").is_none() {
            return Vec::new();
        }
        node.entries().iter().map(|e| (Name::new(&e.key), e.value.json())).collect()
    }

    fn expect(&mut self, node: &Node<'_>) -> Option<Vec<Check>> {
        self.map(node, "what is expected")?;
        self.known(node, &keys::EXPECT);
        Some(
            node.entries()
                .iter()
                .filter_map(|pair| Some(Check { span: pair.key_span, value: pair.value.span, kind: self.check(pair)? }))
                .collect(),
        )
    }

    fn check(&mut self, pair: &Pair<'_>) -> Option<CheckKind> {
        let node = &pair.value;
        Some(match &*pair.key {
            "says" if node.is_list() => CheckKind::Says(node.items().iter().filter_map(|n| self.saying(n)).collect()),
            "says" => CheckKind::Says(vec![self.saying(node)?]),
            "phase" => {
                let written = self.text(node)?;
                let full = if written.starts_with("phase_") { written } else { format!("phase_{written}") };
                CheckKind::Phase(self.one_of(node.span, "a phase", &full, &PHASES)?)
            }
            "status" => {
                let written = self.text(node)?;
                CheckKind::Status(self.one_of(node.span, "a status", &written, &STATUSES)?)
            }
            "outcome" => CheckKind::Outcome(Slug::new(&self.text(node)?).name),
            "journey" => CheckKind::Journey(self.journey(node)?.0),
            "options" => CheckKind::Options(self.list(node).iter().filter_map(|n| self.text(n)).collect()),
            "variables" => CheckKind::Variables(self.values(node)),
            "calls" => CheckKind::Calls(self.list(node).iter().filter_map(|n| self.call(n)).collect()),
            "not_called" => {
                let one = std::slice::from_ref(node);
                let items = if node.is_list() { node.items() } else { one };
                CheckKind::NotCalled(items.iter().filter_map(|n| self.text(n).and_then(|t| self.action(&t, n.span))).collect())
            }
            "errors" => CheckKind::Errors(self.errors(node)),
            "refused" => CheckKind::Refused(self.text(node)?),
            "denied" => CheckKind::Denied(self.text(node)?),
            "audit" => {
                let one = std::slice::from_ref(node);
                let items = if node.is_list() { node.items() } else { one };
                CheckKind::Audit(items.iter().filter_map(|n| self.text(n)).collect())
            }
            "case" => CheckKind::Case(node.json()),
            _ => return None,
        })
    }

    fn saying(&mut self, node: &Node<'_>) -> Option<Saying> {
        if !node.is_map() {
            return Some(Saying::Contains(self.text(node)?));
        }
        self.known(node, &keys::SAYING);
        let [pair] = node.entries() else {
            return self.wrong(node.span, "this says how to compare twice", "keep one of `is` and `matches`");
        };
        let text = self.text(&pair.value)?;
        match &*pair.key {
            "is" => Some(Saying::Is(text)),
            "matches" => match regex::RegexBuilder::new(&text).size_limit(1 << 20).build() {
                Ok(regex) => Some(Saying::Matches(regex)),
                Err(_) => self.wrong(
                    pair.value.span,
                    &format!("`{text}` is no regular expression"),
                    "escape `( ) [ ] . * + ?` by a backslash to mean themselves",
                ),
            },
            _ => None,
        }
    }

    /// `x.y`, or `{x.y: {input: value}}`.
    fn call(&mut self, node: &Node<'_>) -> Option<ExpectedCall> {
        if let Some(written) = node.str() {
            return Some(ExpectedCall { span: node.span, action: self.action(written, node.span)?, inputs: json!({}) });
        }
        self.map(node, "a call")?;
        let [pair] = node.entries() else {
            return self.wrong(node.span, "a call names one action", "write each as an entry: `- orders.get: {order_id: A1}`");
        };
        let inputs = if pair.value.is_null() { json!({}) } else { pair.value.json() };
        Some(ExpectedCall { span: node.span, action: self.action(&pair.key, pair.key_span)?, inputs })
    }

    /// `{field: code}`, or a list of fields.
    fn errors(&mut self, node: &Node<'_>) -> Vec<(Name, Option<String>)> {
        if node.is_map() {
            return node.entries().iter().map(|e| (Name::new(&e.key), e.value.str().map(str::to_owned))).collect();
        }
        self.list(node).iter().filter_map(|n| self.text(n).map(|t| (Name::new(&t), None))).collect()
    }
}

const PHASES: [(&str, Phase); 10] = [
    ("phase_collect", Phase::Collect),
    ("phase_choice", Phase::Choice),
    ("phase_confirm", Phase::Confirm),
    ("phase_guide", Phase::Guide),
    ("phase_investigate", Phase::Investigate),
    ("phase_hold", Phase::Hold),
    ("phase_working", Phase::Working),
    ("phase_done", Phase::Done),
    ("phase_escalated", Phase::Escalated),
    ("phase_idle", Phase::Idle),
];

const STATUSES: [(&str, Status); 6] = [
    ("active", Status::Active),
    ("paused", Status::Paused),
    ("completed", Status::Completed),
    ("escalated", Status::Escalated),
    ("abandoned", Status::Abandoned),
    ("cancelled", Status::Cancelled),
];
