//! The Model Context Protocol: a model's tools over a workspace in service, by standard input and output or by streamable HTTP.
//!
//! Whoever calls here is an agent, whatever its key. Knows the protocol; what calls mean is `service`'s.

mod ask;
mod ending;
mod reply;
mod resources;
mod sessions;
mod tools;
mod whole;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CustomRequest, CustomResult, ErrorCode, ErrorData, Implementation,
    InitializeRequestParams, InitializeResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerCapabilities, ServerConfig,
    Tool as WireTool,
};
use rmcp::service::RequestContext;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::engine::{Expects, Phase};
use crate::service::{Caller, Request, Role, Service, ServiceError, Told};
use crate::store::ConversationKey;
use ask::{Asking, Put, QUESTIONS};
use ending::{Answering, Ending};
use sessions::Sessions;
use tools::{Call, Tool};

/// What a host tells its model of all this.
const INSTRUCTIONS: &str = "Journeys are processes of a company that you may take its users through. Find one with `list_journeys`, start it \
     with `start_journey`, then do what each result expects: `expects` lists the tools that may be called next, with their arguments; pass \
     `conversation_id` and `at` from the last result. Relay every `message` to the user word for word. You cannot confirm anything for the \
     user: a question is theirs to answer.";

/// The methods that have parameters.
const METHODS: [&str; 5] = ["tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read"];

/// How long a session may be idle: longer than anybody thinks about a question. How many there are is bounded beside that.
const IDLE: Duration = Duration::from_hours(1);

/// The protocol over HTTP, at `/mcp`: for a router that puts the [`Caller`] into each request; and what has to run beside it. When `closing`
/// is cancelled that waits until calls under way are answered, and then ends the sessions.
pub fn http(service: Service, closing: CancellationToken) -> (Router, impl Future<Output = ()> + Send + 'static) {
    let limits = service.workspace().settings.limits;
    let bytes = usize::try_from(limits.body).unwrap_or(usize::MAX);
    let within = Duration::from_millis(limits.serving.receive_ms);
    let ending = Ending::default();
    // Hosts, origins and keys are looked at before a request comes here.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_max_request_body_bytes(bytes)
        .with_cancellation_token(ending.sessions());
    let room = room(&service);
    let most = usize::try_from(limits.serving.streams).unwrap_or(usize::MAX);
    let stop = closing.clone();
    let desk = move || Ok(Desk { closing: stop.clone(), ..Desk::new(service.clone(), None, true, room.clone()) });
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(IDLE);
    let manager = Arc::new(manager);
    let served = StreamableHttpService::new(desk, manager.clone(), config);
    let own = from_fn_with_state(Sessions::new(manager, most), sessions::own);
    let router = Router::new()
        .route_service("/mcp", served)
        .layer(own)
        .layer(from_fn_with_state(within, whole::read))
        .layer(DefaultBodyLimit::max(bytes))
        .layer(from_fn_with_state(ending.clone(), ending::count));
    (router, ending.run(closing))
}

/// The protocol over standard input and output, for one caller, until the input ends or `closing` is cancelled, and what was asked by then is
/// answered; whether a process that serves pages shares the store.
pub async fn stdio(service: Service, caller: Caller, pages: bool, closing: CancellationToken) -> Result<(), String> {
    let room = room(&service);
    let desk = Desk { closing: closing.clone(), ..Desk::new(service, Some(caller), pages, room) };
    let (read, write) = rmcp::transport::stdio();
    let transport = Answering::new(AsyncRwTransport::new(read, write), closing);
    let running = Box::pin(desk.serve(transport)).await.map_err(|e| e.to_string())?;
    running.waiting().await.map(drop).map_err(|e| e.to_string())
}

/// Room for calls that are handled at once: those of all sessions share it, for a session's request is answered before its call is done.
fn room(service: &Service) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(service.workspace().settings.limits.serving.requests).unwrap_or(Semaphore::MAX_PERMITS)))
}

