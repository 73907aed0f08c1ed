//! A server on loopback that answers with whatever bytes a test wants, good or bad.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()))
    }
}

/// What to do with a request.
pub enum Do {
    /// Send these bytes, and end the connection.
    Send(Vec<u8>),
    /// Send nothing, and keep the connection.
    Hang,
    /// Send these bytes once that is closed, and end the connection.
    Held(Arc<tokio::sync::Semaphore>, Vec<u8>),
    /// Send these bytes one by one, for ever so slowly.
    Drip(Vec<u8>),
}

/// A server; it ends with the test's runtime.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a test starts its server")]
    pub async fn start(answer: impl Fn(&Seen) -> Do + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&Seen) -> Do>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        // A TLS handshake: said to be none, as plain servers do.
        if bytes[0] == 0x16 {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let line = head.lines().next().unwrap_or("").to_owned();
    let mut request = Seen { line, head, body: String::new() };
    let length: usize = request.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length && stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {}
    request.body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    log.lock().unwrap().push(request.clone());
    match answer(&request) {
        Do::Send(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Do::Held(gate, bytes) => {
            let _ = gate.acquire().await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Do::Hang => std::future::pending().await,
        Do::Drip(bytes) => {
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        }
    }
}

/// A whole answer.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Do {
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    Do::Send(bytes)
}

/// A whole answer in JSON.
pub fn json(body: &str) -> Do {
    answer("200 OK", &[("content-type", "application/json")], body.as_bytes())
}
