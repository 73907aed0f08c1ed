//! Requests that leave: HTTP with its credentials, caps and egress guard. Takes a permit.
