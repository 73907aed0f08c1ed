//! How what a store keeps is written and read: the one codec of every store, at its edge.
//!
//! Knows what events, snapshots and replies look like, and nothing of where the bytes go.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ConversationKey, StoreError};
use crate::engine::{Answer, Event, State};

/// Writes and reads what a store keeps of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Seals {}

impl Seals {
    /// An event as one line of JSON, at the end of `out`.
    pub fn write_event(&self, _: &ConversationKey, event: &Event, out: &mut Vec<u8>) -> Result<(), StoreError> {
        write(event, out)
    }

    /// The event that was written.
    pub fn read_event(&self, _: &ConversationKey, bytes: &[u8]) -> Result<Event, StoreError> {
        read(bytes)
    }

    /// A snapshot.
    pub fn write_state(&self, _: &ConversationKey, state: &State, out: &mut Vec<u8>) -> Result<(), StoreError> {
        write(state, out)
    }

    /// The snapshot that was written.
    pub fn read_state(&self, _: &ConversationKey, bytes: &[u8]) -> Result<State, StoreError> {
        read(bytes)
    }

    /// What a turn answered.
    pub fn write_answer(&self, _: &ConversationKey, answer: &Answer, out: &mut Vec<u8>) -> Result<(), StoreError> {
        write(answer, out)
    }

    /// The answer that was written.
    pub fn read_answer(&self, _: &ConversationKey, bytes: &[u8]) -> Result<Answer, StoreError> {
        read(bytes)
    }
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    serde_json::to_writer(out, value).map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))
}
