//! Supervision, pure: may this action run now? No clock, no I/O.

mod permit;

pub use permit::Permit;
