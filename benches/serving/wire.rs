//! Talks to servers over HTTP/1.1: one connection, all that are busy at once, or turns that come when they come.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use super::talk::{Dialect, TURNS, holds};

/// A connection that is kept.
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, request: Vec::new(), answer: Vec::new() }
    }

    /// Sends a JSON body, and gives the status and the body of the answer.
    pub async fn post(&mut self, path: &str, body: &str) -> (u16, &[u8]) {
        self.request.clear();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await.expect("a request is sent");
        self.answer.clear();
        let head = loop {
            if let Some(end) = self.answer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.stream.read_buf(&mut self.answer).await.expect("an answer") > 0, "the connection was closed");
        };
        let (status, length) = parsed(&self.answer[..head]);
        while self.answer.len() < head + length {
            assert!(self.stream.read_buf(&mut self.answer).await.expect("an answer") > 0, "the connection was closed");
        }
        (status, &self.answer[head..])
    }
}

/// The status and the length of the body.
fn parsed(head: &[u8]) -> (u16, usize) {
    let head = std::str::from_utf8(head).expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).expect("a status");
    let length = lines.find_map(|l| l.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")));
    (status, length.map_or(0, |(_, n)| n.trim().parse().expect("a length")))
}

/// One turn, of which the answer is checked; gives how long it took.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
async fn turn(connection: &mut Connection, dialect: Dialect, conversation: &mut String, turn: usize, order: &str) -> Duration {
    let body = dialect.body(conversation, turn, order);
    let began = Instant::now();
    let (status, answer) = connection.post(dialect.path(), &body).await;
    let took = began.elapsed();
    let fine = status == 200 && holds(answer, TURNS[turn]);
    assert!(fine, "turn {}: {status} {}", turn + 1, String::from_utf8_lossy(answer));
    dialect.named(conversation, answer);
    took
}

/// So many conversations of three turns in all, over so many connections; gives how long each turn took.
pub fn closed(at: SocketAddr, dialect: Dialect, connections: usize, conversations: usize) -> Vec<Duration> {
    let next = Rc::new(RefCell::new(0..conversations));
    let name = name();
    alone(async move {
        let mut all = JoinSet::new();
        for _ in 0..connections {
            let (next, name) = (next.clone(), name.clone());
            all.spawn_local(async move {
                let mut connection = Connection::open(at).await;
                let mut times = Vec::new();
                loop {
                    let Some(n) = next.borrow_mut().next() else { return times };
                    let mut conversation = format!("{name}-{n}");
                    for t in 0..TURNS.len() {
                        times.push(turn(&mut connection, dialect, &mut conversation, t, &format!("A{n}")).await);
                    }
                }
            });
        }
        let mut times = Vec::new();
        while let Some(done) = all.join_next().await {
            times.extend(done.expect("a connection"));
        }
        times
    })
}

/// As many conversations as there is time for, over so many connections; gives how long each turn took.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn closed_for(at: SocketAddr, dialect: Dialect, connections: usize, during: Duration) -> Vec<Duration> {
    let name = name();
    alone(async move {
        let end = Instant::now() + during;
        let mut all = JoinSet::new();
        for c in 0..connections {
            let name = name.clone();
            all.spawn_local(async move {
                let mut connection = Connection::open(at).await;
                let mut times = Vec::new();
                for n in 0.. {
                    let (mut conversation, order) = (format!("{name}-{c}-{n}"), format!("A{c}x{n}"));
                    for t in 0..TURNS.len() {
                        let took = turn(&mut connection, dialect, &mut conversation, t, &order).await;
                        times.extend((Instant::now() < end).then_some(took));
                    }
                    if Instant::now() >= end {
                        break;
                    }
                }
                times
            });
        }
        let mut times = Vec::new();
        while let Some(done) = all.join_next().await {
            times.extend(done.expect("a connection"));
        }
        times
    })
}

/// Conversations that begin so often a second, for so long, whatever became of those before; gives how long each turn took, the first
/// from when it should have been sent.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn open(at: SocketAddr, dialect: Dialect, rate: f64, during: Duration) -> Vec<Duration> {
    let name = name();
    alone(async move {
        let idle: Rc<RefCell<Vec<Connection>>> = Rc::default();
        let mut all = JoinSet::new();
        let began = Instant::now();
        for n in 0_u32.. {
            let due = Duration::from_secs_f64(f64::from(n) / rate);
            if due > during {
                break;
            }
            tokio::time::sleep_until((began + due).into()).await;
            let (idle, mut conversation) = (idle.clone(), format!("{name}-{n}"));
            all.spawn_local(async move {
                let known = idle.borrow_mut().pop();
                let mut connection = match known {
                    Some(connection) => connection,
                    None => Connection::open(at).await,
                };
                let late = (began + due).elapsed();
                let mut times = Vec::new();
                for t in 0..TURNS.len() {
                    times.push(turn(&mut connection, dialect, &mut conversation, t, &format!("A{n}")).await);
                }
                times[0] += late;
                idle.borrow_mut().push(connection);
                times
            });
        }
        let mut times = Vec::new();
        while let Some(done) = all.join_next().await {
            times.extend(done.expect("a conversation"));
        }
        times
    })
}

/// So many turns in each of so many conversations that are under way, each over a connection of its own; `first` begins one, and `next`
/// is what is said then, again and again.
pub fn chatter(at: SocketAddr, path: &'static str, connections: usize, turns: usize, first: &'static str, next: fn(&str) -> String) {
    alone(async move {
        let mut all = JoinSet::new();
        for _ in 0..connections {
            all.spawn_local(async move {
                let mut connection = Connection::open(at).await;
                let (status, answer) = connection.post(path, first).await;
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(answer));
                let mut conversation = String::new();
                Dialect::Converse.named(&mut conversation, answer);
                let body = next(&conversation);
                for _ in 0..turns {
                    let (status, answer) = connection.post(path, &body).await;
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(answer));
                }
            });
        }
        while let Some(done) = all.join_next().await {
            done.expect("a connection");
        }
    });
}

/// One request at each of so many connections at once, until all are answered.
pub fn each(at: SocketAddr, connections: usize, body: &'static str) {
    alone(async move {
        let mut all = JoinSet::new();
        for _ in 0..connections {
            all.spawn_local(async move {
                let mut connection = Connection::open(at).await;
                let (status, answer) = connection.post(super::talk::CONVERSE, body).await;
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(answer));
            });
        }
        while let Some(done) = all.join_next().await {
            done.expect("an answer");
        }
    });
}

/// The value below which so many hundredths of them are.
pub fn percentile(mut times: Vec<Duration>, hundredths: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len().saturating_sub(1)) * hundredths / 100).copied().unwrap_or_default()
}

fn alone<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
    LocalSet::new().block_on(&executor, work)
}

/// A name for the conversations of one measurement.
#[expect(clippy::disallowed_methods, reason = "names differ by the clock")]
fn name() -> String {
    format!("{:?}", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros())
}
