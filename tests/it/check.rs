//! Corpora of faulty and repaired workspaces, and how findings are shown.

mod corpus;
mod oracle;
mod paths;
mod render;
