//! Every example of the documents is executed.
