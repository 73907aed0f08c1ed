//! A service on loopback, and whoever calls it. Every answer is held against the API's own document.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waypost::api::{self, Limits};
use waypost::check;
use waypost::cli::demo::backend::Backend;
use waypost::driver::{Clock, files};
use waypost::outbound::Secrets;
use waypost::service::{Service, Setup, storage};
use waypost::store::Address;

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Json,
}

impl Answered {
    pub fn says(&self) -> &str {
        self.body["response"]["message"].as_str().unwrap_or_default()
    }

    pub fn phase(&self) -> &str {
        self.body["response"]["phase"].as_str().unwrap_or_default()
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn conversation(&self) -> String {
        self.body["conversation_id"].as_str().unwrap_or_else(|| panic!("no conversation in {self:?}")).to_owned()
    }

    pub fn commands(&self) -> Vec<String> {
        self.body["expects"]["commands"].as_array().into_iter().flatten().filter_map(|c| c.as_str()).map(str::to_owned).collect()
    }
}

/// A service that runs until it is dropped.
pub struct Served {
    pub at: std::net::SocketAddr,
    pub agent: String,
    pub service: Service,
    pub stop: CancellationToken,
    pub done: tokio::task::JoinHandle<()>,
    timers: tokio::task::JoinHandle<()>,
    client: reqwest::Client,
}

/// The files of the shipped workspace, with something added to its settings.
pub fn shipped(more: &str) -> Vec<(String, Arc<str>)> {
    let mut files = files::read_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (name, text) in &mut files {
        if name == "waypost.yaml" {
            *text = format!("{text}\n{more}").into();
        }
    }
    files
}

/// Files as a test writes them.
pub fn files(written: &[(&str, &str)]) -> Vec<(String, Arc<str>)> {
    written.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect()
}

/// How a service is set up.
pub struct Plan {
    pub files: Vec<(String, Arc<str>)>,
    pub secrets: Vec<(&'static str, String)>,
    pub store: Address,
    pub limits: Limits,
    pub clock: Clock,
}

impl Plan {
    pub fn of(files: Vec<(String, Arc<str>)>) -> Self {
        Self { files, secrets: Vec::new(), store: Address::Memory, limits: Limits::default(), clock: Clock::System }
    }

