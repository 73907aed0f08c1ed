//! Sensitive values at rest and what becomes of them when their key is gone; audits that show whoever touched them.

mod audit;
mod canary;
mod program;
mod seals;
