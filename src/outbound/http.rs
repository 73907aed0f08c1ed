//! Performs requests over HTTP: builds each from what was decided, its integration and its secrets, and says what came of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use secrecy::ExposeSecret;
use url::Url;

use super::address::join;
use super::auth::{Credentials, secret_header, sign, verify};
use super::breaker::Breaker;
use super::egress::{Guard, Hosts, Resolver};
use super::exchange::{Incoming, Now, Outgoing, Window, read, send};
use super::failure::{self, failure};
use super::mcp;
use super::program::Program;
use super::secrets::Secrets;
use crate::engine::{CallEffect, CallFailure, CallResult, HttpAnswer};
use crate::model::action::{self, ErrorKind, Integration, IntegrationType};
use crate::model::settings::Limits;
use crate::model::workspace::Workspace;
use crate::supervise::Permit;
use crate::value::{Json, Name};

/// Headers that belong to the connection or to the engine: nobody's to set.
const RESERVED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-signature",
];

/// Bytes of a provider's answer.
const PROVIDER_ANSWER: u64 = 1_000_000;

/// Performs requests over HTTP. Clones share connections and tokens.
#[derive(Clone)]
pub struct HttpPerformer(Arc<Inner>);

struct Inner {
    services: BTreeMap<Name, Result<Peer, CallFailure>>,
    // Beside the services that they use, so that they end with the performer.
    connections: BTreeMap<Name, mcp::Connection>,
    breakers: BTreeMap<Name, Breaker>,
    now: Now,
}

/// An integration with its secrets in it.
pub(super) struct Service {
    limits: Limits,
    now: Now,
    kind: IntegrationType,
    base: Url,
    hosts: Arc<Hosts>,
    token_hosts: Option<Hosts>,
    headers: HeaderMap,
    credentials: Credentials,
    test_endpoint: Option<Arc<str>>,
    resolver: Resolver,
    // By time in which to connect: it is a property of a client, not of a request.
    clients: Mutex<BTreeMap<u64, Client>>,
}

