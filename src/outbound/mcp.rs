//! Calls the tools of MCP servers through rmcp's client: one connection for a service, and each message of it a guarded HTTP exchange, or a
//! line to a program.
//!
//! What a tool answers becomes an answer of HTTP: 200 for a result, 500 for one that the tool itself calls an error, 400 for a call that the
//! server would not begin. A server is told of no abilities, so it may ask nothing back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ClientJsonRpcMessage, ClientRequest,
    ContentBlock, ErrorCode, ErrorData, Implementation, PaginatedRequestParams, ProtocolVersion, ServerJsonRpcMessage, ServerResult, Tool,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, PeerRequestOptions, RoleClient, RunningService, ServiceError};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransport, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::Sse;

use super::exchange::{Incoming, over, read, read_until};
use super::failure::{self, failure};
use super::http::{Call, Leave, Peer, Service, answer};
use crate::engine::effect::retry_after;
use crate::engine::{CallFailure, HttpAnswer, Request};
use crate::model::action::{Effects, ErrorKind};
use crate::model::provider::OFFERED;
use crate::value::Json;

/// Messages under way in one connection; more wait for their turn.
const AT_ONCE: usize = 1024;
/// Pages of a server's list of tools that are read, at most.
const PAGES: usize = 10;
/// Tools that a server is looked through for, at most.
const TOOLS: usize = 1_000;
/// What a server of a session tells of it in each message.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The revisions that are tried, newest first; an older server is greeted as [`ProtocolVersion::LATEST_WITH_INITIALIZE`].
const PREFERRED: [ProtocolVersion; 1] = [ProtocolVersion::LATEST];

type Session = RunningService<RoleClient, ClientConfig>;

/// The connection to a service, made when it is first needed and again when it is lost.
#[derive(Default)]
pub(super) struct Connection(tokio::sync::Mutex<Option<Arc<Session>>>);

/// One call of a tool, as the wire that carries its message sees it.
struct Attempt {
    leave: Leave,
    headers: Vec<(Arc<str>, Arc<str>)>,
    idempotency_key: Option<Arc<str>>,
    effects: Effects,
    within: Duration,
    sent: AtomicBool,
    // What came of its exchange, if that was no message of the protocol.
    came: Mutex<Option<Result<Incoming, CallFailure>>>,
}

/// What came of a call.
struct Came {
    answer: HttpAnswer,
    // Whether the tool itself came to its end, well or badly, and said so.
    ended: bool,
}

/// Calls the tool that a request names, if its permit still holds.
pub(super) async fn call(
    connection: &Connection,
    peer: &Peer,
    request: &Request,
    within: Duration,
    leave: Leave,
) -> Result<HttpAnswer, CallFailure> {
    called(connection, peer, request, within, leave).await.map(|came| came.answer)
}

async fn called(connection: &Connection, peer: &Peer, request: &Request, within: Duration, leave: Leave) -> Result<Came, CallFailure> {
    let started = peer.now();
    let session = connection.open(peer, within).await?;
    let written = request.body.as_deref().unwrap_or("");
    let params: CallToolRequestParams = serde_json::from_str(written)
        .map_err(|_| failure(ErrorKind::InvalidInput, "bad_request", false, "the request does not name a tool and its arguments"))?;
    if let Peer::Program(program) = peer
        && leave.window(program.now()).is_over()
    {
        return Err(over(false));
    }
    let attempt = Arc::new(Attempt {
        leave,
        headers: request.headers.clone(),
        idempotency_key: request.idempotency_key.clone(),
        effects: request.effects,
        within,
        // What is handed to a program's input may have been read.
        sent: AtomicBool::new(matches!(peer, Peer::Program(_))),
        came: Mutex::default(),
    });
    let mut tool = CallToolRequest::new(params);
    tool.extensions.insert(attempt.clone());
    let options = PeerRequestOptions::with_timeout(peer.left(started, within));
    let answered = match session.send_request_with_option(ClientRequest::CallToolRequest(tool), options).await {
        // Past its time the server is told that nobody waits any more.
        Ok(handle) => handle.await_response().await,
        Err(error) => Err(error),
    };
    attempt.answer(answered)
}

