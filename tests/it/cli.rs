//! The program, started as a user starts it.