impl std::fmt::Debug for HttpPerformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpPerformer").field("integrations", &self.0.services.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Gives TLS its cryptography.
pub(super) fn with_tls() {
    static TLS: Once = Once::new();
    // Fails only if a program that embeds us has installed a provider of its own, which then serves as well.
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// A client that follows nobody, tries nothing again, and connects only where its guard lets it.
pub(super) fn builder(connect: Duration, guard: Guard) -> reqwest::ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("waypost/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .dns_resolver(guard)
        .http2_max_header_list_size(64 * 1024)
        .pool_idle_timeout(Duration::from_secs(30))
}

impl HttpPerformer {
    /// For the integrations of a workspace, with their secrets looked up now.
    #[must_use]
    pub fn new(workspace: &Workspace, secrets: &Secrets, now: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self::with_resolver(workspace, secrets, now, &Resolver::System)
    }

    /// The same, with host names looked up elsewhere than by the system.
    #[must_use]
    pub fn with_resolver(
        workspace: &Workspace,
        secrets: &Secrets,
        now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        resolver: &Resolver,
    ) -> Self {
        with_tls();
        let allow = &workspace.settings.egress_allow_hosts;
        let limits = workspace.settings.limits;
        let service = |integration: &Integration| {
            if integration.command.is_empty() {
                Service::new(integration, allow, secrets, resolver, limits, now.clone()).map(|s| Peer::Service(Arc::new(s)))
            } else {
                Program::new(integration, secrets, limits, now.clone()).map(|p| Peer::Program(Arc::new(p)))
            }
        };
        let services = workspace.integrations.iter().map(|(name, integration)| (name.clone(), service(integration))).collect();
        let has_tools = |i: &Integration| i.kind == IntegrationType::Mcp || i.provider.as_ref().is_some_and(|p| p.mcp);
        let of_tools = workspace.integrations.iter().filter(|(_, i)| has_tools(i));
        let connections = of_tools.map(|(name, _)| (name.clone(), mcp::Connection::default())).collect();
        let providers = workspace.integrations.iter().filter(|(_, i)| i.kind == IntegrationType::Provider);
        let breakers = providers.map(|(name, _)| (name.clone(), Breaker::default())).collect();
        Self(Arc::new(Inner { services, connections, breakers, now }))
    }

    /// The integrations that cannot be called as they are, each with one sentence that says why: a secret is missing, for one.
    #[must_use]
    pub fn problems(&self) -> Vec<(Name, Arc<str>)> {
        let problem = |(name, service): (&Name, &Result<Peer, CallFailure>)| Some((name.clone(), service.as_ref().err()?.detail.clone()));
        self.0.services.iter().filter_map(problem).collect()
    }

    /// Sends a request that was allowed, if its permit still holds, and says what came of it.
    pub async fn call(&self, effect: CallEffect) -> CallResult {
        let CallEffect { id, permit, request, action, until, attempt, .. } = effect;
        let started = (self.0.now)();
        let left = Duration::try_from(until.duration_since(started)).unwrap_or_default();
        let within = left.min(Duration::from_millis(action.settings.timeout_ms));
        let name = &action.integration.slug.name;
        let leave = Leave(Some((permit, until)));
        let room = match self.0.breakers.get(name) {
            Some(breaker) => match breaker.enter(started, within).await {
                Ok(room) => Some((breaker, room)),
                Err(failed) => return CallResult::Failed(failed),
            },
            None => None,
        };
        // Who waited for room has that much less time.
        let spent = Duration::try_from((self.0.now)().duration_since(started)).unwrap_or_default();
        let within = within.saturating_sub(spent);
        let outcome = match (self.service(name), self.0.connections.get(name)) {
            (Ok(peer), Some(connection)) if room.is_some() => mcp::provider(connection, peer, &request, within, leave).await,
            (Ok(peer), Some(connection)) => mcp::call(connection, peer, &request, within, leave).await,
            (Ok(Peer::Program(_)), None) => Err(no_program()),
            (Ok(Peer::Service(service)), None) => {
                let call = Call {
                    method: method(request.method),
                    path: &request.path,
                    query: &request.query,
                    headers: &request.headers,
                    body: request.body.as_deref(),
                    idempotency_key: request.idempotency_key.as_deref(),
                    webhook_id: request.idempotency_key.as_deref().unwrap_or(&id.0),
                    protocol: HeaderMap::new(),
                };
                let answered = service.answer(&call, within, &leave).await;
                answered.and_then(|incoming| if room.is_some() { service.vouched(incoming, &id.0) } else { Ok(incoming) }).map(answer)
            }
            (Err(failed), _) => Err(failed),
        };
        if let Some((breaker, _)) = &room {
            breaker.left((self.0.now)(), &outcome);
        }
        // No path, query, header or body: they hold values.
        let action = &request.action;
        match &outcome {
            Ok(answered) => tracing::debug!(%action, attempt, status = answered.status, "called"),
            Err(failed) => tracing::warn!(%action, attempt, failure = &*failed.code, "a call failed"),
        }
        result(outcome)
    }

    /// Asks an integration whether it lives and takes its credentials: its `test_endpoint` (its base URL, if it has none), or for the
    /// names of its tools.
    pub async fn probe(&self, integration: &str, within: Duration) -> CallResult {
        let name = Name::new(integration);
        let outcome = match (self.service(&name), self.0.connections.get(&name)) {
            (Ok(peer), Some(connection)) => mcp::tools(connection, peer, within).await,
            (Ok(Peer::Program(_)), None) => Err(no_program()),
            (Ok(Peer::Service(service)), None) => {
                let call = Call { method: Method::GET, path: service.test_endpoint.as_deref().unwrap_or(""), ..Call::bare("probe") };
                service.answer(&call, within, &Leave(None)).await.map(answer)
            }
            (Err(failed), _) => Err(failed),
        };
        result(outcome)
    }

    fn service(&self, name: &Name) -> Result<&Peer, CallFailure> {
        match self.0.services.get(name) {
            Some(Ok(peer)) => Ok(peer),
            Some(Err(failed)) => Err(failed.clone()),
            None => Err(failure(ErrorKind::Denied, "egress", false, format_args!("the workspace has no integration `{name}` any more"))),
        }
    }
}

/// What an integration calls.
#[derive(Clone)]
pub(super) enum Peer {
    /// A service over HTTP.
    Service(Arc<Service>),
    /// A program on this machine.
    Program(Arc<Program>),
}

fn no_program() -> CallFailure {
    failure(ErrorKind::Internal, "misconfigured", false, "only an MCP server is a program")
}

/// Leave to send, for as long as it holds; nothing is decided on where only a service's life is asked for.
pub(super) struct Leave(pub(super) Option<(Permit, Timestamp)>);

impl Leave {
    pub(super) fn window(&self, now: &Now) -> Window {
        Window { now: now.clone(), last: self.0.as_ref().map(|(permit, until)| permit.until().min(*until)) }
    }
}

/// A request, by its parts.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a [(Arc<str>, Arc<str>)],
    pub(super) headers: &'a [(Arc<str>, Arc<str>)],
    pub(super) body: Option<&'a str>,
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) webhook_id: &'a str,
    /// Headers of a protocol on top of HTTP, over all others.
    pub(super) protocol: HeaderMap,
}

