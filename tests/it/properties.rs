//! Properties over several layers.