/// A provider whose actions are the tools of a server: what it offers, and what came of one, as a provider over HTTP would say it.
pub(super) async fn provider(
    connection: &Connection,
    peer: &Peer,
    request: &Request,
    within: Duration,
    leave: Leave,
) -> Result<HttpAnswer, CallFailure> {
    let asked: Json = request.body.as_deref().and_then(|b| serde_json::from_str(b).ok()).unwrap_or_default();
    if &*request.path == "/discover" {
        return listed(
            connection,
            peer,
            within,
            OFFERED,
            |tools, more| serde_json::json!({"actions": tools.iter().map(offered).collect::<Vec<_>>(), "more": more}),
        )
        .await;
    }
    let inputs = asked.get("inputs").cloned().unwrap_or_default();
    let params = serde_json::json!({"name": asked.get("action_id"), "arguments": inputs});
    let tool = Request { body: Some(params.to_string().into()), ..request.clone() };
    let Came { answer, ended } = called(connection, peer, &tool, within, leave).await?;
    // A tool that calls its own end an error has answered; an error of the protocol, or a server that is out of order, leaves it open.
    if !ended {
        return Ok(answer);
    }
    let said = |key: &str| answer.body.get(key).cloned();
    let success = (200..300).contains(&answer.status);
    let message = match &*answer.body {
        Json::String(text) => Json::from(text.as_str()),
        // The official SDK puts a text that a tool gives under `result`.
        _ => said("message").or_else(|| said("result")).unwrap_or_default(),
    };
    let success = success && said("success") != Some(Json::Bool(false));
    let body =
        serde_json::json!({"success": success, "message": message, "effects": said("effects").unwrap_or_else(|| Json::Array(Vec::new()))});
    Ok(plain(200, body))
}

/// A tool as an action: one that is not said to be harmless asks for a yes.
fn offered(tool: &Tool) -> Json {
    let hints = tool.annotations.as_ref();
    let reads = hints.and_then(|h| h.read_only_hint) == Some(true);
    let harmless = reads || hints.and_then(|h| h.destructive_hint) == Some(false);
    let label = tool.title.clone().or_else(|| hints.and_then(|h| h.title.clone())).unwrap_or_else(|| tool.name.to_string());
    serde_json::json!({
        "id": tool.name,
        "label": label,
        "description": tool.description,
        "requires_confirmation": !harmless,
        "input_schema": *tool.input_schema,
    })
}

/// The names of a server's tools, as an answer.
pub(super) async fn tools(connection: &Connection, peer: &Peer, within: Duration) -> Result<HttpAnswer, CallFailure> {
    let names = |tools: &[Tool]| tools.iter().map(|t| Json::String(t.name.to_string())).collect::<Vec<_>>();
    listed(connection, peer, within, TOOLS, |tools, more| serde_json::json!({"tools": names(tools), "more": more})).await
}

/// The tools of a server, and whether it has more, in the form that is asked for, in the time that is left for it: so many pages, and
/// none after more tools than somebody takes.
async fn listed(
    connection: &Connection,
    peer: &Peer,
    within: Duration,
    most: usize,
    form: impl FnOnce(&[Tool], bool) -> Json,
) -> Result<HttpAnswer, CallFailure> {
    let started = peer.now();
    let session = connection.open(peer, within).await?;
    let pages = async {
        let (mut tools, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = session.list_tools(Some(PaginatedRequestParams::default().with_cursor(cursor))).await?;
            tools.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || tools.len() > most {
                break;
            }
        }
        Ok::<_, ServiceError>((tools, cursor.is_some()))
    };
    match tokio::time::timeout(peer.left(started, within), pages).await {
        Ok(Ok((tools, more))) => Ok(plain(200, form(&tools, more))),
        Ok(Err(ServiceError::McpError(error))) => Ok(refused(&error)),
        Ok(Err(_)) => Err(failure(ErrorKind::Connect, "cut", true, "the connection was cut before the service answered")),
        Err(_) => Err(failure::timeout(true)),
    }
}

impl Peer {
    /// The driver's time.
    fn now(&self) -> Timestamp {
        match self {
            Self::Service(service) => service.now(),
            Self::Program(program) => (program.now())(),
        }
    }

    /// What is left of a time that began then.
    fn left(&self, started: Timestamp, within: Duration) -> Duration {
        within.saturating_sub(Duration::try_from(self.now().duration_since(started)).unwrap_or_default())
    }
}

