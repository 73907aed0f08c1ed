//! The loops of a graph.

use super::{Edge, Graph, Node};

impl Graph<'_> {
    /// The strongly connected parts that hold a loop, along those edges alone (Tarjan, without recursion), each in arena order.
    #[must_use]
    pub fn knots(&self, along: &dyn Fn(&Edge) -> bool) -> Vec<Vec<Node>> {
        const NEW: u32 = u32::MAX;
        let mut state = vec![(NEW, NEW, false); self.len()];
        let (mut clock, mut stack, mut knots) = (0, Vec::new(), Vec::new());
        for &start in &self.order {
            let mut calls = vec![(start, 0_usize)];
            while let Some((node, done)) = calls.pop() {
                let Some(here) = state.get_mut(node.index()) else { continue };
                if done == 0 {
                    if here.0 != NEW {
                        continue;
                    }
                    *here = (clock, clock, true);
                    clock += 1;
                    stack.push(node);
                }
                let mut low = here.1;
                let out = self.out(node);
                let mut descend = None;
                for (i, edge) in out.iter().enumerate().skip(done.saturating_sub(1)).filter(|(_, e)| along(e)) {
                    match state.get(edge.to.index()) {
                        Some((NEW, ..)) => {
                            descend = Some((i, edge.to));
                            break;
                        }
                        Some((_, reached, true)) => low = low.min(*reached),
                        _ => {}
                    }
                }
                if let Some(here) = state.get_mut(node.index()) {
                    here.1 = low;
                }
                if let Some((i, to)) = descend {
                    calls.push((node, i + 1));
                    calls.push((to, 0));
                    continue;
                }
                if state.get(node.index()).is_some_and(|(order, low, _)| order == low) {
                    let from = stack.iter().rposition(|n| *n == node).unwrap_or(0);
                    let mut knot = stack.split_off(from);
                    for n in &knot {
                        if let Some(s) = state.get_mut(n.index()) {
                            s.2 = false;
                        }
                    }
                    if knot.len() > 1 || out.iter().any(|e| e.to == node && along(e)) {
                        knot.sort_unstable();
                        knots.push(knot);
                    }
                }
            }
        }
        knots.sort();
        knots
    }
}
