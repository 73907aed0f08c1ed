//! Draws journeys: as a picture, or as text that others draw. Knows journeys and nothing of who asks.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod view;

use crate::model::{EdgeKind, Journey, StepId};
use view::View;

/// More boxes than this are no picture any more.
const PICTURE_MAX: usize = 1_000;

/// What a journey is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drawing {
    /// A flowchart in Mermaid's language.
    Mermaid,
    /// A graph in Graphviz's language.
    Dot,
    /// A picture.
    Svg,
}

/// A journey has too many steps for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} steps are too many for a picture")]
pub struct TooLarge(pub usize);

/// Draws a journey.
pub fn draw(journey: &Journey, drawing: Drawing) -> Result<String, TooLarge> {
    let view = View::of(journey);
    match drawing {
        Drawing::Mermaid => Ok(mermaid::draw(&view)),
        Drawing::Dot => Ok(dot::draw(&view)),
        Drawing::Svg if view.nodes.len() > PICTURE_MAX => Err(TooLarge(view.nodes.len())),
        Drawing::Svg => Ok(svg::draw(&view)),
    }
}

/// How much of a step was come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// All there is to it.
    Hit,
    /// It was come to, but not left in every way.
    Part,
    /// Nothing.
    Miss,
}

/// What is laid over a picture: which parts of it were come to.
#[expect(missing_debug_implementations, reason = "it holds functions")]
pub struct Overlay<'a> {
    /// How much of a step.
    pub step: &'a dyn Fn(StepId) -> Mark,
    /// Whether a step was left that way.
    pub edge: &'a dyn Fn(StepId, &EdgeKind) -> bool,
    /// What is said of a step to who points at it.
    pub note: &'a dyn Fn(StepId) -> String,
}

/// Draws a journey as a picture whose colours say what was come to. They are classes: the page that holds it gives them.
pub fn draw_over(journey: &Journey, overlay: &Overlay<'_>) -> Result<String, TooLarge> {
    let view = View::over(journey, overlay);
    if view.nodes.len() > PICTURE_MAX { Err(TooLarge(view.nodes.len())) } else { Ok(svg::draw_marked(&view)) }
}