impl Connection {
    async fn open(&self, peer: &Peer, within: Duration) -> Result<Arc<Session>, CallFailure> {
        match tokio::time::timeout(within, self.connect(peer, within)).await {
            Ok(opened) => opened,
            Err(_) => Err(failure::timeout(false)),
        }
    }

    async fn connect(&self, peer: &Peer, within: Duration) -> Result<Arc<Session>, CallFailure> {
        // Held while a connection is made, so that callers at the same time share it.
        let mut kept = self.0.lock().await;
        if let Some(session) = kept.as_ref().filter(|s| !s.is_closed() && !s.is_transport_closed()) {
            return Ok(session.clone());
        }
        *kept = None;
        let us = Implementation::new("waypost", env!("CARGO_PKG_VERSION"));
        let us = ClientConfig::new(ClientCapabilities::default(), us);
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: PREFERRED.to_vec(),
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let session = match peer {
            Peer::Service(service) => {
                let wire = Wire { service: service.clone(), within, came: Arc::default() };
                let came = wire.came.clone();
                let config = StreamableHttpClientTransportConfig::with_uri("").max_concurrent_requests(AT_ONCE);
                let transport = StreamableHttpClientTransport::with_client(wire, config);
                us.serve_with_lifecycle(transport, lifecycle).await.map_err(|_| no_connection(take(&came), peer.now()))?
            }
            Peer::Program(program) => {
                let no = |why: &str| failure(ErrorKind::Connect, "mcp_program", false, why);
                let transport = program.start().map_err(|_| no("the MCP server's program cannot be started"))?;
                us.serve_with_lifecycle(transport, lifecycle).await.map_err(|_| no("the program does not answer as an MCP server"))?
            }
        };
        Ok(kept.insert(Arc::new(session)).clone())
    }
}

