//! The order in which journeys are built: those that others `run` first; a `run` that closes a circle is reported.

use std::collections::BTreeSet;

use super::context::Context;
use crate::source::{Code, Diagnostic, Span};
use crate::value::Slug;

/// A `run`: the journey it names by index, and where.
pub type RunsTo = Vec<(usize, Span)>;

/// An order in which each journey comes after those it runs, and the `run`s that close a circle.
pub fn order(cx: &mut Context<'_>, slugs: &[Option<Slug>], runs: &[RunsTo]) -> (Vec<usize>, BTreeSet<Span>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Closed,
    }
    let mut marks = vec![Mark::New; runs.len()];
    let (mut order, mut closing) = (Vec::with_capacity(runs.len()), BTreeSet::new());
    for root in 0..runs.len() {
        // Each journey and the next of its runs; a stack of our own, since chains may be long.
        let mut stack = vec![(root, 0)];
        if marks.get(root) != Some(&Mark::New) {
            continue;
        }
        if let Some(mark) = marks.get_mut(root) {
            *mark = Mark::Open;
        }
        while let Some((at, next)) = stack.last_mut() {
            let (at, run) = (*at, runs.get(*at).and_then(|r| r.get(*next)).copied());
            *next += 1;
            let Some((to, span)) = run else {
                if let Some(mark) = marks.get_mut(at) {
                    *mark = Mark::Closed;
                }
                order.push(at);
                stack.pop();
                continue;
            };
            match marks.get(to) {
                Some(Mark::New) => {
                    if let Some(mark) = marks.get_mut(to) {
                        *mark = Mark::Open;
                    }
                    stack.push((to, 0));
                }
                Some(Mark::Open) => {
                    closing.insert(span);
                    let from = stack.iter().position(|(j, _)| *j == to).unwrap_or(0);
                    let name = |j: usize| slugs.get(j).and_then(Option::as_ref).map_or_else(String::new, |s| format!("`{s}`"));
                    let circle: Vec<String> = stack.iter().skip(from).map(|(j, _)| name(*j)).chain([name(to)]).collect();
                    let d = Diagnostic::new(Code::WP0305, span, format!("journeys run each other without end: {}", circle.join(" runs ")));
                    cx.push(d.help("end one of them before this `run`, or move what both need to a third journey"));
                }
                Some(Mark::Closed) | None => {}
            }
        }
    }
    (order, closing)
}
