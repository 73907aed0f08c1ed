//! A shop's back end on loopback, for the demo: what `integrations/shop.yaml` says, over real HTTP, with data in memory.
//!
//! Knows nothing of journeys. A write with an `Idempotency-Key` is done once and answered the same again.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value as Json, json};

/// Days after delivery in which an item may come back.
const RETURN_DAYS: i32 = 30;
/// The code of the first e-mail; each one after it is another.
const FIRST_CODE: u32 = 482_913;
/// Requests that are remembered.
const REQUESTS_KEPT: usize = 1_000;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path, as it was sent.
    pub path: String,
    /// Its body.
    pub body: String,
    /// What it was answered.
    pub status: u16,
    /// Whether it was done before under its key, and only answered again.
    pub repeated: bool,
}

/// An e-mail that the shop sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// The code in it.
    pub code: String,
}

/// A shop that answers until it is dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    shop: Arc<Mutex<Shop>>,
    task: tokio::task::JoinHandle<()>,
}

impl Backend {
    /// Opens the shop on a free port of loopback, its orders dated around that day.
    pub async fn start(today: Timestamp) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shop = Arc::new(Mutex::new(Shop::new(today.to_zoned(jiff::tz::TimeZone::UTC).date())));
        let router = Router::new().fallback(answer).with_state(shop.clone());
        #[expect(clippy::disallowed_methods, reason = "the program starts the task of its sample back end")]
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the sample back end ended");
            }
        });
        Ok(Self { address, shop, task })
    }

    /// Where it is: the value of `SHOP_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shop).requests.clone()
    }

    /// The e-mails that it sent, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.shop).mails.clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shop: &Mutex<Shop>) -> MutexGuard<'_, Shop> {
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(shop): State<Arc<Mutex<Shop>>>,
    method: Method,
    uri: Uri,
    query: Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let mut shop = lock(&shop);
    let body = String::from_utf8_lossy(&body).into_owned();
    let key = headers.get("idempotency-key").and_then(|k| k.to_str().ok()).map(str::to_owned);
    let asked = format!("{method} {uri} {body}");
    let done = key.as_ref().and_then(|k| shop.done.get(k)).cloned();
    let repeated = done.is_some();
    let (status, answer) = match done {
        Some((same, status, answer)) if same == asked => (status, answer),
        Some(_) => (422, json!({"error": "key_reused"})),
        None => {
            let (status, answer) = shop.answer(&method, &uri, &query, &body);
            if let Some(key) = key.filter(|_| status < 500) {
                shop.done.insert(key, (asked, status, answer.clone()));
            }
            (status, answer)
        }
    };
    if shop.requests.len() < REQUESTS_KEPT {
        shop.requests.push(Request { method: method.to_string(), path: uri.to_string(), body, status, repeated });
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], answer.to_string())
}

type Answer = (u16, Json);

#[derive(Debug)]
struct Shop {
    today: Date,
    customers: BTreeMap<String, Json>,
    orders: BTreeMap<String, Json>,
    devices: BTreeMap<String, Json>,
    refunded: Vec<(String, String)>,
    repairs: BTreeMap<String, String>,
    codes: BTreeMap<String, String>,
    mails: Vec<Mail>,
    requests: Vec<Request>,
    done: BTreeMap<String, (String, u16, Json)>,
}

