//! The machine, driven by hand over journeys written here. Whole conversations as files are in the workspace's transcripts.

mod attacks;
mod calls;
mod gates;
pub mod harness;
mod offers;
mod policies;
mod steps;
mod supervised;
