//! Sends what triggered actions send: with their secrets put in, signed, to allowed hosts only, once.
//!
//! They are under the rules of their registration, not of a conversation: there is no permit. What is sent was decided in `registry`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use url::Url;

use super::auth::{secret_header, sign};
use super::egress::{Guard, Hosts, Resolver};
use super::exchange::{Incoming, Now, Outgoing, Window, read, send};
use super::failure::{self, failure};
use super::http::{builder, with_tls};
use super::secrets::Secrets;
use crate::engine::CallFailure;
use crate::engine::effect;
use crate::model::action::ErrorKind;
use crate::model::settings::Settings;
use crate::registry::payload::{Filled, REDACTED};
use crate::registry::{Letter, To};
use crate::value::Json;

/// How long one try may take.
pub const WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(8);
/// Bytes of a refusal that are read.
const REFUSAL: u64 = 16 * 1024;
/// Characters of a refusal that are kept.
const SHOWN: usize = 300;
/// How long a service may ask to be left alone: a day, in milliseconds.
const LATER_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Clients that are kept, each with the hosts that it may reach.
const CLIENTS: usize = 64;

/// Sends letters. Clones share connections.
#[derive(Clone)]
pub struct Post(Arc<Inner>);

struct Inner {
    secrets: Secrets,
    allow: Vec<Arc<str>>,
    body_max: u64,
    resolver: Resolver,
    now: Now,
    // By the place that the settings name; none: for the hosts that they allow.
    clients: Mutex<BTreeMap<Option<String>, Reach>>,
}

/// A client, and where it may go.
type Reach = (Client, Arc<Hosts>);

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("allow", &self.0.allow).finish_non_exhaustive()
    }
}

/// A letter that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Undelivered {
    /// Why; no secret stands in it.
    pub failure: CallFailure,
    /// Whether the same may be taken later.
    pub again: bool,
}

/// A letter with its secrets in it.
struct Ready {
    outgoing: Outgoing,
    hosts: Arc<Hosts>,
    client: Client,
    secrets: Vec<SecretString>,
}

impl Post {
    /// For the channels, engines and allowed hosts of these settings.
    #[must_use]
    pub fn new(settings: &Settings, secrets: &Secrets, now: Now, resolver: &Resolver) -> Self {
        with_tls();
        Self(Arc::new(Inner {
            secrets: secrets.clone(),
            allow: settings.egress_allow_hosts.clone(),
            body_max: settings.limits.body,
            resolver: resolver.clone(),
            now,
            clients: Mutex::default(),
        }))
    }

    /// Whether a letter could be sent: its secrets are there, its place is allowed, and it is not too large. Nothing is sent.
    pub fn check(&self, letter: &Letter) -> Result<(), Undelivered> {
        self.ready(letter).map(drop).map_err(|failure| Undelivered { failure, again: false })
    }

    /// Sends a letter, once.
    pub async fn send(&self, letter: &Letter) -> Result<(), Undelivered> {
        let ready = self.ready(letter).map_err(|failure| Undelivered { failure, again: false })?;
        let sent = AtomicBool::new(false);
        let exchange = async {
            let answer = send(&ready.client, &ready.hosts, ready.outgoing.clone(), &sent, &Window::open()).await?;
            let status = answer.status().as_u16();
            if (200..300).contains(&status) {
                return Ok(None);
            }
            // Why it was refused is told where it can be read; that it was refused stands anyway.
            let retry_after = answer.headers().get(RETRY_AFTER).cloned();
            let body = read(answer, REFUSAL).await.map(|Incoming { body, .. }| body).unwrap_or_default();
            Ok(Some((status, retry_after, body)))
        };
        let outcome = match tokio::time::timeout(WITHIN, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::timeout(sent.load(Ordering::Relaxed))),
        };
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some((status, retry_after, body))) => {
                let wait = retry_after.and_then(|v| effect::retry_after(v.to_str().ok()?, (self.0.now)()));
                Err(refused(letter.to, status, wait, &body, &ready.secrets))
            }
            Err(failure) => {
                let again = !matches!(failure.kind, ErrorKind::Denied | ErrorKind::InvalidInput);
                Err(Undelivered { failure, again })
            }
        }
    }

    fn ready(&self, letter: &Letter) -> Result<Ready, CallFailure> {
        let mut secrets = Vec::new();
        let mut put = |name: &str| -> Result<String, CallFailure> {
            let value = self.0.secrets.lookup(name).map_err(|e| failure(ErrorKind::AuthFailed, "secret", false, e))?;
            let text = value.expose_secret().to_owned();
            secrets.push(value);
            Ok(text)
        };
        let bad = |code: &str, detail: &dyn std::fmt::Display| failure(ErrorKind::InvalidInput, code, false, detail);
        let url = address(letter, &mut put)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"));
        for (name, value) in &letter.headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| bad("bad_header", &format_args!("the header `{name}` cannot be set")))?;
            let value = secret_header(&value.with(&mut put)?, name).map_err(|e| bad("bad_header", &e))?;
            headers.insert(header, value);
        }
        let key =
            HeaderValue::from_str(&letter.idempotency_key).map_err(|_| bad("bad_header", &"the decision's id cannot stand in a header"))?;
        headers.insert("idempotency-key", key);
        let body = letter.body.as_ref().map(|b| b.with(&mut put)).transpose()?.map(|json| json.to_string());
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if body.as_ref().is_some_and(|b| b.len() as u64 > self.0.body_max) {
            return Err(bad("request_too_large", &format_args!("the request is larger than {} bytes", self.0.body_max)));
        }
        if let Some(secret) = &letter.secret {
            let key = signing_key(secret, &mut put)?;
            sign(&mut headers, &key, &letter.id, (self.0.now)(), body.as_deref().unwrap_or(""))
                .ok_or_else(|| bad("bad_header", &"the message's id cannot stand in a header"))?;
        }
        let method = Method::from_bytes(letter.method.as_bytes()).map_err(|_| bad("bad_request", &"the method is none of HTTP"))?;
        let (client, hosts) = self.client(letter.own.then_some(&url))?;
        hosts.check(&url).map_err(|d| failure::egress(d, false))?;
        Ok(Ready { outgoing: Outgoing { method, url, headers, body }, hosts, client, secrets })
    }

    /// The client that reaches only where this may go: to the place that the settings name, or to the hosts that they allow.
    fn client(&self, own: Option<&Url>) -> Result<Reach, CallFailure> {
        let key = own.map(|url| url.origin().ascii_serialization());
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&key) {
            return Ok(known.clone());
        }
        let allow = self.0.allow.iter().map(|h| &**h);
        let hosts = match own {
            Some(url) => Hosts::new(url, allow).ok_or_else(|| failure(ErrorKind::InvalidInput, "bad_url", false, "the URL has no host"))?,
            None => Hosts::only(allow),
        };
        let hosts = Arc::new(hosts.by(&self.0.resolver));
        let guard = || Guard { hosts: hosts.clone(), resolver: self.0.resolver.clone() };
        let client = builder(CONNECT, guard()).build().or_else(|_| builder(CONNECT, guard()).tls_certs_only([]).build());
        let client = client.map_err(|_| failure(ErrorKind::Internal, "client", false, "the HTTP client cannot be started"))?;
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(key, (client.clone(), hosts.clone()));
        Ok((client, hosts))
    }
}

