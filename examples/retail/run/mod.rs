//! The retail workspace tried on a real shop: tasks through the engine, and an agent that cheats.

#![expect(clippy::indexing_slicing, reason = "a key that a JSON value does not have gives null")]

pub mod cheats;
pub mod desk;
pub mod shop;
pub mod tasks;