impl Shop {
    fn new(today: Date) -> Self {
        let by = |key: &str, list: Json| -> BTreeMap<String, Json> {
            let list = list.as_array().cloned().unwrap_or_default();
            list.into_iter().filter_map(|entry| Some((entry.get(key)?.as_str()?.to_owned(), entry))).collect()
        };
        let day = |days: i32| today.saturating_add(days.days()).to_string();
        let kettle = json!({"sku": "HW-K12", "title": "Kettle", "price": 89.0});
        let filters = json!({"sku": "HW-F100", "title": "Paper filters", "price": 7.5});
        let burrs = json!({"sku": "HW-B38", "title": "Burr set", "price": 38.0});
        let grinder = json!({"sku": "HW-W2", "title": "Wren 2 grinder", "price": 219.0});
        let customers = json!([
            {"id": "C-31", "name": "Nora Falk", "email": "nora.falk@example.com", "address": {"street": "Lindengasse 4", "postcode": "1070", "city": "Vienna"}},
            {"id": "C-47", "name": "Jonas Brandl", "email": "jonas.brandl@example.com", "address": {"street": "Annenstraße 12", "postcode": "8020", "city": "Graz"}},
        ]);
        let orders = json!([
            {"id": "H1042", "customer_id": "C-31", "status": "processing", "placed_on": day(-1), "total": 96.5, "currency": "EUR", "expected_on": day(5), "items": [kettle, filters]},
            // Packed by the time somebody cancels it.
            {"id": "H1043", "customer_id": "C-31", "status": "processing", "placed_on": day(-2), "total": 38.0, "currency": "EUR", "expected_on": day(3), "items": [burrs]},
            {"id": "H1017", "customer_id": "C-31", "status": "shipped", "placed_on": day(-4), "total": 38.0, "currency": "EUR", "carrier": "Alpenpost", "tracking": "AP-550193", "expected_on": day(2), "items": [burrs]},
            {"id": "H0988", "customer_id": "C-31", "status": "delivered", "placed_on": day(-13), "total": 96.5, "currency": "EUR", "carrier": "Alpenpost", "tracking": "AP-548820", "delivered_on": day(-10), "items": [kettle, filters]},
            {"id": "H0871", "customer_id": "C-31", "status": "cancelled", "placed_on": day(-51), "total": 7.5, "currency": "EUR", "items": [filters]},
            {"id": "H0702", "customer_id": "C-31", "status": "delivered", "placed_on": day(-94), "total": 219.0, "currency": "EUR", "carrier": "Alpenpost", "tracking": "AP-529127", "delivered_on": day(-90), "items": [grinder]},
            {"id": "H1050", "customer_id": "C-47", "status": "processing", "placed_on": day(0), "total": 219.0, "currency": "EUR", "expected_on": day(6), "items": [grinder]},
        ]);
        let devices = json!([
            {"serial": "W24-0107", "model": "wren-2", "bought_on": day(-430), "warranty_until": day(300)},
            {"serial": "W19-2210", "model": "wren-1", "bought_on": day(-2_400), "warranty_until": day(-1_670)},
        ]);
        Self {
            today,
            customers: by("id", customers),
            orders: by("id", orders),
            devices: by("serial", devices),
            refunded: vec![("H0988".into(), "HW-F100".into())],
            repairs: BTreeMap::new(),
            codes: BTreeMap::new(),
            mails: Vec::new(),
            requests: Vec::new(),
            done: BTreeMap::new(),
        }
    }

    fn answer(&mut self, method: &Method, uri: &Uri, query: &BTreeMap<String, String>, body: &str) -> Answer {
        let path: Vec<String> = uri
            .path()
            .trim_matches('/')
            .split('/')
            .map(|s| percent_encoding::percent_decode_str(s).decode_utf8_lossy().into_owned())
            .collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let body: Json = match (body, serde_json::from_str(body)) {
            ("", _) => json!({}),
            (_, Ok(body)) => body,
            (_, Err(_)) => return (400, json!({"error": "not_json"})),
        };
        match (method.as_str(), path.as_slice()) {
            ("GET", ["orders", id]) => self.order(id).map_or_else(not_found, |order| (200, order)),
            ("POST", ["orders", id, "cancellation"]) => self.cancel(id),
            ("POST", ["orders", id, "refunds"]) => self.refund(id, &body),
            ("POST", ["codes"]) => self.send_code(text(&body, "email")),
            ("POST", ["codes", "check"]) => self.check_code(text(&body, "email"), text(&body, "code")),
            ("GET", ["customers", id]) => self.customers.get(*id).map_or_else(not_found, |c| (200, c.clone())),
            ("PUT", ["customers", id, "address"]) => self.move_to(id, &body),
            ("GET", ["devices", serial]) => self.device(serial).map_or_else(not_found, |d| (200, d)),
            ("GET", ["faults"]) => (200, faults(query)),
            ("POST", ["repairs"]) => self.repair(text(&body, "serial")),
            _ => not_found(),
        }
    }

    fn order(&self, id: &str) -> Option<Json> {
        let mut order = self.orders.get(id)?.clone();
        let refundable = self.may_come_back(&order);
        order.as_object_mut()?.insert("refundable".into(), refundable.into());
        Some(order)
    }

    fn may_come_back(&self, order: &Json) -> bool {
        let delivered = text(order, "delivered_on").parse::<Date>();
        text(order, "status") == "delivered" && delivered.is_ok_and(|d| d.saturating_add(RETURN_DAYS.days()) >= self.today)
    }

    fn cancel(&mut self, id: &str) -> Answer {
        let today = self.today;
        let Some(order) = self.orders.get_mut(id) else { return not_found() };
        if id == "H1043" && text(order, "status") == "processing" {
            set(order, "status", "shipped");
            set(order, "carrier", "Alpenpost");
            set(order, "tracking", "AP-550311");
            set(order, "expected_on", &today.saturating_add(2.days()).to_string());
        }
        if text(order, "status") != "processing" {
            return (409, json!({"error": "already_packed"}));
        }
        set(order, "status", "cancelled");
        (200, json!({"id": id, "status": "cancelled", "refund": order.get("total")}))
    }

