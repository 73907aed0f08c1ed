//! Real requests to a real server that makes trouble.
