//! Understanding without a model: values in a message, yes or no, which journey is meant. Pure.
