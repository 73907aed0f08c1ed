//! What is wrong with a resolved workspace: one file a rule, data-flow over the step graph, witness paths.
