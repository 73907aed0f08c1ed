//! A journey as boxes and arrows: what the three formats draw. Must not know any of them.

use std::collections::BTreeMap;

use super::{Mark, Overlay};
use crate::model::action::Effects;
use crate::model::step::{ChoiceFrom, Instruction};
use crate::model::{EdgeKind, Journey, Next, Step, StepKind, graph};
use crate::template::Template;

/// The drawing.
pub(super) struct View {
    /// The journey's name.
    pub(super) title: String,
    /// The first is where it starts.
    pub(super) nodes: Vec<Node>,
    /// In order of their origin.
    pub(super) links: Vec<Link>,
}

/// A box.
pub(super) struct Node {
    /// What is said first: the kind of step and its name.
    pub(super) head: String,
    /// What it is about, wrapped.
    pub(super) lines: Vec<String>,
    /// How it looks.
    pub(super) look: Look,
    /// What is laid over it, and what is said of it.
    pub(super) mark: Option<(Mark, String)>,
}

/// How a box looks: by what the step may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// The journey's start and its silent end.
    Edge,
    /// Waits for a person.
    Asks,
    /// Waits for a yes.
    Gate,
    /// Looks something up.
    Reads,
    /// Changes something.
    Writes,
    /// Decides or computes.
    Plain,
    /// Ends well.
    Done,
    /// Goes to a person.
    Person,
}

impl Look {
    pub(super) const ALL: [Self; 8] =
        [Self::Edge, Self::Asks, Self::Gate, Self::Reads, Self::Writes, Self::Plain, Self::Done, Self::Person];

    /// A name for style sheets.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Asks => "asks",
            Self::Gate => "gate",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Plain => "plain",
            Self::Done => "finished",
            Self::Person => "person",
        }
    }

    /// Fill and stroke.
    pub(super) const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Edge => ("#334155", "#334155"),
            Self::Asks => ("#e0f2fe", "#0284c7"),
            Self::Gate => ("#fef3c7", "#d97706"),
            Self::Reads => ("#ecfdf5", "#059669"),
            Self::Writes => ("#fee2e2", "#dc2626"),
            Self::Plain => ("#f8fafc", "#64748b"),
            Self::Done => ("#dcfce7", "#16a34a"),
            Self::Person => ("#f3e8ff", "#9333ea"),
        }
    }
}

/// An arrow.
pub(super) struct Link {
    /// From that box.
    pub(super) from: usize,
    /// To that box.
    pub(super) to: usize,
    /// On what, one a line; empty: in order.
    pub(super) label: Vec<String>,
    /// Whether only things that went wrong take it.
    pub(super) trouble: bool,
    /// Of an overlay: lines of the label that were not come to, and whether it was ever taken.
    pub(super) missed: Vec<String>,
    pub(super) taken: bool,
}

const WIDTH: usize = 30;
const LINES: usize = 3;
const LABELS: usize = 4;

impl View {
    /// The drawing of a journey.
    pub(super) fn of(journey: &Journey) -> Self {
        Self::with(journey, None)
    }

    /// The same, with what was come to.
    pub(super) fn over(journey: &Journey, overlay: &Overlay<'_>) -> Self {
        Self::with(journey, Some(overlay))
    }

    fn with(journey: &Journey, overlay: Option<&Overlay<'_>>) -> Self {
        let mut view = Self { title: journey.name.to_string(), nodes: vec![edge("start")], links: Vec::new() };
        // A goto is an arrow, not a box.
        let mut boxes = BTreeMap::new();
        for (id, step) in journey.iter() {
            if !matches!(step.kind, StepKind::Goto(_)) {
                boxes.insert(id.0, view.nodes.len());
                let mark = overlay.map(|o| ((o.step)(id), (o.note)(id)));
                view.nodes.push(Node { mark, ..node(step) });
            }
        }
        let mut end = None;
        let began = match journey.first {
            Next::Step(id) => overlay.is_some_and(|o| (o.step)(id) != Mark::Miss),
            Next::End => false,
        };
        let start = Link { from: 0, to: 0, label: Vec::new(), trouble: false, missed: Vec::new(), taken: began };
        view.link(journey, &boxes, &mut end, journey.first, start);
        for (id, step) in journey.iter() {
            let Some(&from) = boxes.get(&id.0) else { continue };
            for edge in graph::edges(step) {
                let label = label(&edge.kind, step);
                let taken = overlay.is_some_and(|o| (o.edge)(id, &edge.kind));
                let missed = if taken { Vec::new() } else { label.clone() };
                let link = Link { from, to: 0, label, trouble: trouble(&edge.kind), missed, taken };
                view.link(journey, &boxes, &mut end, edge.to, link);
            }
        }
        for link in &mut view.links {
            if link.label.len() > LABELS {
                let more = link.label.len() - LABELS + 1;
                link.label.truncate(LABELS - 1);
                link.label.push(format!("{more} more"));
            }
        }
        view
    }

