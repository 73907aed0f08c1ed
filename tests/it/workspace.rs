//! The shipped workspace.