/// Why a service could not be greeted. No call was sent.
fn no_connection(came: Option<Result<Incoming, CallFailure>>, now: Timestamp) -> CallFailure {
    match came {
        Some(Err(failed)) => CallFailure { sent: false, ..failed },
        Some(Ok(incoming)) => {
            let incoming = answer(incoming);
            let (kind, code, detail) = match incoming.status {
                401 | 403 => (ErrorKind::AuthFailed, "mcp_refused", "the MCP server refused the credentials"),
                429 => (ErrorKind::RateLimited, "mcp_rate_limited", "the MCP server asks to wait"),
                500..=599 => (ErrorKind::Connect, "mcp_unavailable", "the MCP server is out of order"),
                _ => (ErrorKind::Connect, "mcp", "the service does not answer as an MCP server"),
            };
            let wait = incoming.headers.iter().find(|(name, _)| &**name == "retry-after").and_then(|(_, v)| retry_after(v, now));
            CallFailure { retry_after_ms: wait, ..failure(kind, code, false, detail) }
        }
        None => failure(ErrorKind::Connect, "mcp", false, "the service does not answer as an MCP server"),
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Attempt {
    /// What came of the call: of its exchange, if that went wrong, else of the tool.
    fn answer(&self, answered: Result<ServerResult, ServiceError>) -> Result<Came, CallFailure> {
        let sent = self.sent.load(Ordering::Relaxed);
        match take(&self.came) {
            Some(Ok(incoming)) => return Ok(Came { answer: answer(incoming), ended: false }),
            Some(Err(failed)) => return Err(self.open_ended(CallFailure { sent, ..failed })),
            None => {}
        }
        let unfinished = |code, detail| failure(ErrorKind::HttpStatus, code, sent, detail);
        match answered {
            Ok(ServerResult::CallToolResult(result)) => Ok(Came { answer: result_of(result), ended: true }),
            Ok(ServerResult::InputRequiredResult(_)) => {
                Err(unfinished("input_required", "the tool asks for more than its arguments, which an action does not give"))
            }
            Ok(_) => Err(unfinished("unfinished", "the tool answered with something that is no result")),
            Err(ServiceError::McpError(error)) => Ok(Came { answer: refused(&error), ended: false }),
            Err(ServiceError::Timeout { .. }) => Err(failure::timeout(sent)),
            Err(_) => Err(failure(ErrorKind::Connect, "cut", sent, "the connection was cut before the service answered")),
        }
    }

    /// Whether a tool succeeded stands in the body of its answer, so a write whose answer cannot be read is in doubt whatever the status.
    fn open_ended(&self, failed: CallFailure) -> CallFailure {
        match (self.effects, failed.kind) {
            (Effects::Write, ErrorKind::InvalidOutput) => CallFailure { kind: ErrorKind::HttpStatus, ..failed },
            _ => failed,
        }
    }
}

fn plain(status: u16, body: Json) -> HttpAnswer {
    HttpAnswer { status, headers: Vec::new(), body: Arc::new(body), invalid_json: false }
}

/// A result: what is structured of it, else its text, which is JSON if it is an object or a list.
fn result_of(result: CallToolResult) -> HttpAnswer {
    let status = if result.is_error == Some(true) { 500 } else { 200 };
    if let Some(structured) = result.structured_content {
        return plain(status, structured);
    }
    let texts: Vec<&str> =
        result.content.iter().filter_map(|c| if let ContentBlock::Text(text) = c { Some(&*text.text) } else { None }).collect();
    let text = texts.join("\n");
    let trimmed = text.trim();
    let json = if trimmed.starts_with(['{', '[']) { serde_json::from_str(trimmed).ok() } else { None };
    plain(status, json.unwrap_or(if text.is_empty() { Json::Null } else { Json::String(text) }))
}

/// An error of the protocol: a call that was not begun, or anything that may have happened after.
fn refused(error: &ErrorData) -> HttpAnswer {
    let begun =
        ![ErrorCode::PARSE_ERROR, ErrorCode::INVALID_REQUEST, ErrorCode::METHOD_NOT_FOUND, ErrorCode::INVALID_PARAMS].contains(&error.code);
    let body = serde_json::json!({"code": error.code.0, "message": error.message, "data": error.data});
    plain(if begun { 500 } else { 400 }, body)
}

/// The wire below rmcp's client: each message is an exchange of its own, whose answer is read to its end or to the message in it.
#[derive(Clone)]
struct Wire {
    service: Arc<Service>,
    // For messages that belong to no call.
    within: Duration,
    came: Arc<Mutex<Option<Result<Incoming, CallFailure>>>>,
}

/// An exchange that gave no message; what it gave stands with its call.
#[derive(Debug, thiserror::Error)]
#[error("the exchange gave no message")]
struct NoMessage;

type Refused = StreamableHttpError<NoMessage>;

impl StreamableHttpClient for Wire {
    type Error = NoMessage;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _auth: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Refused> {
        let attempt = attempt_of(&message);
        let in_session = session.is_some();
        match self.post(&message, attempt.as_deref(), session, headers).await {
            Ok(Posted::Accepted) => Ok(StreamableHttpPostResponse::Accepted),
            Ok(Posted::Message(answer, session)) => Ok(StreamableHttpPostResponse::Json(*answer, session)),
            Ok(Posted::Refused(incoming)) if incoming.status == 404 && in_session => Err(StreamableHttpError::SessionExpired),
            Ok(Posted::Refused(incoming)) => match no_discovery(&message, &incoming) {
                Some(answer) => Ok(StreamableHttpPostResponse::Json(answer, None)),
                None => Err(self.gave(attempt.as_deref(), Ok(incoming))),
            },
            Err(failed) => Err(self.gave(attempt.as_deref(), Err(failed))),
        }
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session: Arc<str>,
        _auth: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Refused> {
        let protocol = protocol(Some(session), headers);
        let call = Call { method: Method::DELETE, protocol, ..Call::bare("session") };
        let sent = AtomicBool::new(false);
        self.service.head(&call, self.within, &sent, &Leave(None)).await.map(drop).map_err(|_| StreamableHttpError::Client(NoMessage))
    }

    async fn get_stream(
        &self,
        _uri: Arc<str>,
        _session: Option<Arc<str>>,
        _last_event: Option<String>,
        _auth: Option<String>,
        _headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Refused> {
        // A stream beside the calls would bring only what nobody here waits for.
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

enum Posted {
    /// Nothing comes back.
    Accepted,
    /// A message, and the session that begins with it.
    Message(Box<ServerJsonRpcMessage>, Option<String>),
    /// An answer of HTTP that is no success.
    Refused(Incoming),
}

impl Wire {
    async fn post(
        &self,
        message: &ClientJsonRpcMessage,
        attempt: Option<&Attempt>,
        session: Option<Arc<str>>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Posted, CallFailure> {
        let body = serde_json::to_string(message)
            .map_err(|_| failure(ErrorKind::InvalidInput, "bad_request", false, "the request cannot be written as JSON"))?;
        let key = attempt.and_then(|a| a.idempotency_key.as_deref());
        let call = Call {
            method: Method::POST,
            headers: attempt.map_or(&[], |a| &a.headers),
            body: Some(&body),
            idempotency_key: key,
            protocol: protocol(session, headers),
            ..Call::bare(key.unwrap_or("message"))
        };
        let (nobody, unheard) = (Leave(None), AtomicBool::new(false));
        let (leave, sent, within) = attempt.map_or((&nobody, &unheard, self.within), |a| (&a.leave, &a.sent, a.within));
        let response = self.service.head(&call, within, sent, leave).await?;
        let max = self.service.response_max();
        if !response.status().is_success() {
            return Ok(Posted::Refused(read(response, max).await?));
        }
        if !matches!(message, ClientJsonRpcMessage::Request(_)) {
            return Ok(Posted::Accepted);
        }
        let header = |name: &HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let begins = header(&SESSION);
        let streams = header(&CONTENT_TYPE).is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("text/event-stream"));
        let answer = if streams {
            let mut events = Events::default();
            read_until(response, max, |chunk| events.take(chunk)).await?;
            events.answer
        } else {
            serde_json::from_slice(&read(response, max).await?.body).ok()
        };
        let unreadable = || failure(ErrorKind::Connect, "unreadable", true, "the service's answer holds no message of MCP");
        Ok(Posted::Message(answer.ok_or_else(unreadable)?, begins))
    }

    /// Leaves what an exchange gave with its call, or with the connection that is being made.
    fn gave(&self, attempt: Option<&Attempt>, came: Result<Incoming, CallFailure>) -> Refused {
        let slot = attempt.map_or(&*self.came, |a| &a.came);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
        StreamableHttpError::Client(NoMessage)
    }
}

fn attempt_of(message: &ClientJsonRpcMessage) -> Option<Arc<Attempt>> {
    match message {
        ClientJsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::CallToolRequest(call) => call.extensions.get::<Arc<Attempt>>().cloned(),
            _ => None,
        },
        _ => None,
    }
}

/// Servers older than `server/discover` refuse it, some before they look at it: rmcp then greets them the older way.
fn no_discovery(message: &ClientJsonRpcMessage, incoming: &Incoming) -> Option<ServerJsonRpcMessage> {
    let ClientJsonRpcMessage::Request(request) = message else { return None };
    let asked = matches!(request.request, ClientRequest::DiscoverRequest(_));
    if !asked || !(400..500).contains(&incoming.status) || matches!(incoming.status, 401 | 403 | 429) {
        return None;
    }
    let error = match serde_json::from_slice(&incoming.body) {
        Ok(ServerJsonRpcMessage::Error(error)) => error.error,
        _ => ErrorData::invalid_request(Cow::Borrowed("server/discover is not known"), None),
    };
    Some(ServerJsonRpcMessage::error(error, Some(request.id.clone())))
}

/// The headers of the protocol.
fn protocol(session: Option<Arc<str>>, headers: HashMap<HeaderName, HeaderValue>) -> HeaderMap {
    let mut out: HeaderMap = headers.into_iter().collect();
    out.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if let Some(session) = session.and_then(|s| HeaderValue::from_str(&s).ok()) {
        out.insert(SESSION, session);
    }
    out
}

/// Server-sent events, up to the first that is an answer.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    answer: Option<Box<ServerJsonRpcMessage>>,
}

impl Events {
    /// Takes some bytes; whether the answer has come. What they add up to is bounded where they are read.
    fn take(&mut self, chunk: &[u8]) -> bool {
        for byte in chunk {
            match byte {
                // Lines end with LF or CR LF; nobody ends them with CR alone, and JSON has none inside.
                b'\r' => {}
                b'\n' => self.end_line(),
                _ => self.line.push(*byte),
            }
        }
        self.answer.is_some()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if let (None, Ok(message @ (ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)))) =
                (&self.answer, serde_json::from_slice(&data))
            {
                self.answer = Some(Box::new(message));
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            self.data.push(b'\n');
        }
    }
}