    fn refund(&mut self, id: &str, body: &Json) -> Answer {
        let Some(order) = self.orders.get(id) else { return not_found() };
        let sku = text(body, "sku");
        let item = order.get("items").and_then(Json::as_array).into_iter().flatten().find(|i| text(i, "sku") == sku);
        let Some(item) = item else { return (404, json!({"error": "not_found"})) };
        let (amount, method) = (body.get("amount").and_then(Json::as_f64), text(body, "method"));
        if amount != item.get("price").and_then(Json::as_f64) || !matches!(method, "original-payment-method" | "store-credit") {
            return (400, json!({"error": "bad_refund"}));
        }
        if !self.may_come_back(order) {
            return (422, json!({"error": "window_closed"}));
        }
        let entry = (id.to_owned(), sku.to_owned());
        if self.refunded.contains(&entry) {
            return (409, json!({"error": "already_refunded"}));
        }
        self.refunded.push(entry);
        let arrives_by = self.today.saturating_add(7.days()).to_string();
        let number = 499 + self.refunded.len();
        (201, json!({"refund_id": format!("R-{number}"), "amount": amount, "method": method, "arrives_by": arrives_by}))
    }

    fn send_code(&mut self, email: &str) -> Answer {
        if self.customers.values().any(|c| text(c, "email") == email) {
            let sent = u32::try_from(self.mails.len()).unwrap_or(0);
            let code = format!("{:06}", (FIRST_CODE + sent.wrapping_mul(137_911)) % 1_000_000);
            self.codes.insert(email.into(), code.clone());
            self.mails.push(Mail { to: email.into(), code });
        }
        (202, json!({"sent": true}))
    }

    fn check_code(&mut self, email: &str, code: &str) -> Answer {
        if code.is_empty() || self.codes.get(email).map(String::as_str) != Some(code) {
            return (422, json!({"error": "wrong_code"}));
        }
        self.codes.remove(email);
        let customer = self.customers.values().find(|c| text(c, "email") == email);
        (200, json!({"customer_id": customer.and_then(|c| c.get("id"))}))
    }

    fn move_to(&mut self, id: &str, body: &Json) -> Answer {
        let Some(customer) = self.customers.get_mut(id) else { return not_found() };
        let (street, postcode, city) = (text(body, "street"), text(body, "postcode"), text(body, "city"));
        if street.is_empty() || city.is_empty() || postcode.starts_with('0') || !postcode.bytes().all(|b| b.is_ascii_digit()) {
            return (422, json!({"error": "undeliverable"}));
        }
        let address = json!({"street": street, "postcode": postcode, "city": city});
        if let Some(customer) = customer.as_object_mut() {
            customer.insert("address".into(), address.clone());
        }
        (200, json!({"id": id, "address": address}))
    }

    fn device(&self, serial: &str) -> Option<Json> {
        let mut device = self.devices.get(serial)?.clone();
        let covered = text(&device, "warranty_until").parse::<Date>().is_ok_and(|until| until >= self.today);
        device.as_object_mut()?.insert("under_warranty".into(), covered.into());
        Some(device)
    }

    fn repair(&mut self, serial: &str) -> Answer {
        if !self.devices.contains_key(serial) {
            return not_found();
        }
        if self.repairs.contains_key(serial) {
            return (409, json!({"error": "already_booked"}));
        }
        let id = format!("P-{}", 77 + self.repairs.len());
        self.repairs.insert(serial.into(), id.clone());
        (201, json!({"repair_id": id, "send_by": self.today.saturating_add(14.days()).to_string()}))
    }
}

fn faults(query: &BTreeMap<String, String>) -> Json {
    let known = [
        ("wren-2", "it-does-not-start", "a lid switch that does not close", "repair"),
        ("wren-2", "it-jams", "a worn burr bearing", "repair"),
        ("wren-2", "it-grinds-unevenly", "old coffee oil on the burrs", "deep clean"),
        ("wren-1", "it-does-not-start", "a burnt motor winding", "repair"),
        ("wren-1", "it-jams", "a stone between the burrs", "deep clean"),
        ("wren-1", "it-grinds-unevenly", "worn burrs", "repair"),
    ];
    let wanted = |key: &str, value: &str| query.get(key).is_none_or(|w| w == value);
    let found = known.iter().filter(|(model, symptom, ..)| wanted("model", model) && wanted("symptom", symptom));
    let found: Vec<_> = found.map(|(_, symptom, cause, remedy)| json!({"symptom": symptom, "cause": cause, "remedy": remedy})).collect();
    json!({"faults": found})
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json.get(key).and_then(Json::as_str).unwrap_or("")
}

fn set(json: &mut Json, key: &str, value: &str) {
    if let Some(map) = json.as_object_mut() {
        map.insert(key.into(), value.into());
    }
}

fn not_found() -> Answer {
    (404, json!({"error": "not_found"}))
}
