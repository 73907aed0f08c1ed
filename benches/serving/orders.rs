//! The service that the conversation calls: `GET /orders/{id}`, `POST /orders/{id}/cancel`, and `GET /wait`, which hangs until it is told.
//!
//! By hand and on one thread, so that it is never what is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The service, for as long as the process lives.
#[derive(Clone)]
pub struct Orders {
    pub at: SocketAddr,
    hanging: Arc<AtomicUsize>,
    over: Arc<Notify>,
}

impl Orders {
    #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let at = listener.local_addr().expect("an address");
        let orders = Self { at, hanging: Arc::default(), over: Arc::default() };
        let here = orders.clone();
        std::thread::spawn(move || {
            let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
            executor.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(here.clone().connection(stream));
                }
            });
        });
        orders
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// How many are waiting.
    pub fn hanging(&self) -> usize {
        self.hanging.load(Ordering::SeqCst)
    }

    /// Answers all who wait.
    pub fn let_go(&self) {
        self.over.notify_waiters();
    }

    async fn connection(self, mut stream: TcpStream) {
        stream.set_nodelay(true).expect("no delay");
        let mut asked = Vec::new();
        loop {
            let Some(end) = asked.windows(4).position(|w| w == b"\r\n\r\n") else {
                match stream.read_buf(&mut asked).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => continue,
                }
            };
            let length = length(&asked[..end]);
            while asked.len() < end + 4 + length {
                if stream.read_buf(&mut asked).await.is_ok_and(|n| n == 0) {
                    return;
                }
            }
            let head: Vec<u8> = asked.drain(..end + 4 + length).collect();
            let line = head.split(|b| *b == b'\r').next().and_then(|l| std::str::from_utf8(l).ok()).unwrap_or_default();
            let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let body = match (line.split(' ').next(), path.split('/').collect::<Vec<_>>().as_slice()) {
                (Some("GET"), ["wait"]) => {
                    let over = self.over.notified();
                    self.hanging.fetch_add(1, Ordering::SeqCst);
                    over.await;
                    self.hanging.fetch_sub(1, Ordering::SeqCst);
                    "{}".to_owned()
                }
                (Some("GET"), ["orders", id]) => format!(
                    r#"{{"order_id":"{id}","status":"shipped","carrier":"UPS","eta":"2026-12-01","total":42.5,"items":[{{"sku":"SKU-1","qty":2}},{{"sku":"SKU-2","qty":1}}]}}"#
                ),
                (Some("POST"), ["orders", id, "cancel"]) => format!(r#"{{"order_id":"{id}","status":"cancelled"}}"#),
                _ => panic!("nobody asks for that: {line}"),
            };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// How long the body of a request is.
fn length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("a head");
    let length = head.lines().find_map(|l| l.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")));
    length.map_or(0, |(_, n)| n.trim().parse().expect("a length"))
}
