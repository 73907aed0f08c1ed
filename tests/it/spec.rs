//! Literate suites: `tests/spec/**/*.md`.
