//! The courses that a yes can take until the action that needs it: what the rules of supervision, section 3, share.

use crate::check::flow::{Edge, Node, Way, search};
use crate::check::gates::{End, Gates, Need};
use crate::check::parts;
use crate::check::subject::Subject;
use crate::check::variables::Var;

/// The faulty ways to one call, each a list of edges.
pub(super) struct Course<'g, 'a> {
    pub need: &'g Need<'a>,
    /// The shortest on which there never was a yes.
    pub never: Option<Vec<usize>>,
    /// The shortest on which there was one.
    pub ended: Option<Lost>,
}

/// How a yes was lost.
pub(super) struct Lost {
    pub path: Vec<usize>,
    /// Where it was given.
    pub yes: Node,
    /// Where it was ended.
    pub at: Node,
    pub why: End,
    /// What may be given a value there that ends it.
    pub given: Option<Var>,
    /// The steps from there to the one at which the correction is made that goes back there.
    pub beyond: Vec<Node>,
}

const NEVER: u8 = 0;
const GIVEN: u8 = 1;
const ENDED: u8 = 2;

/// Those of all calls that do not have their yes on every way; what a model asks for can be in no question to begin with.
pub(super) fn courses<'g, 'a>(subject: &'g Subject<'a>, gates: &'g Gates<'a>) -> impl Iterator<Item = Course<'g, 'a>> {
    let graph = &subject.graph;
    let bare = |(n, need): &(usize, &Need<'a>)| {
        let alive = gates.alive.get(need.node.index()).and_then(Option::as_ref);
        need.by_model.is_empty() && alive.is_some_and(|a| !a.contains(*n))
    };
    gates.needs.iter().enumerate().filter(bare).map(move |(n, need)| {
        let after = |number, edge: &Edge, state| after(gates, n, number, edge, state);
        let found = search(graph, (graph.entry(), NEVER), 3, |number, edge, state| Some(after(number, edge, state)));
        let ended = found.path_in(graph, need.node, ENDED).map(|path| lost(subject, gates, n, path));
        Course { need, never: found.path_in(graph, need.node, NEVER), ended }
    })
}

fn after(gates: &Gates<'_>, need: usize, number: usize, edge: &Edge, state: u8) -> u8 {
    match gates.turn(need, number, edge) {
        Some(true) => GIVEN,
        Some(false) if state != NEVER => ENDED,
        Some(false) | None => state,
    }
}

fn lost(subject: &Subject<'_>, gates: &Gates<'_>, need: usize, path: Vec<usize>) -> Lost {
    let graph = &subject.graph;
    let mut state = NEVER;
    let (mut yes, mut last) = (graph.entry(), None);
    for number in &path {
        let Some(edge) = graph.edges().get(*number) else { continue };
        let next = after(gates, need, *number, edge, state);
        match (state, next) {
            (_, GIVEN) if gates.turn(need, *number, edge) == Some(true) => yes = edge.from,
            (GIVEN, ENDED) => last = Some((*number, edge)),
            _ => {}
        }
        state = next;
    }
    let Some((number, edge)) = last else { return Lost { path, yes, at: yes, why: End::PutAgain, given: None, beyond: Vec::new() } };
    let why = gates.why(subject, need, number);
    let beyond = if edge.way == Way::Correction { beyond(subject, gates, need, number, edge.from) } else { Vec::new() };
    let given = gates.given(subject, need, edge.from).filter(|_| why == End::Filled);
    Lost { path, yes, at: edge.from, why, given, beyond }
}

/// The shortest way from a collect to a step at which one of its fields is corrected: where the yes is ended already, if the
/// correction itself does not end it.
fn beyond(subject: &Subject<'_>, gates: &Gates<'_>, need: usize, number: usize, collect: Node) -> Vec<Node> {
    let graph = &subject.graph;
    let fields = graph.step(collect).map(parts::fields).unwrap_or_default();
    let fields: Vec<usize> = fields.iter().filter_map(|f| subject.variables.var(&f.name)).collect();
    let found =
        search(graph, (collect, GIVEN), 3, |n, edge, state| (edge.way != Way::Correction).then(|| after(gates, need, n, edge, state)));
    let by_itself = gates.ends_by_itself(subject, need, number).is_some();
    let states: &[u8] = if by_itself { &[GIVEN, ENDED] } else { &[ENDED] };
    let places = graph.order.iter().filter(|n| subject.fills.waits_with(**n, &fields));
    let ways = places.flat_map(|n| states.iter().filter_map(|s| Some((found.path_in(graph, *n, *s)?, *n))));
    let Some((way, end)) = ways.min_by_key(|(way, n)| (way.len(), *n)) else { return Vec::new() };
    way.iter().skip(1).filter_map(|n| graph.edges().get(*n)).map(|e| e.from).chain((end != collect).then_some(end)).collect()
}
