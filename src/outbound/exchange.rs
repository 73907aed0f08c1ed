//! One exchange over HTTP: send, follow redirects where they may lead, read the answer within its caps.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use jiff::Timestamp;
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

/// What time it is; the driver's clock.
pub(super) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The time in which a request may begin to leave.
#[derive(Clone)]
pub(super) struct Window {
    pub(super) now: Now,
    pub(super) last: Option<Timestamp>,
}

impl Window {
    /// At any time.
    pub(super) fn open() -> Self {
        Self { now: Arc::new(|| Timestamp::MIN), last: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.last.is_some_and(|last| (self.now)() > last)
    }
}

pub(super) fn over(sent: bool) -> CallFailure {
    failure::failure(ErrorKind::Timeout, "permit_expired", sent, "the time in which the request might be sent is over")
}

/// A body that is given out only while its request may begin to leave. It is asked for when the head is written and nothing is sent yet.
struct Gate {
    text: Option<Bytes>,
    window: Window,
    out: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
#[error("the time in which the request might be sent is over")]
struct Over;

impl Body for Gate {
    type Data = Bytes;
    type Error = Over;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Over>>> {
        let Some(text) = self.text.take() else { return Poll::Ready(None) };
        if self.window.is_over() {
            return Poll::Ready(Some(Err(Over)));
        }
        self.out.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.text.as_ref().map_or(0, |t| u64::try_from(t.len()).unwrap_or(u64::MAX)))
    }
}

/// Goes on with it only in its time, until it is `out`: whoever was stopped in the middle finds first that it is too late. `None` then.
async fn in_time<T>(window: &Window, out: &AtomicBool, sending: impl Future<Output = T>) -> Option<T> {
    let mut sending = pin!(sending);
    let next = |cx: &mut Context<'_>| {
        if !out.load(Ordering::Relaxed) && window.is_over() { Poll::Ready(None) } else { sending.as_mut().poll(cx).map(Some) }
    };
    poll_fn(next).await
}

/// Sends to allowed hosts only, and gives the head of the answer. Nothing begins to leave out of its time; `sent` says when a byte may
/// have left.
pub(super) async fn send(
    client: &Client,
    hosts: &Hosts,
    mut outgoing: Outgoing,
    sent: &AtomicBool,
    window: &Window,
) -> Result<Response, CallFailure> {
    for _ in 0..=REDIRECTS {
        let earlier = sent.load(Ordering::Relaxed);
        hosts.check(&outgoing.url).map_err(|d| failure::egress(d, earlier))?;
        if window.is_over() {
            return Err(over(earlier));
        }
        let Outgoing { method, url, headers, body } = outgoing.clone();
        // A read does no harm when it is late.
        let out = Arc::new(AtomicBool::new(method.is_safe()));
        // Without a body, or over HTTP/2, the head may have left before anybody asked.
        let gated = url.scheme() == "http" && body.as_ref().is_some_and(|b| !b.is_empty());
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(reqwest::Body::wrap(Gate { text: Some(body.into()), window: window.clone(), out: out.clone() }));
        }
        sent.store(true, Ordering::Relaxed);
        let failed = match in_time(window, &out, request.send()).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) if failure::cause::<Over>(&error).is_some() => Err(over(!gated)),
            Some(Err(error)) => Err(failure::before_head(&error)),
            None => Err(over(!gated)),
        };
        let response = failed.map_err(|failed| {
            sent.store(earlier || failed.sent, Ordering::Relaxed);
            CallFailure { sent: earlier || failed.sent, ..failed }
        })?;
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