    fn link(&mut self, journey: &Journey, boxes: &BTreeMap<u32, usize>, end: &mut Option<usize>, to: Next, new: Link) {
        let to = match landing(journey, to) {
            Next::Step(id) => match boxes.get(&id.0) {
                Some(to) => *to,
                None => return,
            },
            Next::End => *end.get_or_insert_with(|| {
                self.nodes.push(edge("end"));
                self.nodes.len() - 1
            }),
        };
        match self.links.iter_mut().rev().take_while(|l| l.from == new.from).find(|l| l.to == to) {
            Some(link) => {
                for line in new.label {
                    if !link.label.contains(&line) {
                        link.label.push(line);
                    }
                }
                link.missed.extend(new.missed);
                link.trouble &= new.trouble;
                link.taken |= new.taken;
            }
            None => self.links.push(Link { to, ..new }),
        }
    }
}

/// Where a run stands after the gotos that begin there.
fn landing(journey: &Journey, mut next: Next) -> Next {
    for _ in 0..=journey.steps.len() {
        match next {
            Next::Step(id) => match journey.step(id).map(|s| &s.kind) {
                Some(StepKind::Goto(Some(target))) => next = Next::Step(*target),
                _ => return next,
            },
            Next::End => return next,
        }
    }
    next
}

fn edge(head: &str) -> Node {
    Node { head: head.into(), lines: Vec::new(), look: Look::Edge, mark: None }
}

fn node(step: &Step) -> Node {
    let (kind, about, look) = match &step.kind {
        StepKind::Collect(c) => {
            let fields = c.fields.iter().chain(&c.optional).chain(c.any_of.iter().flat_map(|a| &a.fields));
            ("collect", names(fields.map(|f| &*f.datapoint.slug.shown)), Look::Asks)
        }
        StepKind::Action(call) => called("action", call),
        StepKind::Verify(v) => called("verify", &v.call),
        StepKind::Choice(c) => {
            let about = match (&c.prompt, &c.from) {
                (Some(prompt), _) => said(prompt),
                (None, Some(ChoiceFrom::Provider(name))) => format!("provider.{name}"),
                (None, Some(ChoiceFrom::Expr(program))) => program.text().value.to_string(),
                (None, None) => String::new(),
            };
            ("choice", about, Look::Asks)
        }
        StepKind::Confirm(c) => {
            let about = c.message.as_ref().map_or_else(|| names(c.fields.iter().map(|f| &*f.datapoint.slug.shown)), said);
            ("confirm", about, Look::Gate)
        }
        StepKind::Guide(g) => ("guide", guide(&g.steps), Look::Asks),
        StepKind::Investigate(i) => ("investigate", i.goal.to_string(), Look::Asks),
        StepKind::Say(message) => ("say", said(message), Look::Plain),
        StepKind::If(i) => ("if", i.condition.text().value.to_string(), Look::Plain),
        StepKind::Set(assigns) => ("set", names(assigns.iter().map(|a| a.name.as_str())), Look::Plain),
        StepKind::Goto(_) => ("goto", String::new(), Look::Plain),
        StepKind::Run(run) => ("run", run.journey.as_ref().map(|j| j.slug.to_string()).unwrap_or_default(), Look::Plain),
        StepKind::Done(done) => {
            let outcome = if done.outcome.name.as_str() == "done" { String::new() } else { format!("{}: ", done.outcome) };
            ("done", format!("{outcome}{}", done.message.as_ref().map(said).unwrap_or_default()), Look::Done)
        }
        StepKind::Escalate(e) => ("escalate", e.to.as_deref().unwrap_or("the default queue").to_owned(), Look::Person),
        StepKind::Broken => ("?", String::new(), Look::Plain),
    };
    let head = step.slug.as_ref().map_or_else(|| kind.to_owned(), |slug| format!("{kind} · {slug}"));
    Node { head, lines: wrap(&about), look, mark: None }
}

