//! The transcript runner.
