//! The demo's sample back end answers as `integrations/shop.yaml` says.

use serde_json::{Value as Json, json};
use waypost::cli::demo::backend::Backend;

struct Shop {
    backend: Backend,
    client: reqwest::Client,
}

impl Shop {
    async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let backend = Backend::start("2026-11-22T09:00:00Z".parse().unwrap()).await.unwrap();
        Self { backend, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        let answer = self.client.get(format!("{}{path}", self.backend.url())).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn write(&self, method: reqwest::Method, path: &str, key: Option<&str>, body: Json) -> (u16, Json) {
        let mut request = self.client.request(method, format!("{}{path}", self.backend.url())).body(body.to_string());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Json) -> (u16, Json) {
        self.write(reqwest::Method::POST, path, None, body).await
    }
}

fn error(code: &str) -> Json {
    json!({"error": code})
}

#[tokio::test]
async fn orders_are_dated_around_the_day() {
    let shop = Shop::open().await;
    let (status, order) = shop.get("/orders/H0988").await;
    assert_eq!(
        (status, &order["status"], &order["delivered_on"], &order["refundable"]),
        (200, &json!("delivered"), &json!("2026-11-12"), &json!(true))
    );
    assert_eq!(shop.get("/orders/H0702").await.1["refundable"], json!(false));
    assert_eq!(shop.get("/orders/H9999").await, (404, error("not_found")));
    assert_eq!(shop.get("/nowhere").await, (404, error("not_found")));
}

#[tokio::test]
async fn one_order_is_cancelled_and_another_was_packed() {
    let shop = Shop::open().await;
    let (status, body) = shop.post("/orders/H1042/cancellation", json!({"reason": "changed my mind"})).await;
    assert_eq!((status, &body["status"], &body["refund"]), (200, &json!("cancelled"), &json!(96.5)));
    assert_eq!(shop.get("/orders/H1042").await.1["status"], json!("cancelled"));
    assert_eq!(shop.post("/orders/H1043/cancellation", json!({})).await, (409, error("already_packed")));
    assert_eq!(shop.get("/orders/H1043").await.1["status"], json!("shipped"));
}

#[tokio::test]
async fn a_write_with_a_key_is_done_once() {
    let shop = Shop::open().await;
    let refund = json!({"sku": "HW-K12", "amount": 89, "method": "store-credit"});
    let post = |key, body| shop.write(reqwest::Method::POST, "/orders/H0988/refunds", key, body);
    let first = post(Some("k"), refund.clone()).await;
    assert_eq!((first.0, &first.1["refund_id"], &first.1["arrives_by"]), (201, &json!("R-501"), &json!("2026-11-29")));
    assert_eq!(post(Some("k"), refund.clone()).await, first);
    assert_eq!(post(None, refund).await, (409, error("already_refunded")));
    assert_eq!(post(Some("k"), json!({"sku": "HW-F100"})).await, (422, error("key_reused")));
    let requests = shop.backend.requests();
    assert_eq!(requests.iter().map(|r| (r.status, r.repeated)).collect::<Vec<_>>(), [(201, false), (201, true), (409, false), (422, true)]);
    let late = json!({"sku": "HW-W2", "amount": 219, "method": "store-credit"});
    assert_eq!(shop.post("/orders/H0702/refunds", late).await, (422, error("window_closed")));
}

#[tokio::test]
async fn a_code_is_for_one_address_and_used_once() {
    let shop = Shop::open().await;
    for email in ["nora.falk@example.com", "nobody@example.com"] {
        assert_eq!(shop.post("/codes", json!({"email": email})).await, (202, json!({"sent": true})));
    }
    let mails = shop.backend.mails();
    assert_eq!((mails.len(), mails[0].code.as_str()), (1, "482913"));
    let check = |email: &'static str, code: &'static str| shop.post("/codes/check", json!({"email": email, "code": code}));
    assert_eq!(check("nora.falk@example.com", "000000").await, (422, error("wrong_code")));
    assert_eq!(check("nobody@example.com", "482913").await, (422, error("wrong_code")));
    assert_eq!(check("nora.falk@example.com", "482913").await, (200, json!({"customer_id": "C-31"})));
    assert_eq!(check("nora.falk@example.com", "482913").await, (422, error("wrong_code")));
}

#[tokio::test]
async fn addresses_devices_faults_and_repairs() {
    let shop = Shop::open().await;
    let put = |body| shop.write(reqwest::Method::PUT, "/customers/C-31/address", None, body);
    assert_eq!(put(json!({"street": "Seeweg 9", "postcode": "0900", "city": "Bregenz"})).await, (422, error("undeliverable")));
    assert_eq!(put(json!({"street": "Seeweg 9", "postcode": "6900", "city": "Bregenz"})).await.0, 200);
    assert_eq!(shop.get("/customers/C-31").await.1["address"]["city"], json!("Bregenz"));
    assert_eq!(shop.get("/devices/W24-0107").await.1["under_warranty"], json!(true));
    assert_eq!(shop.get("/devices/W19-2210").await.1["under_warranty"], json!(false));
    let faults = shop.get("/faults?model=wren-2&symptom=it-jams").await.1;
    assert_eq!(faults["faults"][0]["remedy"], json!("repair"));
    let book = || shop.post("/repairs", json!({"serial": "W24-0107", "symptom": "it-jams"}));
    assert_eq!(book().await, (201, json!({"repair_id": "P-77", "send_by": "2026-12-06"})));
    assert_eq!(book().await, (409, error("already_booked")));
}

#[tokio::test]
async fn the_shipped_journeys_talk_to_it_over_http() {
    use std::sync::Arc;
    use waypost::driver::{Clock, Runtime, Turn, files};
    use waypost::engine::{Actor, Principal, input::Open};
    use waypost::outbound::{HttpPerformer, Secrets};

    let backend = Backend::start("2026-11-22T09:00:00Z".parse().unwrap()).await.unwrap();
    let loaded = waypost::check::load(files::read_dir(env!("CARGO_MANIFEST_DIR").as_ref()).unwrap()).loaded().unwrap();
    let http = HttpPerformer::new(loaded.workspace(), &Secrets::given([("SHOP_URL", backend.url())]), Clock::System.as_fn());
    let runtime = Runtime::new(loaded, waypost::store::MemoryStore::new(), http, Clock::System).unwrap();
    let open = Open { conversation: "".into(), tenant: "t".into(), agent: "a".into(), user_id: "u".into(), user: Arc::new(json!({})) };
    let key = runtime.open(open).await.unwrap();
    let say = async |text: &str| {
        let turn = Turn::Message(text.into());
        runtime.turn(&key, Actor::User, Principal::default(), None, turn).await.unwrap().answer.text()
    };
    say("I want to cancel order H1043").await;
    say("nora.falk@example.com").await;
    say(&backend.mails()[0].code).await;
    assert!(say("I ordered by mistake").await.starts_with("Shall I cancel order H1043"));
    assert!(say("yes").await.contains("was packed a moment ago"));
    assert!(say("where is order H1017?").await.contains("on its way with Alpenpost (AP-550193)"));
    let asked: Vec<_> = backend.requests().into_iter().map(|r| (r.method, r.path, r.status)).collect();
    let asked: Vec<_> = asked.iter().map(|(m, p, s)| (m.as_str(), p.as_str(), *s)).collect();
    let expected = [
        ("POST", "/codes", 202),
        ("POST", "/codes/check", 200),
        ("GET", "/orders/H1043", 200),
        // Whose it is is asked right before the write.
        ("GET", "/orders/H1043", 200),
        ("POST", "/orders/H1043/cancellation", 409),
        ("GET", "/orders/H1017", 200),
    ];
    assert_eq!(asked, expected);
}
