//! The state of a conversation: nothing but the fold of its events.

use super::event::Event;

/// A conversation's state.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// How many events it is made of.
    pub version: u64,
}

impl State {
    /// Folds one event in. Total: an event that makes no sense here changes nothing but the version.
    pub fn apply(&mut self, event: &Event) {
        let _ = event;
        self.version += 1;
    }
}