/// Where a letter goes. What a decision put into the URL is one segment of it, or one value of its query.
fn address(letter: &Letter, put: &mut impl FnMut(&str) -> Result<String, CallFailure>) -> Result<Url, CallFailure> {
    let bad = |detail: &str| failure(ErrorKind::InvalidInput, "bad_url", false, detail);
    let mut parse = |text: &Filled| -> Result<Url, CallFailure> {
        let url = Url::parse(text.with(&mut *put)?.trim()).map_err(|_| bad("the endpoint is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("the endpoint holds credentials"));
        }
        Ok(url)
    };
    let url = parse(&letter.url)?;
    if let Some(outline) = &letter.outline {
        let form = parse(outline)?;
        let empty = |url: &Url| url.path_segments().map(|all| all.map(str::is_empty).collect::<Vec<_>>());
        if form.origin() != url.origin() || empty(&form) != empty(&url) || form.query().is_some() != url.query().is_some() {
            return Err(bad("the endpoint leaves its place"));
        }
    }
    Ok(url)
}

/// The key of Standard Webhooks: `whsec_` and base64.
fn signing_key(secret: &Filled, put: &mut impl FnMut(&str) -> Result<String, CallFailure>) -> Result<SecretBox<Vec<u8>>, CallFailure> {
    let text = SecretString::from(secret.with(put)?);
    let bare = text.expose_secret().strip_prefix("whsec_").unwrap_or(text.expose_secret());
    let key = BASE64.decode(bare).ok().filter(|k| !k.is_empty());
    let key = key.ok_or_else(|| failure(ErrorKind::AuthFailed, "secret", false, "the `secret` that signs is not `whsec_` and base64"))?;
    Ok(SecretBox::new(Box::new(key)))
}

/// What a refusal comes to. Of what a service says only what it documents is told, and no secret.
fn refused(to: To, status: u16, wait: Option<u64>, body: &[u8], secrets: &[SecretString]) -> Undelivered {
    let said = match to {
        To::Slack => std::str::from_utf8(body).ok().map(str::trim).filter(|w| is_word(w)).map(str::to_owned),
        To::PagerDuty => serde_json::from_slice(body).ok().and_then(|json: Json| listed(&json)),
        To::Service => None,
    };
    let detail = match said {
        Some(said) => format!("the service answered {status}: {}", told(said, secrets)),
        None => format!("the service answered {status}"),
    };
    let kind = match status {
        401 | 403 => ErrorKind::AuthFailed,
        429 => ErrorKind::RateLimited,
        _ => ErrorKind::HttpStatus,
    };
    let retry_after_ms = wait.map(|ms| ms.min(LATER_MAX));
    let failure = CallFailure { retry_after_ms, ..failure(kind, &format!("http_{status}"), true, detail) };
    Undelivered { failure, again: matches!(status, 408 | 425 | 429 | 500..=599) }
}

/// What a service says, without secrets, and then without what is too long of it: half a secret would not be known for one.
fn told(mut said: String, secrets: &[SecretString]) -> String {
    let mut secrets: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).filter(|s| !s.is_empty()).collect();
    // One that is part of another would leave the rest of it.
    secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
    for secret in secrets {
        said = said.replace(secret, REDACTED);
    }
    said.chars().take(SHOWN).collect()
}

/// `invalid_payload`, and the like.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// What PagerDuty says is wrong with an event.
fn listed(json: &Json) -> Option<String> {
    let errors = json.get("errors").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let errors: Vec<&str> = errors.iter().filter_map(Json::as_str).collect();
    let text = if errors.is_empty() { json.get("message")?.as_str()?.to_owned() } else { errors.join("; ") };
    Some(text.chars().filter(|c| !c.is_control()).collect())
}