    pub fn secret(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.secrets.push((name, value.into()));
        self
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts its server")]
    pub async fn serve(self) -> Served {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let checked = check::load(self.files);
        let loaded =
            checked.loaded().unwrap_or_else(|| panic!("{}", checked.report().render(waypost::source::render::Format::Concise, false)));
        let secrets = Secrets::given(self.secrets);
        let storage = storage::open(&self.store, &loaded.settings, &secrets).await.unwrap();
        let agent = loaded.settings.agent_slug.to_string();
        let service = Service::open(loaded, storage, secrets, self.clock, Setup::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let front = api::front(service.clone(), self.limits, axum::Router::new(), stop.clone());
        let done = tokio::spawn(api::serve(listener, front, self.limits, stop.clone()));
        let runtime = service.runtime().clone();
        let timers = tokio::spawn(async move { runtime.run_timers().await });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Served { at, agent, service, stop, done, timers, client }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        self.timers.abort();
    }
}

/// A caller: a key, and headers.
#[derive(Clone, Default)]
pub struct As {
    pub key: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

impl As {
    pub fn nobody() -> Self {
        Self::default()
    }

    pub fn key(key: &str) -> Self {
        Self { key: Some(key.to_owned()), headers: Vec::new() }
    }

    pub fn user(self, id: &str) -> Self {
        self.with("user-id", id)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Served {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.at)
    }

    async fn send(&self, who: &As, request: reqwest::RequestBuilder, path: &str, method: &str) -> Answered {
        let mut request = request;
        if let Some(key) = &who.key {
            request = request.bearer_auth(key);
        }
        for (name, value) in &who.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Json::String(text));
        let answered = Answered { status, headers, body };
        documented(&answered, path, method);
        answered
    }

    pub async fn get(&self, who: &As, path: &str) -> Answered {
        self.send(who, self.client.get(self.url(path)), path, "get").await
    }

    pub async fn post(&self, who: &As, path: &str, body: &Json) -> Answered {
        self.send(who, self.client.post(self.url(path)).json(body), path, "post").await
    }

    pub async fn put(&self, who: &As, path: &str, body: &Json) -> Answered {
        self.send(who, self.client.put(self.url(path)).json(body), path, "put").await
    }

    /// Bytes as they are.
    pub async fn raw(&self, who: &As, path: &str, kind: Option<&str>, body: impl Into<reqwest::Body>) -> Answered {
        let mut request = self.client.post(self.url(path)).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        self.send(who, request, path, "post").await
    }

    /// A turn.
    pub async fn turn(&self, who: &As, body: Json) -> Answered {
        self.post(who, &format!("/agents/{}/converse", self.agent), &body).await
    }

    pub async fn say(&self, who: &As, conversation: &str, message: &str) -> Answered {
        self.turn(who, json!({"conversation_id": conversation, "message": message})).await
    }

    pub async fn command(&self, who: &As, conversation: &str, command: Json) -> Answered {
        self.turn(who, json!({"conversation_id": conversation, "command": command})).await
    }

    pub async fn look(&self, who: &As, conversation: &str, at: &str) -> Answered {
        self.get(who, &format!("/agents/{}/conversations/{conversation}{at}", self.agent)).await
    }

    /// The first events of a conversation's stream, each with its number and kind.
    pub async fn events(&self, who: &As, conversation: &str, after: Option<u64>, count: usize) -> Vec<(u64, String, Json)> {
        let mut request = self.client.get(self.url(&format!("/agents/{}/conversations/{conversation}/events", self.agent)));
        if let Some(key) = &who.key {
            request = request.bearer_auth(key);
        }
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let mut text = String::new();
        let mut found = Vec::new();
        while found.len() < count {
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), answer.chunk()).await.expect("an event in time").unwrap();
            let Some(chunk) = chunk else { break };
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
                if let (Some(id), Some(kind), Some(data)) = (field("id"), field("event"), field("data")) {
                    found.push((id.parse().unwrap(), kind, serde_json::from_str(&data).unwrap()));
                }
                text = rest.to_owned();
            }
        }
        found
    }
}

/// The shop of the demo, and a service of the shipped workspace that calls it.
pub async fn shop(more: &str) -> (Backend, Served) {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let served = Plan::of(shipped(more)).secret("SHOP_URL", backend.url()).serve().await;
    (backend, served)
}

/// Whether the document says that this may be answered there, and in that form.
fn documented(answered: &Answered, path: &str, method: &str) {
    static DOCUMENT: OnceLock<Json> = OnceLock::new();
    let document = DOCUMENT.get_or_init(api::document);
    let asked: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.strip_prefix("/api/v1").unwrap_or(pattern).split('/').collect();
        pattern.len() == asked.len() && pattern.iter().zip(&asked).all(|(p, a)| p.starts_with('{') || p == a)
    };
    let Some((_, item)) = document["paths"].as_object().unwrap().iter().find(|(p, _)| fits(p)) else { return };
    let Some(operation) = item.get(method) else { return };
    let response = &operation["responses"][answered.status.to_string()];
    assert!(response.is_object(), "{method} {path} answered {} and its document does not say so: {}", answered.status, answered.body);
    let kind = answered.headers.get("content-type").map_or("", |k| k.split(';').next().unwrap_or_default());
    let content = &response["content"][kind];
    assert!(content.is_object(), "{method} {path} answered {} as `{kind}`, and its document does not say so", answered.status);
    if kind.ends_with("json") {
        let schema = json!({"$ref": "#/schema", "schema": content["schema"], "components": document["components"]});
        let validator = jsonschema::validator_for(&schema).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&answered.body).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{method} {path} {}: {wrong:?}\n{}", answered.status, answered.body);
    }
}
