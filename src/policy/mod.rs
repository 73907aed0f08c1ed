//! Cedar policies: their schema, made from the workspace; their texts, read and validated; and what they say of one action.
//!
//! Pure, and the only place that names the Cedar crate. Knows no conversation: who asks for what comes as a [`Scene`].

mod bounds;
mod load;
mod reads;
mod rule;
mod scene;
mod schema;

pub use load::{Policies, load};
pub use rule::Ruling;
pub use scene::{Gates, Scene, Speaker, Who};
pub use schema::schema;
