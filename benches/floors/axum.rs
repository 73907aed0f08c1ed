//! The floor of the service: one file of axum and reqwest that takes the same bodies, gives the same bodies, calls the same service, and,
//! where it is told to, commits the same rows. It checks nothing, and keeps of a conversation only which order it is about.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use super::sqlite::{self, Rows};

#[derive(Deserialize)]
struct Asked {
    conversation_id: Option<String>,
    command: Command,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "what is sent is read, whether it is used or not")]
enum Command {
    Start { journey: String },
    Fill { values: Values },
    Confirm,
    Choose { option: String },
}

#[derive(Deserialize)]
struct Values {
    order_id: String,
}

#[derive(Serialize)]
struct Answer {
    conversation_id: String,
    response: Response,
    at: u64,
    state: Value,
    expects: Value,
}

#[derive(Serialize)]
struct Response {
    message: String,
    messages: [String; 1],
    phase: Value,
    awaiting_input: bool,
    options: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Question>,
}

#[derive(Serialize)]
struct Question {
    id: Value,
    text: String,
    digest: Value,
}

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "order_id")]
    id: String,
    status: String,
    eta: String,
}

/// Commits of the conversation.
const COMMITS: usize = 5;

type Job = (i64, bool, Rows, Box<dyn FnOnce() + Send>);

struct Floor {
    // What was answered to each turn, but for what is said.
    answers: Vec<Value>,
    client: reqwest::Client,
    service: String,
    names: AtomicU64,
    orders: Mutex<HashMap<String, (i64, String)>>,
    commits: Option<(Sender<Job>, sqlite::Talk)>,
}

impl Floor {
    /// Commits the rows of those commits of a conversation.
    async fn commit(&self, conversation: i64, which: std::ops::Range<usize>) {
        let Some((jobs, talk)) = &self.commits else { return };
        for n in which {
            let (told, answer) = oneshot::channel();
            let told = Box::new(move || told.send(()).expect("somebody who waits"));
            jobs.send((conversation, n == 0, talk[n].clone(), told)).expect("a writer");
            answer.await.expect("an answer");
        }
    }

    fn answer(&self, turn: usize, conversation_id: String, message: String) -> Json<Answer> {
        let known = &self.answers[turn];
        let of = |pointer: &str| known.pointer(pointer).cloned().unwrap_or_default();
        let question = known.pointer("/response/question").map(|q| Question {
            id: q.get("id").cloned().unwrap_or_default(),
            text: message.clone(),
            digest: q.get("digest").cloned().unwrap_or_default(),
        });
        Json(Answer {
            conversation_id,
            response: Response {
                messages: [message.clone()],
                message,
                phase: of("/response/phase"),
                awaiting_input: of("/response/awaiting_input").as_bool().unwrap_or_default(),
                options: of("/response/options"),
                question,
            },
            at: of("/at").as_u64().unwrap_or_default(),
            state: of("/state"),
            expects: of("/expects"),
        })
    }
}

async fn converse(State(floor): State<Arc<Floor>>, Json(asked): Json<Asked>) -> Json<Answer> {
    match (asked.command, asked.conversation_id) {
        (Command::Start { .. }, _) => {
            let number = floor.names.fetch_add(1, Ordering::Relaxed);
            let (id, row) = (format!("01990000-0000-7000-8000-{number:012}"), i64::try_from(number).expect("small") + 1);
            floor.orders.lock().expect("whole").insert(id.clone(), (row, String::new()));
            floor.commit(row, 0..1).await;
            floor.answer(0, id, "What is your order number?".into())
        }
        (Command::Fill { values }, Some(id)) => {
            let row = floor.orders.lock().expect("whole").get(&id).expect("a conversation").0;
            floor.commit(row, 1..2).await;
            let url = format!("{}/orders/{}", floor.service, values.order_id);
            let order: Order = floor.client.get(url).send().await.expect("an answer").json().await.expect("an order");
            floor.orders.lock().expect("whole").insert(id.clone(), (row, values.order_id));
            floor.commit(row, 2..3).await;
            let Order { id: order, status, eta } = order;
            floor.answer(1, id, format!("Order {order} is {status}, arriving {eta}. Do you want to cancel it?"))
        }
        (Command::Confirm, Some(id)) => {
            let (row, order) = floor.orders.lock().expect("whole").remove(&id).expect("a conversation");
            floor.commit(row, 3..4).await;
            let url = format!("{}/orders/{order}/cancel", floor.service);
            let request = floor.client.post(url).header("idempotency-key", &id).json(&serde_json::json!({}));
            let _: Value = request.send().await.expect("an answer").json().await.expect("an answer");
            floor.commit(row, 4..5).await;
            floor.answer(2, id, format!("Order {order} has been cancelled."))
        }
        (Command::Fill { .. } | Command::Confirm | Command::Choose { .. }, _) => panic!("nobody asks for that"),
    }
}

/// A handler that does nothing: it is sent the same bytes, and sends the same.
async fn nothing(State(floor): State<Arc<Floor>>, Json(asked): Json<Asked>) -> String {
    std::hint::black_box(&asked);
    floor.empty()
}

impl Floor {
    fn empty(&self) -> String {
        self.answers[3].as_str().unwrap_or_default().to_owned()
    }
}

/// Serves: `ANSWERS SERVICE`, and, if it is to be durable, `STORE FILE`: a store of ours that holds the conversation, and where to keep it.
pub fn run(args: &[String]) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let [answers, service, more @ ..] = args else { panic!("floor ANSWERS SERVICE [STORE FILE]") };
    let answers = serde_json::from_str(&std::fs::read_to_string(answers).expect("answers")).expect("JSON");
    let commits = more.first().zip(more.get(1)).map(|(store, file)| {
        let talk = sqlite::talks(Path::new(store)).expect("rows").into_iter().next().expect("a conversation");
        assert_eq!(talk.len(), COMMITS, "the commits of the conversation");
        let connection = sqlite::file(Path::new(file)).expect("a file");
        let (jobs, waiting) = channel();
        std::thread::spawn(move || sqlite::writer(connection, &waiting));
        (jobs, talk)
    });
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (names, orders) = (AtomicU64::default(), Mutex::default());
    let floor = Arc::new(Floor { answers, client, service: service.clone(), names, orders, commits });
    let router = Router::new().route(super::talk::CONVERSE, post(converse)).route("/nothing", post(nothing)).with_state(floor);
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
    executor.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        eprintln!("listening on http://{}", listener.local_addr().expect("an address"));
        let listener = axum::serve::ListenerExt::tap_io(listener, |s| s.set_nodelay(true).expect("no delay"));
        axum::serve(listener, router).await.expect("it serves");
    });
}
