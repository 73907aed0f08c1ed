//! Scripted conversations: fake clock, stub actions, expectations.
