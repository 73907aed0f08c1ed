//! The files as written: a spanned YAML tree and the language's own shapes, every field with its place.
