//! Where conversations are kept, behind one trait.
