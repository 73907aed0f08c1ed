//! The machine through its inputs and answers.
