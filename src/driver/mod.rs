//! Carries a conversation: load, handle, commit, perform, feed back. The only clock.
