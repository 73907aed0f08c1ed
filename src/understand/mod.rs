//! Understanding without a model: values in a message, yes or no, which journey is meant.
//!
//! Pure and deterministic: the time and the locale are passed in. Knows nothing of conversations, steps or channels.

mod ask;
mod choice;
mod date;
mod extract;
mod locale;
mod meaning;
mod normalise;
mod number;
mod reply;
mod router;
mod stem;
mod text;
mod words;

pub use ask::question_for;
pub use choice::pick;
pub use extract::{extract, stand_in_order, stands_in};
pub use locale::Locale;
pub use normalise::{FieldProblem, normalise};
pub use reply::{Reply, classify};
pub use router::{Match, Meant, Router, Thresholds};
pub use words::{Words, is_word};