fn called(kind: &'static str, call: &crate::model::step::Call) -> (&'static str, String, Look) {
    let Some(action) = &call.action else { return (kind, String::new(), Look::Plain) };
    let saved = call.save_as.as_ref().map(|v| format!(" -> {v}")).unwrap_or_default();
    let look = match action.effects {
        Effects::Read => Look::Reads,
        Effects::Write => Look::Writes,
    };
    (kind, format!("{}{saved}", action.id), look)
}

fn names<'a>(list: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in list {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen.join(", ")
}

/// What is said, with `{order_id}` for `{{ variables.order_id | money('EUR') }}`.
fn said(template: &Template) -> String {
    let mut out = String::new();
    let mut rest = &*template.text().value;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((tag, after)) = after.split_once("}}") else { break };
        let read = tag.split_once('|').map_or(tag, |(read, _)| read).trim();
        out.push_str(before);
        out.extend(["{", read.strip_prefix("variables.").unwrap_or(read), "}"]);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn guide(steps: &[Instruction]) -> String {
    match steps.first() {
        Some(first) if steps.len() > 1 => format!("{} steps: {}", steps.len(), said(&first.say)),
        Some(first) => said(&first.say),
        None => String::new(),
    }
}

/// At most [`LINES`] lines of about [`WIDTH`] characters; what is cut off shows as `…`.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String =
            if word.chars().count() > WIDTH { word.chars().take(WIDTH - 1).chain(['…']).collect() } else { word.to_owned() };
        let full = lines.len() == LINES;
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) if full => {
                line.push('…');
                break;
            }
            _ => lines.push(word),
        }
    }
    lines
}

fn label(kind: &EdgeKind, step: &Step) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match kind {
        EdgeKind::Continue | EdgeKind::Goto => Vec::new(),
        EdgeKind::Outcome(slug) | EdgeKind::Unlisted(slug) | EdgeKind::Finding(slug) => vec![slug.to_string()],
        EdgeKind::Error(kind) => vec![format!("error: {}", kind.as_str())],
        EdgeKind::ErrorDefault => one("error"),
        EdgeKind::Exhausted => one("tries used up"),
        EdgeKind::Option(slug) => match &step.kind {
            StepKind::Choice(c) => {
                c.options.iter().find(|o| o.id == *slug).map_or_else(|| vec![slug.to_string()], |o| wrap(&said(&o.label)))
            }
            _ => vec![slug.to_string()],
        },
        EdgeKind::Picked => one("picked"),
        EdgeKind::Freeform => one("anything else"),
        EdgeKind::AnyOf(index) => match &step.kind {
            StepKind::Collect(c) => {
                c.any_of.get(*index).map(|set| wrap(&names(set.fields.iter().map(|f| &*f.datapoint.slug.shown)))).unwrap_or_default()
            }
            _ => Vec::new(),
        },
        EdgeKind::Confirmed => one("yes"),
        EdgeKind::Change => one("a change"),
        EdgeKind::Reject => one("no"),
        EdgeKind::Complete => one("done"),
        EdgeKind::Stuck(_) => one("stuck"),
        EdgeKind::NoFinding => one("no finding"),
        EdgeKind::Verified => one("verified"),
        EdgeKind::NotVerified => one("not verified"),
        EdgeKind::Then => one("true"),
        EdgeKind::Else => one("false"),
        EdgeKind::Resume => one("next message"),
    }
}

fn trouble(kind: &EdgeKind) -> bool {
    match kind {
        EdgeKind::Error(_)
        | EdgeKind::ErrorDefault
        | EdgeKind::Exhausted
        | EdgeKind::Stuck(_)
        | EdgeKind::NoFinding
        | EdgeKind::NotVerified => true,
        EdgeKind::Continue
        | EdgeKind::Outcome(_)
        | EdgeKind::Unlisted(_)
        | EdgeKind::Option(_)
        | EdgeKind::Picked
        | EdgeKind::Freeform
        | EdgeKind::AnyOf(_)
        | EdgeKind::Confirmed
        | EdgeKind::Change
        | EdgeKind::Reject
        | EdgeKind::Complete
        | EdgeKind::Finding(_)
        | EdgeKind::Verified
        | EdgeKind::Then
        | EdgeKind::Else
        | EdgeKind::Goto
        | EdgeKind::Resume => false,
    }
}
