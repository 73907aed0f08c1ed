//! One exchange over HTTP: send, follow redirects where they may lead, read the answer within its caps.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use url::Url;

use super::egress::{Denied, Hosts};
use super::failure;
use crate::engine::CallFailure;
use crate::model::action::ErrorKind;

/// Redirects followed in one exchange.
const REDIRECTS: usize = 5;
/// Bytes of all names and values in an answer's head.
const HEAD: usize = 64 * 1024;
/// What is still sent when a redirect leads to another host: nothing that could be a credential.
const HARMLESS: [HeaderName; 4] = [ACCEPT, CONTENT_TYPE, HeaderName::from_static("idempotency-key"), reqwest::header::ACCEPT_LANGUAGE];

/// What is sent.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
}

/// What came back.
pub(super) struct Incoming {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Sends to allowed hosts only, and gives the head of the answer; `may_send` is asked right before each first byte, and `sent` says when
/// one may have left.
pub(super) async fn send(
    client: &Client,
    hosts: &Hosts,
    mut outgoing: Outgoing,
    sent: &AtomicBool,
    may_send: impl Fn() -> Result<(), CallFailure> + Send,
) -> Result<Response, CallFailure> {
    for _ in 0..=REDIRECTS {
        let earlier = sent.load(Ordering::Relaxed);
        hosts.check(&outgoing.url).map_err(|d| failure::egress(d, earlier))?;
        may_send().map_err(|f| CallFailure { sent: earlier, ..f })?;
        let Outgoing { method, url, headers, body } = outgoing.clone();
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        sent.store(true, Ordering::Relaxed);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let failed = failure::before_head(&error);
                sent.store(earlier || failed.sent, Ordering::Relaxed);
                return Err(CallFailure { sent: earlier || failed.sent, ..failed });
            }
        };
        if let (Some(host), Some(address)) = (outgoing.url.host(), response.remote_addr()) {
            hosts.check_address(&host.to_owned(), address.ip()).map_err(|d| failure::egress(d, true))?;
        }
        if size(response.headers()) > HEAD {
            return Err(failure::headers_too_large());
        }
        let Some(next) = redirect(&outgoing, &response)? else { return Ok(response) };
        outgoing = next;
    }
    Err(failure::failure(ErrorKind::HttpStatus, "too_many_redirects", true, "the service redirects too often"))
}

/// Where an answer sends the request on to, if it does.
fn redirect(from: &Outgoing, response: &Response) -> Result<Option<Outgoing>, CallFailure> {
    let status = response.status();
    let again = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => from.method != Method::POST,
        StatusCode::SEE_OTHER => from.method == Method::GET || from.method == Method::HEAD,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        _ => return Ok(None),
    };
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let url = location.to_str().ok().and_then(|l| from.url.join(l).ok());
    let Some(url) = url else {
        return Err(failure::failure(ErrorKind::HttpStatus, "bad_redirect", true, "the service redirects to something that is no URL"));
    };
    if from.url.scheme() == "https" && url.scheme() != "https" {
        return Err(failure::egress(Denied::Scheme, true));
    }
    let mut next = Outgoing { url, ..from.clone() };
    if !again {
        next.method = Method::GET;
        next.body = None;
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE] {
            next.headers.remove(name);
        }
    }
    if next.url.origin() != from.url.origin() {
        next.headers = from.headers.iter().filter(|(n, _)| HARMLESS.contains(n)).map(|(n, v)| (n.clone(), v.clone())).collect();
    }
    // The author of the redirect must not put credentials of their own into it.
    let _ = next.url.set_username("").and_then(|()| next.url.set_password(None));
    Ok(Some(next))
}

/// The whole answer, if its body is within its cap.
pub(super) async fn read(response: Response, max: u64) -> Result<Incoming, CallFailure> {
    read_until(response, max, |_| false).await
}

/// The answer with as much of its body as was there when `enough` said so of a new chunk.
pub(super) async fn read_until(mut response: Response, max: u64, mut enough: impl FnMut(&[u8]) -> bool) -> Result<Incoming, CallFailure> {
    let status = response.status().as_u16();
    let max_len = usize::try_from(max).unwrap_or(usize::MAX);
    if response.content_length().is_some_and(|length| length > max) {
        return Err(failure::body_too_large(status, max));
    }
    let mut body = Vec::new();
    // What is counted is decoded already, so a small body that unpacks to a large one ends here too.
    while let Some(chunk) = response.chunk().await.map_err(|e| failure::in_body(&e, status))? {
        if body.len() + chunk.len() > max_len {
            return Err(failure::body_too_large(status, max));
        }
        body.extend_from_slice(&chunk);
        if enough(&chunk) {
            break;
        }
    }
    Ok(Incoming { status, headers: std::mem::take(response.headers_mut()), body })
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
