//! The search: breadth first, so that the first path to anything is the shortest.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::hints::{Hints, key};
use super::moves::Waiting;
use super::replies::{Known, replies};
use super::{Bounds, Explored, Move, Path, why};
use crate::check::Loaded;
use crate::engine::input::Open;
use crate::engine::{
    Actor, Answer, CallFailure, CallResult, Command, Effect, EffectId, Event, EventBody, HttpAnswer, Input, InputBody, Keys, Machine,
    Phase, Principal, Progress, State,
};
use crate::expr::Root;
use crate::model::{Action, ErrorKind, Journey, StepKey};
use crate::source::Span;
use crate::transcript::cover::Watch;
use crate::transcript::run::NOW;
use crate::transcript::script::{Reply, Stub, StubFault, StubLists};
use crate::understand::Locale;
use crate::value::{Json, Name};

/// Inputs that follow from one without anybody's doing, at most.
const FOLLOWING: usize = 200;

/// What a path does next.
#[derive(Clone)]
enum Did {
    Began,
    Moved(Move),
    Answered((Name, Name), Box<Reply>),
}

/// A state that was come to, and how.
struct Node {
    before: Option<usize>,
    did: Did,
    /// Who moved last: what follows is theirs.
    actor: Actor,
    state: State,
    now: Timestamp,
    answer: Answer,
    /// Since the state before.
    events: Vec<Event>,
    call: Option<Call>,
    wake_at: Option<Timestamp>,
    length: usize,
}

/// A call that waits for its answer.
struct Call {
    id: EffectId,
    action: Arc<Action>,
    inputs: Arc<Json>,
    attempt: u32,
}

struct Search<'a> {
    machine: Machine,
    hints: Hints,
    locale: Locale,
    bounds: &'a Bounds,
    nodes: Vec<Node>,
    seen: HashSet<[u8; 32]>,
    /// Where paths end: those that come to an end, and those that come to what another goes on from.
    ends: Vec<usize>,
    joins: Vec<usize>,
    cut: bool,
}

/// Every path of a journey within bounds. Says of each state that it looks at one; the same workspace gives the same paths.
#[must_use]
pub fn explore(loaded: &Loaded, journey: &Arc<Journey>, context: &Json, bounds: &Bounds, looked: &dyn Fn()) -> Explored {
    let mut search = Search {
        machine: Machine::new(loaded.clone(), Keys::derive(b"transcript")),
        hints: Hints::of(loaded, journey),
        locale: Locale::new(&loaded.settings),
        bounds,
        nodes: Vec::new(),
        seen: HashSet::new(),
        ends: Vec::new(),
        joins: Vec::new(),
        cut: false,
    };
    let mut wait = VecDeque::new();
    wait.extend(search.begin(loaded, journey, context));
    while let Some(at) = wait.pop_front() {
        looked();
        if search.nodes.len() >= bounds.states {
            search.cut = true;
            search.joins.push(at);
            continue;
        }
        wait.extend(search.expand(at));
    }
    search.explored(journey)
}

