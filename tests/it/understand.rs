//! Labelled replies, values in messages, routing.