/// What a client of the protocol talks to: one for a session, where there are sessions.
struct Desk {
    service: Service,
    // Of a process that serves one caller.
    caller: Option<Caller>,
    // Whether the pages of the service are open to the user.
    pages: bool,
    // For calls, of all sessions together.
    room: Arc<Semaphore>,
    session: Mutex<Session>,
    // Cancelled when nobody is waited for any more.
    closing: CancellationToken,
}

/// What is known of a session.
#[derive(Default)]
struct Session {
    // Whose it is.
    caller: Option<Caller>,
    // What may come next in the conversation that it was last about.
    expects: Option<Expects>,
}

impl Desk {
    fn new(service: Service, caller: Option<Caller>, pages: bool, room: Arc<Semaphore>) -> Self {
        Self { service, caller, pages, room, session: Mutex::default(), closing: CancellationToken::new() }
    }

    /// Who calls: always an agent. A session stays with whom it began with.
    fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        let by_request = || context.extensions.get::<Parts>().and_then(|p| p.extensions.get::<Caller>().cloned());
        let caller = self.caller.clone().or_else(by_request).ok_or_else(|| ErrorData::internal_error("nobody asked who calls", None))?;
        let caller = as_agent(caller);
        let mut session = self.session();
        match &session.caller {
            Some(known) if *known != caller => Err(ErrorData::invalid_request("this session is another caller's", None)),
            Some(_) => Ok(caller),
            None => Ok(session.caller.insert(caller).clone()),
        }
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listed(&self, expects: Option<&Expects>) -> Vec<WireTool> {
        let workspace = self.service.workspace();
        expects.map_or_else(|| tools::all(&workspace), |e| tools::next(&workspace, e))
    }

    /// Narrows the session's list to what may come next, and says so if that changes it.
    async fn narrow(&self, told: &Told, context: &RequestContext<RoleServer>) {
        if !has_sessions(context) || told.conversation.is_none() {
            return;
        }
        let changed = {
            let mut session = self.session();
            let before = self.listed(session.expects.as_ref());
            session.expects = Some(told.expects.clone());
            before != self.listed(session.expects.as_ref())
        };
        if changed && let Err(error) = context.peer.notify_tool_list_changed().await {
            tracing::debug!(%error, "nobody hears that the tools have changed");
        }
    }

    async fn call(&self, caller: &Caller, call: &Call) -> Result<Told, ServiceError> {
        let wait = Duration::from_millis(self.service.workspace().settings.limits.serving.wait_ms);
        let room = tokio::time::timeout(wait, self.room.acquire()).await;
        let Ok(Ok(_room)) = room else { return Err(ServiceError::Overloaded) };
        let Some(turn) = call.turn.clone() else {
            return self.now(caller, &call.conversation.clone().unwrap_or_default()).await;
        };
        let keys = self.service.runtime().keys();
        let digest: Arc<str> = keys.digest(&[b"mcp call", call.tool.name().as_bytes(), call.text.as_bytes()]).into();
        // At one version of a conversation the same call is the same call, whether it has an id or not.
        let own = call.conversation.is_some().then(|| Arc::from(format!("call:{digest}")));
        let id = call.id.clone().or(own);
        let (agent, conversation) = (self.service.workspace().settings.agent_slug.clone(), call.conversation.clone());
        let request = Request { agent, conversation, turn: Some(turn), id, digest, at: call.at, ..Request::default() };
        self.service.converse(caller, request).await
    }

