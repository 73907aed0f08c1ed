//! The data-flow frame: a journey's step graph as the engine walks it, forward analyses over it, and shortest witness paths.
//!
//! Knows nothing of what a rule asks: variables, gates, identity and taint are the facts of the rules that use it.

mod bits;
mod graph;
mod knots;
mod solve;
mod witness;

pub use bits::{Bits, holders};
pub use graph::{Edge, Graph, Node, Way, may_wait};
pub use solve::{Analysis, back, solve};
pub use witness::{Turn, Witnesses, search};