impl<'a> Call<'a> {
    /// A request with nothing in it.
    pub(super) fn bare(webhook_id: &'a str) -> Self {
        let (query, headers) = (&[], &[]);
        Self { method: Method::GET, path: "", query, headers, body: None, idempotency_key: None, webhook_id, protocol: HeaderMap::new() }
    }
}

impl Service {
    fn new(
        integration: &Integration,
        allow: &[Arc<str>],
        secrets: &Secrets,
        resolver: &Resolver,
        limits: Limits,
        now: Now,
    ) -> Result<Self, CallFailure> {
        let slug = &integration.slug;
        let wrong =
            |kind, why: &dyn std::fmt::Display| failure(kind, "misconfigured", false, format_args!("the integration `{slug}`: {why}"));
        let base = secrets.resolve(&integration.base_url.value).map_err(|e| wrong(ErrorKind::Internal, &e))?;
        let base = Url::parse(base.expose_secret()).map_err(|_| wrong(ErrorKind::Internal, &"`base_url` is not a URL"))?;
        let hosts = || Hosts::new(&base, integration.allow_hosts.iter().chain(allow).map(|h| &**h)).map(|h| h.by(resolver));
        let own = hosts().filter(|_| matches!(base.scheme(), "http" | "https"));
        let own = own.ok_or_else(|| wrong(ErrorKind::Internal, &"`base_url` is not an `http` or `https` URL"))?;
        let credentials = Credentials::resolve(&integration.auth, secrets).map_err(|e| wrong(ErrorKind::AuthFailed, &e))?;
        let token_hosts = match &credentials {
            Credentials::OAuth2(oauth) => hosts().map(|h| h.and(&oauth.token_url)),
            Credentials::None | Credentials::Header(..) | Credentials::Hmac(_) => None,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &integration.headers {
            let value = secrets.resolve(&value.value).map_err(|e| wrong(ErrorKind::Internal, &e))?;
            let header = header_name(name).ok_or_else(|| wrong(ErrorKind::Internal, &format_args!("the header `{name}` cannot be set")))?;
            let value = secret_header(value.expose_secret(), name).map_err(|e| wrong(ErrorKind::Internal, &e))?;
            headers.insert(header, value);
        }
        if let Credentials::Header(name, value) = &credentials {
            headers.insert(name.clone(), value.clone());
        }
        // What a provider says is for a person to read.
        let response = if integration.kind == IntegrationType::Provider { limits.response.min(PROVIDER_ANSWER) } else { limits.response };
        Ok(Self {
            limits: Limits { response, ..limits },
            now,
            kind: integration.kind,
            base,
            hosts: Arc::new(own),
            token_hosts,
            headers,
            credentials,
            test_endpoint: integration.test_endpoint.clone(),
            resolver: resolver.clone(),
            clients: Mutex::default(),
        })
    }

    /// An answer of a provider, if the signature that it bears is the provider's, of now, and of an answer to this very request.
    fn vouched(&self, incoming: Incoming, id: &str) -> Result<Incoming, CallFailure> {
        match &self.credentials {
            Credentials::Hmac(key) => match verify(&incoming, key, id, self.now()) {
                None => Ok(incoming),
                Some(why) => Err(failure(ErrorKind::AuthFailed, "bad_signature", true, why)),
            },
            Credentials::None | Credentials::Header(..) | Credentials::OAuth2(_) => Ok(incoming),
        }
    }

    /// The most bytes of an answer.
    pub(super) fn response_max(&self) -> u64 {
        self.limits.response
    }

    /// The driver's time.
    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn answer(&self, call: &Call<'_>, within: Duration, leave: &Leave) -> Result<Incoming, CallFailure> {
        let sent = AtomicBool::new(false);
        let answered = async { read(self.head(call, within, &sent, leave).await?, self.limits.response).await };
        match tokio::time::timeout(within, answered).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::timeout(sent.load(Ordering::Relaxed))),
        }
    }

    /// Sends a request with its credentials, and gives the head of the answer.
    pub(super) async fn head(&self, call: &Call<'_>, within: Duration, sent: &AtomicBool, leave: &Leave) -> Result<Response, CallFailure> {
        let client = self.client(within)?;
        let mut outgoing = self.outgoing(call, &self.limits)?;
        if let Credentials::Hmac(key) = &self.credentials {
            sign(&mut outgoing.headers, key, call.webhook_id, self.now(), call.body.unwrap_or(""))
                .ok_or_else(|| failure(ErrorKind::InvalidInput, "bad_header", false, "the request's id cannot stand in a header"))?;
        }
        let window = leave.window(&self.now);
        let Credentials::OAuth2(oauth) = &self.credentials else {
            return send(&client, &self.hosts, outgoing, sent, &window).await;
        };
        let token_hosts = self.token_hosts.as_ref().unwrap_or(&self.hosts);
        let token = oauth.header(&client, token_hosts, &*self.now, None).await?;
        outgoing.headers.insert(reqwest::header::AUTHORIZATION, token.clone());
        let first = send(&client, &self.hosts, outgoing.clone(), sent, &window).await?;
        if first.status() != 401 {
            return Ok(first);
        }
        // The service refused the token, so nothing was done: once more with a fresh one.
        let Ok(token) = oauth.header(&client, token_hosts, &*self.now, Some(&token)).await else { return Ok(first) };
        outgoing.headers.insert(reqwest::header::AUTHORIZATION, token);
        send(&client, &self.hosts, outgoing, sent, &window).await
    }

    /// The client whose connections must stand before the request's own time is up, so that a time-out there is known to be one.
    fn client(&self, within: Duration) -> Result<Client, CallFailure> {
        let connect_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX) / 10 * 9;
        // Times left differ by request; rounded down to a power of two they need few clients.
        let connect_ms = 1_u64 << connect_ms.max(1).ilog2();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&connect_ms) {
            return Ok(client.clone());
        }
        let guard = || Guard { hosts: self.hosts.clone(), resolver: self.resolver.clone() };
        let within = Duration::from_millis(connect_ms);
        // A machine without certificates can still speak plain HTTP.
        let client = builder(within, guard()).build().or_else(|_| builder(within, guard()).tls_certs_only([]).build());
        let client = client.map_err(|_| failure(ErrorKind::Internal, "client", false, "the HTTP client cannot be started"))?;
        clients.insert(connect_ms, client.clone());
        Ok(client)
    }

    fn outgoing(&self, call: &Call<'_>, limits: &Limits) -> Result<Outgoing, CallFailure> {
        let refused = |code, detail: &dyn std::fmt::Display| failure(ErrorKind::InvalidInput, code, false, detail);
        if call.body.is_some_and(|b| b.len() as u64 > limits.body) {
            return Err(refused("request_too_large", &format_args!("the request is larger than {} bytes", limits.body)));
        }
        let url = join(&self.base, call.path, call.query).map_err(|e| refused("bad_url", &e))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static(match self.kind {
                IntegrationType::Graphql => "application/graphql-response+json, application/json",
                IntegrationType::RestApi | IntegrationType::Webhook | IntegrationType::Mcp | IntegrationType::Provider => {
                    "application/json, */*;q=0.1"
                }
            }),
        );
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // An action's headers stand over its integration's, and credentials over both.
        let fixed = match &self.credentials {
            Credentials::Header(name, _) => Some(name),
            Credentials::None | Credentials::Hmac(_) | Credentials::OAuth2(_) => None,
        };
        headers.extend(self.headers.clone());
        for (name, value) in call.headers {
            let header = header_name(name).filter(|n| n != reqwest::header::AUTHORIZATION && Some(n) != fixed);
            let header = header.ok_or_else(|| refused("bad_header", &format_args!("the header `{name}` cannot be set")))?;
            let value = HeaderValue::from_str(value)
                .map_err(|_| refused("bad_header", &format_args!("the value of the header `{name}` cannot stand in a header")))?;
            headers.insert(header, value);
        }
        if let Some(key) = call.idempotency_key {
            let key = HeaderValue::from_str(key).map_err(|_| refused("bad_header", &"the idempotency key cannot stand in a header"))?;
            headers.insert("idempotency-key", key);
        }
        headers.extend(call.protocol.clone());
        Ok(Outgoing { method: call.method.clone(), url, headers, body: call.body.map(Into::into) })
    }
}