impl Search<'_> {
    fn begin(&mut self, loaded: &Loaded, journey: &Journey, context: &Json) -> Option<usize> {
        let now: Timestamp = NOW.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let user_id = context.pointer("/identity/user_id").and_then(Json::as_str).unwrap_or("user");
        let open = Open {
            conversation: "transcript".into(),
            tenant: "test".into(),
            agent: loaded.settings.agent_slug.clone(),
            user_id: user_id.into(),
            user: Arc::new(context.clone()),
        };
        let opened = self.handle(&State::default(), now, Actor::System, InputBody::Open(open));
        let mut node = Node {
            before: None,
            did: Did::Began,
            actor: Actor::Runtime,
            state: opened.state,
            now,
            answer: opened.answer,
            events: opened.events,
            call: None,
            wake_at: None,
            length: 0,
        };
        let start = Command::Start { journey: journey.slug.name.clone(), variables: Vec::new() };
        self.follow(&mut node, InputBody::Command(start))?;
        self.keep(node)
    }

    fn handle(&self, state: &State, at: Timestamp, actor: Actor, body: InputBody) -> Progress {
        let entropy = Sha256::new().chain_update(b"explore").chain_update(state.version.to_be_bytes()).finalize().into();
        let roles = if actor == Actor::Operator { self.machine.workspace().roles() } else { Vec::new() };
        let id = if actor == Actor::Operator { "operator" } else { "test" };
        let principal = Principal { id: id.into(), roles, scopes: Vec::new() };
        let input = Input { at, actor, principal, message_id: None, entropy, refused: Vec::new(), unaware: false, answered: false, body };
        self.machine.handle(state, input)
    }

    /// Takes an input in, and all that follows by itself: waits that the process sits through. `None` if it is refused.
    fn follow(&self, node: &mut Node, body: InputBody) -> Option<()> {
        let mut next = Some(body);
        let began = node.now;
        for _ in 0..FOLLOWING {
            let Some(body) = next.take() else { break };
            let progress = self.handle(&node.state, node.now, node.actor, body);
            if progress.answer.refused.is_some() {
                return None;
            }
            node.state = progress.state;
            node.events.extend(progress.events);
            node.wake_at = progress.wake_at;
            let working = progress.answer.phase == Phase::Working;
            node.answer = progress.answer;
            node.call = progress.effects.into_iter().next().map(|Effect::Call(call)| Call {
                id: call.id.clone(),
                action: call.action.clone(),
                inputs: call.inputs.clone(),
                attempt: call.attempt,
            });
            let limit = SignedDuration::from_millis(i64::try_from(self.machine.workspace().settings.limits.turn_ms).unwrap_or(i64::MAX));
            let soon = progress.wake_at.filter(|at| working && at.duration_since(began) < limit);
            if let (None, Some(at)) = (&node.call, soon) {
                node.now = at.max(node.now);
                next = Some(InputBody::Wake);
            }
        }
        Some(())
    }

    /// Keeps a state that is like no other; a path to one that is ends there.
    fn keep(&mut self, node: Node) -> Option<usize> {
        let index = self.nodes.len();
        let call = node.call.as_ref().map(|c| c.attempt);
        let like = serde_json::to_vec(&(node.state.likeness(), call)).unwrap_or_default();
        let too_often = self.comes_too_often(&node);
        let new = self.seen.insert(Sha256::digest(like).into());
        let over = node.state.place().is_none() || node.state.status() == crate::engine::Status::Escalated;
        let length = node.length;
        self.nodes.push(node);
        if over {
            self.ends.push(index);
            return None;
        }
        if !new || too_often || length >= self.bounds.length {
            self.cut |= length >= self.bounds.length;
            self.joins.push(index);
            return None;
        }
        Some(index)
    }

    /// Whether its path comes to one step more often than is asked for.
    fn comes_too_often(&self, node: &Node) -> bool {
        let mut chain = vec![node];
        let mut at = node.before;
        while let Some(before) = at.and_then(|i| self.nodes.get(i)) {
            chain.push(before);
            at = before.before;
        }
        let mut runs: Vec<&Name> = Vec::new();
        let mut counts: BTreeMap<(&Name, &StepKey), usize> = BTreeMap::new();
        for event in chain.into_iter().rev().flat_map(|n| &n.events) {
            match &event.body {
                EventBody::Began(began) => runs.push(&began.journey),
                EventBody::Ended(_) => {
                    runs.pop();
                }
                EventBody::Entered { step, .. } => {
                    if let Some(run) = runs.last() {
                        *counts.entry((run, step)).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        counts.values().any(|n| *n > self.bounds.visits)
    }

    fn child(&self, of: usize, did: Did) -> Option<Node> {
        let node = self.nodes.get(of)?;
        Some(Node {
            before: Some(of),
            did,
            actor: node.actor,
            state: node.state.clone(),
            now: node.now,
            answer: node.answer.clone(),
            events: Vec::new(),
            call: None,
            wake_at: None,
            length: node.length + 1,
        })
    }

    fn expand(&mut self, at: usize) -> Vec<usize> {
        let Some(node) = self.nodes.get(at) else { return Vec::new() };
        let children = if node.call.is_some() { self.answered(at) } else { self.said(at) };
        if children.is_empty() {
            self.joins.push(at);
        }
        children.into_iter().filter_map(|child| self.keep(child)).collect()
    }

    /// Every answer of the service.
    fn answered(&self, at: usize) -> Vec<Node> {
        let Some((node, call)) = self.nodes.get(at).and_then(|n| Some((n, n.call.as_ref()?))) else { return Vec::new() };
        let likeness = node.state.likeness();
        let value = |(root, keys): &(Root, Vec<Arc<str>>)| {
            let names: Vec<&str> = keys.iter().map(|k| &**k).collect();
            match (root, &*names) {
                (Root::Conversation, ["identity", "subject"]) => node.state.identity().map(|i| Json::from(&*i.subject)),
                (Root::Inputs, [name, ..]) => call.inputs.get(*name).cloned(),
                (Root::Variables, [first, rest @ ..]) => {
                    let of = super::variables(&likeness)?.get(*first)?;
                    rest.iter().try_fold(of, |json, key| json.get(*key)).cloned()
                }
                _ => None,
            }
        };
        // What is tried again fails again.
        let again = if call.attempt > 1 { self.last_reply(at, &key(&call.action)) } else { None };
        let all = match again {
            Some(reply) => vec![reply],
            None => replies(&call.action, &self.hints, &Known { inputs: &call.inputs, value: &value }),
        };
        let answer = |reply: Reply| {
            let mut child = self.child(at, Did::Answered(key(&call.action), Box::new(reply.clone())))?;
            let result = InputBody::Result(call.id.clone(), result(&reply));
            self.follow(&mut child, result)?;
            Some(child)
        };
        all.into_iter().filter_map(answer).collect()
    }

    fn last_reply(&self, from: usize, of: &(Name, Name)) -> Option<Reply> {
        let mut at = Some(from);
        while let Some(node) = at.and_then(|i| self.nodes.get(i)) {
            match &node.did {
                Did::Answered(action, reply) if action == of => return Some((**reply).clone()),
                _ => at = node.before,
            }
        }
        None
    }

    /// Everything that somebody may say.
    fn said(&self, at: usize) -> Vec<Node> {
        let Some(node) = self.nodes.get(at) else { return Vec::new() };
        let Some((journey, Some(step))) = node.state.place() else { return Vec::new() };
        let Some(journey) = self.machine.workspace().journeys.get(journey) else { return Vec::new() };
        let Some((_, step)) = journey.step_by_key(step) else { return Vec::new() };
        let likeness = node.state.likeness();
        let waiting = Waiting {
            journey,
            step,
            likeness: &likeness,
            answer: &node.answer,
            hints: &self.hints,
            locale: &self.locale,
            now: node.now,
            wake_at: node.wake_at,
        };
        let mut out = Vec::new();
        for ways in waiting.moves() {
            let last = ways.len().saturating_sub(1);
            for (index, way) in ways.into_iter().enumerate() {
                let Some(child) = self.moved(at, way) else { continue };
                let went_on = !child
                    .events
                    .iter()
                    .any(|e| matches!(e.body, EventBody::Missed | EventBody::Offered { .. } | EventBody::Routed { .. }));
                let moved = child.state.likeness() != likeness;
                if index == last || (went_on && moved) {
                    out.extend(moved.then_some(child));
                    break;
                }
            }
        }
        out
    }

    fn moved(&self, at: usize, way: Move) -> Option<Node> {
        let mut child = self.child(at, Did::Moved(way.clone()))?;
        let meant = |command: Command, state: &State| {
            let waits = || state.holds().last().map(|h| h.id.clone()).unwrap_or_default();
            match command {
                Command::Approve { note, .. } => Command::Approve { hold: waits(), note },
                Command::Refuse { note, .. } => Command::Refuse { hold: waits(), note },
                other => other,
            }
        };
        let (actor, body) = match way {
            Move::Say(text) => (Actor::User, InputBody::Message(text)),
            Move::User(command) => (Actor::User, InputBody::Command(command)),
            Move::Agent(command) => (Actor::Agent, InputBody::Command(command)),
            Move::Operator(command) => (Actor::Operator, InputBody::Command(meant(command, &child.state))),
            Move::Wait(seconds) => {
                let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
                child.now = child.now.checked_add(by).unwrap_or(child.now);
                (Actor::System, InputBody::Wake)
            }
        };
        child.actor = actor;
        self.follow(&mut child, body)?;
        Some(child)
    }

    fn explored(self, journey: &Arc<Journey>) -> Explored {
        // Paths that come to an end are told before those that come to what another goes on from.
        let paths: Vec<Path> = self.ends.iter().chain(&self.joins).map(|end| self.path(*end)).collect();
        // The journey that identifies is no matter of one that never needs it.
        let come_to = |name: &Name| *name == journey.slug.name || paths.iter().any(|p| p.covered.is_of(name));
        let journeys: Vec<Arc<Journey>> = self.hints.journeys.values().filter(|j| come_to(&j.slug.name)).cloned().collect();
        let unreached = why::unreached(&journeys, &paths, self.cut);
        Explored { journey: journey.clone(), paths, states: self.nodes.len(), cut: self.cut, unreached, journeys }
    }

    fn path(&self, end: usize) -> Path {
        let mut nodes = Vec::new();
        let mut at = Some(end);
        while let Some(node) = at.and_then(|i| self.nodes.get(i)) {
            nodes.push(node);
            at = node.before;
        }
        nodes.reverse();
        let mut watch = Watch::default();
        let mut moves = Vec::new();
        let mut stubs = StubLists::new();
        for node in &nodes {
            match &node.did {
                Did::Began => {}
                Did::Moved(way) => moves.push(way.clone()),
                Did::Answered(action, reply) => {
                    let stub = Stub { span: Span::NOWHERE, when: None, reply: (**reply).clone() };
                    stubs.entry(action.clone()).or_default().push(stub);
                }
            }
            node.events.iter().for_each(|e| watch.see(&e.body));
        }
        let last = nodes.last();
        let ends = last.map(|n| ending(&n.state, &n.answer)).unwrap_or_default();
        Path { moves, stubs, covered: watch.covered().clone(), ends }
    }
}

fn ending(state: &State, answer: &Answer) -> String {
    match (state.place(), state.status()) {
        (_, crate::engine::Status::Escalated) => "goes to a person".to_owned(),
        (None, _) => format!("ends: {}", answer.outcome.as_deref().unwrap_or("done")),
        (Some((journey, Some(step))), _) => format!("goes on at {step} of {journey}"),
        (Some((journey, None)), _) => format!("goes on in {journey}"),
    }
}

/// A reply as it comes from the wire: what a stub would give.
fn result(reply: &Reply) -> CallResult {
    let failed = |kind, code: &str, sent| {
        CallResult::Failed(CallFailure { kind, code: code.into(), sent, detail: code.into(), retry_after_ms: None })
    };
    let answered = |status, body: Arc<Json>, invalid_json| {
        CallResult::Answered(HttpAnswer { status, headers: reply.headers.clone(), body, invalid_json })
    };
    match reply.fault {
        None | Some(StubFault::Slow) => answered(reply.status, reply.body.clone(), false),
        Some(StubFault::Timeout) => failed(ErrorKind::Timeout, "timeout", true),
        Some(StubFault::Connect) => failed(ErrorKind::Connect, "refused", false),
        Some(StubFault::Unavailable) => answered(503, Arc::new(Json::Null), false),
        Some(StubFault::Cut) => failed(ErrorKind::Connect, "cut", true),
        Some(StubFault::Garbage) => answered(reply.status, Arc::new(Json::from("{\"gar")), true),
    }
}
