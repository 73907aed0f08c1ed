//! What a failed exchange comes to: a kind, a code, whether a byte may have left, and a sentence without values.

use std::error::Error;
use std::io;

use super::egress::Denied;
use crate::engine::CallFailure;
use crate::model::action::ErrorKind;

pub(super) fn failure(kind: ErrorKind, code: &str, sent: bool, detail: impl std::fmt::Display) -> CallFailure {
    CallFailure { kind, code: code.into(), sent, detail: detail.to_string().into(), retry_after_ms: None }
}

pub(super) fn egress(denied: Denied, sent: bool) -> CallFailure {
    failure(ErrorKind::Denied, "egress", sent, denied)
}

pub(super) fn timeout(sent: bool) -> CallFailure {
    failure(ErrorKind::Timeout, "timeout", sent, "the service did not answer in time")
}

/// No head of an answer came. Never shows the error itself: its text has the URL in it.
pub(super) fn before_head(error: &reqwest::Error) -> CallFailure {
    use ErrorKind::{Connect, InvalidInput, Timeout};
    if let Some(denied) = cause::<Denied>(error) {
        return egress(*denied, false);
    }
    if error.is_builder() {
        return failure(InvalidInput, "bad_request", false, "the request cannot be written as HTTP");
    }
    if error.is_connect() {
        let (kind, code, detail) = if error.is_timeout() {
            (Timeout, "connect_timeout", "no connection to the service in time")
        } else if error.is_dns() {
            (Connect, "dns", "the service's host name has no address")
        } else if cause::<rustls::Error>(error).is_some() {
            (Connect, "tls", "no secure connection to the service: its certificate or protocol was refused")
        } else if cause::<io::Error>(error).is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            (Connect, "refused", "the service refused the connection")
        } else {
            (Connect, "connect", "no connection to the service")
        };
        return failure(kind, code, false, detail);
    }
    if error.is_timeout() {
        return timeout(true);
    }
    match cause::<hyper::Error>(error) {
        Some(e) if e.is_parse_too_large() => headers_too_large(),
        Some(e) if e.is_parse() => failure(Connect, "unreadable", true, "the service answered with something that is not HTTP"),
        _ => failure(Connect, "cut", true, "the connection was cut before the service answered"),
    }
}

pub(super) fn headers_too_large() -> CallFailure {
    failure(ErrorKind::Connect, "headers_too_large", true, "the head of the service's answer is too large")
}

/// The head came, and its body did not come whole.
pub(super) fn in_body(error: &reqwest::Error, status: u16) -> CallFailure {
    if error.is_timeout() {
        return timeout(true);
    }
    let cut = cause::<hyper::Error>(error).is_some();
    if cut {
        failure(ErrorKind::Connect, "cut", true, "the connection was cut in the middle of the service's answer")
    } else {
        failure(of_body(status), "bad_encoding", true, "the body of the service's answer is not encoded as it says")
    }
}

pub(super) fn body_too_large(status: u16, limit: u64) -> CallFailure {
    failure(of_body(status), "body_too_large", true, format_args!("the service's answer is larger than {limit} bytes"))
}

/// A bad body of a success is an invalid output: what was asked for is done. Of anything else the status is what counts.
fn of_body(status: u16) -> ErrorKind {
    if (200..300).contains(&status) { ErrorKind::InvalidOutput } else { ErrorKind::HttpStatus }
}

/// The first cause of that type.
pub(super) fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    // INVARIANT: chains of causes are short; the bound is for one that goes in a circle.
    let mut next = Some(error);
    for _ in 0..32 {
        let current = next?;
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        // An `io::Error` hides what it wraps from `source`, and may wrap another.
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}