    async fn answer(
        &self,
        caller: &Caller,
        call: &Call,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let done = |result: CallToolResult| Ok(CallToolResponse::Complete(result));
        let name = format!("{} {}", call.tool.name(), call.text);
        let asking = Asking::trusted(&self.service, caller, context, &name);
        let mut brought = match (&params.request_state, &asking) {
            (None, _) => None,
            (Some(state), Some(asking)) => {
                let answer = ask::answer_of(params.input_responses.as_ref());
                let opened = asking.open(state, answer);
                Some(opened.ok_or_else(|| ErrorData::invalid_params("`requestState` is not of this call, or too old", None))?)
            }
            (Some(_), None) => return Err(ErrorData::invalid_params("this client was asked nothing", None)),
        };
        if call.tool == Tool::ListJourneys && call.conversation.is_none() {
            return done(reply::journeys(&self.service.workspace(), None));
        }
        // A call that brings an answer acted when it was made first.
        let told = match &brought {
            Some(brought) => self.now(caller, brought.conversation()).await,
            None => self.call(caller, call).await,
        };
        let mut told = match told {
            Ok(told) => told,
            Err(error) => return done(reply::failed(&error)),
        };
        if call.tool == Tool::ListJourneys {
            return done(match self.link(caller, &told).await {
                Ok(link) => reply::journeys(&self.service.workspace(), Some((&told, link))),
                Err(error) => reply::failed(&error),
            });
        }
        if let Some(asking) = asking.filter(|_| told.answer.refused.is_none()) {
            for _ in 0..QUESTIONS {
                match asking.put(&told, brought.take(), &self.closing).await {
                    Ok(Put::Answered(next)) => told = *next,
                    Ok(Put::Open) => break,
                    Ok(Put::Ask(request)) => return Ok(CallToolResponse::InputRequired(*request)),
                    Err(error) => return done(reply::failed(&error)),
                }
            }
        }
        self.narrow(&told, context).await;
        let link = match self.link(caller, &told).await {
            Ok(link) => link,
            Err(error) => return done(reply::failed(&error)),
        };
        done(reply::told(&told, link))
    }

    /// Where the user answers the question that stands, if another process can show it to them.
    async fn link(&self, caller: &Caller, told: &Told) -> Result<Option<String>, ServiceError> {
        match &told.conversation {
            Some(id) if self.pages && told.answer.phase == Phase::Confirm => {
                self.service.question_link(&ConversationKey::new(caller.tenant.clone(), id.clone())).await
            }
            Some(_) | None => Ok(None),
        }
    }

    /// How the conversation stands now.
    async fn now(&self, caller: &Caller, conversation: &Arc<str>) -> Result<Told, ServiceError> {
        let agent = self.service.workspace().settings.agent_slug.clone();
        self.service.present(caller, &agent, conversation).await
    }
}

/// A caller as the agent that it is here.
fn as_agent(mut caller: Caller) -> Caller {
    if caller.role == Role::User {
        // A user's key stays that user's, whoever speaks by it.
        caller.user.get_or_insert_default();
    }
    caller.as_agent()
}

fn has_sessions(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_none_or(|v| v.has_initialize())
}

impl ServerHandler for Desk {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_resources().build();
        ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
            .with_server_info(Implementation::new("waypost", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        // Whoever greets is whose session it is.
        self.caller(&context)?;
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.caller(&context)?;
        let expects = self.session().expects.clone().filter(|_| has_sessions(&context));
        Ok(ListToolsResult::with_all_items(self.listed(expects.as_ref())))
    }

    async fn call_tool(&self, params: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let tool =
            Tool::named(&params.name).ok_or_else(|| ErrorData::invalid_params(format!("there is no tool `{}`", params.name), None))?;
        match Call::read(tool, params.arguments.clone()) {
            Ok(call) => Box::pin(self.answer(&caller, &call, &params, &context)).await,
            Err(why) => Ok(CallToolResponse::Complete(reply::wrong("arguments", &why))),
        }
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.caller(&context)?;
        Ok(ListResourcesResult::with_all_items(resources::list(&self.service.workspace())))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    /// A method that is known comes here, too, where its parameters cannot be read: that is another error (JSON-RPC 2.0, 5.1).
    async fn on_custom_request(&self, request: CustomRequest, _context: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        if METHODS.contains(&&*request.method) {
            return Err(ErrorData::invalid_params(format!("the parameters of `{}` cannot be read", request.method), None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = self.caller(&context)?;
        match resources::read(&self.service, &caller, &params.uri).await {
            Ok(Some(contents)) => Ok(ReadResourceResult::new(vec![contents]).into()),
            Ok(None) => Err(ErrorData::resource_not_found(format!("there is no `{}`", params.uri), None)),
            Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
        }
    }
}
