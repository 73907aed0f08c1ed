//! Coverage: what there is to come to in a journey, and what conversations came to. A fold over their events; runs nothing.

mod points;
mod report;
mod watch;

pub use points::{Point, PointKind, points};
pub use report::{Coverage, JourneyCoverage, Tally};
pub use watch::{Covered, Watch};