/// The name of a header that may be set.
fn header_name(name: &str) -> Option<HeaderName> {
    let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
    (!RESERVED.contains(&header.as_str())).then_some(header)
}

fn method(method: action::Method) -> Method {
    match method {
        action::Method::Get => Method::GET,
        action::Method::Head => Method::HEAD,
        action::Method::Post => Method::POST,
        action::Method::Put => Method::PUT,
        action::Method::Patch => Method::PATCH,
        action::Method::Delete => Method::DELETE,
        action::Method::Options => Method::OPTIONS,
    }
}

fn result(outcome: Result<HttpAnswer, CallFailure>) -> CallResult {
    match outcome {
        Ok(answer) => CallResult::Answered(answer),
        Err(failed) => CallResult::Failed(failed),
    }
}

pub(super) fn answer(incoming: Incoming) -> HttpAnswer {
    let Incoming { status, headers, body } = incoming;
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let says_json = essence == "application/json" || essence == "text/json" || essence.ends_with("+json");
    let text = String::from_utf8_lossy(&body);
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    // Servers that say nothing, or say it wrongly, still mean JSON by an object or a list.
    let try_json = says_json || essence.is_empty() || trimmed.starts_with(['{', '[']);
    let (json, invalid_json) = if trimmed.is_empty() {
        (Json::Null, false)
    } else if let Some(json) = try_json.then(|| serde_json::from_str(trimmed).ok()).flatten() {
        (json, false)
    } else {
        (Json::String(text.into_owned()), says_json)
    };
    HttpAnswer { status, headers: shown(&headers), body: Arc::new(json), invalid_json }
}

/// A header that has one of these among the words of its name bears a credential.
const CREDENTIALS: [&str; 14] = [
    "apikey",
    "auth",
    "authentication",
    "authorization",
    "cookie",
    "cookie2",
    "credential",
    "csrf",
    "jwt",
    "key",
    "password",
    "secret",
    "session",
    "token",
];

/// Headers as conditions see them and events keep them, the values of one name joined; the server's credentials stay out.
fn shown(headers: &HeaderMap) -> Vec<(Arc<str>, Arc<str>)> {
    let mut out: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    for name in headers.keys().filter(|n| !n.as_str().split(['-', '_']).any(|word| CREDENTIALS.contains(&word))) {
        let values: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        out.push((name.as_str().into(), values.join(", ").into()));
    }
    out.sort();
    out
}
