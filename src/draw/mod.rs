//! Draws journeys: as a picture, or as text that others draw. Knows journeys and nothing of who asks.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod view;

use crate::model::Journey;
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
