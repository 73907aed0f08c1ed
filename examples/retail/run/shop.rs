//! The shop's back end: started, or reached by its address; its state, its log, and the writes that a task names.

use std::cell::Cell;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// What stops a trial, as opposed to what it finds.
pub type Failed = Box<dyn Error + Send + Sync>;

/// A write that a task names, by the journey that leads to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The journey's slug.
    pub journey: &'static str,
    /// The journey's fields.
    pub values: serde_json::Map<String, Value>,
    /// Whose it is.
    pub customer: String,
}

/// Names that tasks have for what changes the shop, with the journeys for them.
const WRITES: &[(&str, &str)] = &[
    ("cancel_pending_order", "cancel-order"),
    ("modify_pending_order_address", "change-order-address"),
    ("modify_pending_order_payment", "change-payment"),
    ("modify_pending_order_items", "change-items"),
    ("exchange_delivered_order_items", "exchange-items"),
    ("return_delivered_order_items", "return-items"),
    ("modify_user_address", "change-my-address"),
];

/// Names that change nothing.
const READS: &[&str] = &["calculate", "find_", "get_", "list_", "think", "transfer_to_human_agents"];

impl Write {
    /// The write that an action of a task is; none if it changes nothing.
    pub fn of(customer: &str, action: &Value) -> Result<Option<Self>, Failed> {
        let name = action["name"].as_str().unwrap_or_default();
        let Some((_, journey)) = WRITES.iter().find(|(tool, _)| *tool == name) else {
            return if READS.iter().any(|r| name.starts_with(r)) { Ok(None) } else { Err(format!("a task names `{name}`").into()) };
        };
        let mut values = action["kwargs"].as_object().cloned().ok_or("an action of a task has no `kwargs`")?;
        values.remove("user_id");
        Ok(Some(Self { journey, values, customer: customer.into() }))
    }

    /// A value, as text.
    pub fn text(&self, key: &str) -> &str {
        self.values.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The same with another value.
    pub fn with(&self, key: &str, value: impl Into<Value>) -> Self {
        let mut other = self.clone();
        other.values.insert(key.into(), value.into());
        other
    }

    /// As the back end takes it.
    fn request(&self) -> (Method, String) {
        let order = self.text("order_id").replace('#', "%23");
        match self.journey {
            "cancel-order" => (Method::POST, format!("/orders/{order}/cancel")),
            "change-order-address" => (Method::PUT, format!("/orders/{order}/address")),
            "change-payment" => (Method::PUT, format!("/orders/{order}/payment")),
            "change-items" => (Method::POST, format!("/orders/{order}/items")),
            "exchange-items" => (Method::POST, format!("/orders/{order}/exchange")),
            "return-items" => (Method::POST, format!("/orders/{order}/return")),
            _ => (Method::PUT, format!("/users/{}/address", self.customer)),
        }
    }
}

/// What goes wrong with the first answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// `drop` or `503`.
    pub kind: &'static str,
    /// Whether the write was applied before.
    pub applied: bool,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self { kind: "drop", applied: false },
        Self { kind: "drop", applied: true },
        Self { kind: "503", applied: false },
        Self { kind: "503", applied: true },
    ];
}

/// The back end. One that was started here is stopped with it.
pub struct Shop {
    client: Client,
    /// Its address.
    pub url: String,
    log: PathBuf,
    // How long the log was when the state was as at the start.
    fresh: Cell<Option<u64>>,
    child: Option<Child>,
    // Gone with the log in it.
    _directory: Option<tempfile::TempDir>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Shop {
    /// Starts `backend.py` on a free port.
    pub fn start(backend: &Path) -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("log");
        let mut command = Command::new("python3");
        command.arg(backend).args(["--port", "0", "--log"]).arg(&log).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("`python3 {}` does not start: {e}", backend.display()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let url = line.split_whitespace().last().filter(|w| w.starts_with("http://")).map(str::to_owned);
        let shop = |url| Ok(Self { client: client()?, url, log, fresh: Cell::new(None), child: Some(child), _directory: Some(directory) });
        url.map_or_else(|| Err(format!("`{}` does not say where it listens", backend.display()).into()), shop)
    }

    /// One that runs already, and the file that it logs to.
    pub fn at(url: &str, log: &Path) -> Result<Self, Failed> {
        Ok(Self {
            client: client()?,
            url: url.trim_end_matches('/').into(),
            log: log.into(),
            fresh: Cell::new(None),
            child: None,
            _directory: None,
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), Failed> {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let answer = match body {
            Some(body) => request.json(body),
            None => request,
        }
        .send()
        .await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Puts it back as it was at its start, if anything was written since.
    pub async fn reset(&self) -> Result<(), Failed> {
        let clean = self.fresh.get().is_some_and(|mark| self.writes_since(mark).is_ok_and(|w| w.is_empty()));
        if !clean {
            self.ask(Method::POST, "/_reset", Some(&json!({}))).await?;
        }
        self.fresh.set(Some(self.mark()?));
        Ok(())
    }

    /// All of its orders and customers, and the writes that it took.
    pub async fn state(&self) -> Result<Value, Failed> {
        Ok(self.ask(Method::GET, "/_state", None).await?.1)
    }

    /// A product.
    pub async fn product(&self, id: &str) -> Result<Value, Failed> {
        Ok(self.ask(Method::GET, &format!("/products/{id}"), None).await?.1)
    }

    /// Another product than that one.
    pub async fn other_product(&self, id: &str) -> Result<Value, Failed> {
        let (_, listed) = self.ask(Method::GET, "/products", None).await?;
        let other = listed.as_object().into_iter().flatten().filter_map(|(_, p)| p.as_str()).find(|p| *p != id);
        self.product(other.ok_or("the shop has one product only")?).await
    }

    /// Writes past the engine, as the reference of a task does. Whether the shop took it.
    pub async fn write(&self, write: &Write) -> Result<bool, Failed> {
        let (method, path) = write.request();
        Ok(self.ask(method, &path, Some(&Value::Object(write.values.clone()))).await?.0 == 200)
    }

    /// Makes the shop answer the next such write wrongly, once.
    pub async fn fail(&self, write: &Write, fault: Fault) -> Result<(), Failed> {
        let (method, path) = write.request();
        // It may never come about.
        self.fresh.set(None);
        let body = json!({"path": path, "method": method.as_str(), "kind": fault.kind, "after_apply": fault.applied});
        self.ask(Method::POST, "/_fault", Some(&body)).await.map(drop)
    }

    /// How long the log is now.
    pub fn mark(&self) -> Result<u64, Failed> {
        Ok(fs::metadata(&self.log).map_err(|e| format!("the log `{}`: {e}", self.log.display()))?.len())
    }

    /// The writes that were sent since the mark, by method, path and status, whatever the shop said to them.
    pub fn writes_since(&self, mark: u64) -> Result<Vec<String>, Failed> {
        let log = fs::read(&self.log)?;
        let new = log.get(usize::try_from(mark)?..).unwrap_or_default();
        let mut found = Vec::new();
        for line in new.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let entry: Value = serde_json::from_slice(line)?;
            let method = entry["method"].as_str().unwrap_or_default();
            if method == "PUT" || method == "POST" {
                found.push(format!("{method} {} {}", entry["path"].as_str().unwrap_or_default(), entry["status"]));
            }
        }
        Ok(found)
    }
}

fn client() -> Result<Client, Failed> {
    // Fails only where one is installed already, which then serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(Client::builder().no_proxy().build()?)
}
