//! The page of a question: shown to its user alone, answered once, and of no use to whoever has the link and nothing else.

use reqwest::Client;
use serde_json::{Value as Json, json};
use waypost::store::ConversationKey;

use super::served::{As, Plan, Served, files};

const BANK: &str = "{name: bank, type: rest_api, config: {base_url: '${BANK_URL}', auth_type: none}, actions: [{name: pay, type: write,
  invocation: {method: POST, endpoint: /payments}, input_schema: {payee: {type: string}},
  outcomes: [{name: paid, condition: response.status < 300}], settings: {idempotency: key}, safety: {requires_confirmation: true}}]}";
const PAY: &str = "{name: Pay, trigger: {goal: pay a bill, examples: [pay]}, journey: [{collect: [payee]},
  {confirm: {fields: [payee], message: 'Pay {{ variables.payee }}?', on_reject: [{done: {message: Nothing was paid., outcome: kept}}]}},
  {action: bank.pay, outcomes: {paid: [{confirm: {message: 'Send a receipt?', on_reject: [{done: No receipt then.}]}}, {done: 'Paid, and sent.'}]}}]}";
const SETTINGS: &str = "agent: {slug: bank, name: 'Bank <of> \"Trust\"'}
secrets: [BANK_URL, K1, K2, JWT]
server: {url: 'https://agents.bank.example/w/', keys: [{name: bot, key: '${K1}', role: agent, tenants: ['a c/me']}, {name: app, key: '${K2}', role: runtime, tenants: ['a c/me']}]}
identity: {sign_in: 'https://bank.example/sign-in?from=agents', jwt: {issuer: bank, audience: waypost, algorithms: [HS256], keys: ['${JWT}']}}";
const SHARED: &str = "a key that host and service share, and nobody else";
const TENANT: &str = "a c/me";

async fn bank(settings: &str, url: &str) -> Served {
    let written = [
        ("integrations/bank.yaml", BANK),
        ("datapoints/all.yaml", "{name: Payee, type: string}"),
        ("journeys/pay.yaml", PAY),
        ("waypost.yaml", settings),
    ];
    let plan = Plan::of(files(&written)).secret("BANK_URL", url).secret("K1", "k-bot").secret("K2", "k-app").secret("JWT", SHARED);
    plan.serve().await
}

/// What the agent has after it led a conversation to its question: the conversation and the link.
async fn asked(served: &Served, payee: &str) -> (ConversationKey, Option<String>) {
    let bot = As::key("k-bot").user("nora");
    let begin = json!({"command": {"type": "start", "journey": "pay", "variables": {"payee": payee}}});
    let told = served.turn(&bot, begin).await;
    assert_eq!(told.phase(), "phase_confirm", "{told:?}");
    let key = ConversationKey::new(TENANT, told.conversation());
    let link = served.service.question_link(&key).await.unwrap();
    (key, link)
}

struct Browser {
    client: Client,
    root: String,
}

/// A page as it came.
#[derive(Debug)]
struct Seen {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Browser {
    fn new(served: &Served) -> Self {
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, root: format!("http://{}", served.at) }
    }

    fn at(&self, link: &str) -> String {
        format!("{}{}", self.root, link.strip_prefix("https://agents.bank.example/w").unwrap())
    }

    async fn send(request: reqwest::RequestBuilder) -> Seen {
        let came = request.send().await.unwrap();
        Seen { status: came.status().as_u16(), headers: came.headers().clone(), text: came.text().await.unwrap() }
    }

    async fn open(&self, link: &str) -> Seen {
        Self::send(self.client.get(self.at(link))).await
    }

    async fn form(&self, link: &str, fields: &[(&str, &str)]) -> Seen {
        Self::send(self.client.post(self.at(link)).header("origin", "https://bank.example").form(fields)).await
    }
}

fn nonce(page: &Seen) -> String {
    let (_, rest) = page.text.split_once("&amp;nonce=").unwrap_or_else(|| panic!("{page:?}"));
    percent_encoding::percent_decode_str(rest.split('"').next().unwrap()).decode_utf8().unwrap().into_owned()
}

/// The host's word that its user is there.
fn word(change: &[(&str, Json)], nonce: &str) -> String {
    let now = waypost::driver::Clock::System.now().as_second();
    let mut claims =
        json!({"iss": "bank", "aud": "waypost", "sub": "nora", "exp": f64::from(u32::try_from(now).unwrap()) + 60.5, "nonce": nonce});
    for (key, value) in change {
        claims[*key] = value.clone();
    }
    let key = jsonwebtoken::EncodingKey::from_secret(SHARED.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).unwrap()
}

async fn payments() -> crate::outbound::server::Server {
    crate::outbound::server::Server::start(|_| crate::outbound::server::json("{}")).await
}

#[tokio::test]
async fn the_user_answers_on_a_page_after_signing_in() {
    let shop = payments().await;
    let served = bank(SETTINGS, &shop.url()).await;
    let browser = Browser::new(&served);
    let (_, link) = asked(&served, "<b>Lovelace</b> & \"sons\"").await;
    let link = link.unwrap();
    // Whoever has the link and nothing else is told where to sign in, and nothing of the question.
    let first = browser.open(&link).await;
    assert_eq!(first.status, 200);
    assert!(first.text.contains("https://bank.example/sign-in?from=agents&amp;question=a%2520c%252Fme%2F"), "{}", first.text);
    assert!(!first.text.contains("Lovelace") && !first.text.contains("<form"), "{}", first.text);
    let token = word(&[], &nonce(&first));
    let question = browser.form(&link, &[("token", &token)]).await;
    assert_eq!(question.status, 200);
    assert!(question.text.contains("Pay &lt;b&gt;Lovelace&lt;/b&gt; &amp; &quot;sons&quot;?"), "{}", question.text);
    assert!(question.text.contains("<h1>Bank &lt;of&gt; &quot;Trust&quot;</h1>"), "{}", question.text);
    assert_eq!(shop.seen().len(), 0, "seen is not answered");
    for (header, value) in [("cache-control", "no-store"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")] {
        assert_eq!(question.headers[header], value);
    }
    let policy = question.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"));
    assert!(!question.headers.contains_key("set-cookie") && !question.text.contains("<script"));
    let yes = [("token", &*token), ("answer", "yes")];
    let (one, other) = tokio::join!(browser.form(&link, &yes), browser.form(&link, &yes));
    assert_eq!(shop.seen().len(), 1, "{one:?} {other:?}");
    // What comes next has a link of its own, and the host is asked again.
    let taken = [one, other].into_iter().find(|p| p.text.contains("Go on")).unwrap();
    assert_eq!(taken.status, 200);
    assert!(taken.text.contains("Send a receipt?"), "{}", taken.text);
    let next = taken.text.split_once("href=\"").unwrap().1.split('"').next().unwrap().to_owned();
    // The same answer again is told the same; another one comes too late, as does somebody else's.
    let late = browser.form(&link, &yes).await;
    assert_eq!((late.status, &late.text), (200, &taken.text));
    let theirs = word(&[("sub", json!("somebody"))], &nonce(&first));
    for (token, answer) in [(&token, "no"), (&theirs, "yes"), (&String::from("none"), "yes")] {
        let late = browser.form(&link, &[("token", token), ("answer", answer)]).await;
        assert!(late.status == 410 && late.text.contains("not open any more"), "{late:?}");
    }
    assert_eq!(shop.seen().len(), 1);
    let again = browser.form(&next, &[("token", &token), ("answer", "yes")]).await;
    assert!(again.status == 403 && again.text.contains("sign in again"), "a token is for one question: {again:?}");
    let token = word(&[], &nonce(&again));
    let done = browser.form(&next, &[("token", &token), ("answer", "no")]).await;
    assert!(done.status == 200 && done.text.contains("No receipt then."), "{done:?}");
}

#[tokio::test]
async fn a_link_is_of_no_use_to_anybody_else() {
    let shop = payments().await;
    let served = bank(SETTINGS, &shop.url()).await;
    let browser = Browser::new(&served);
    let (key, link) = asked(&served, "Lovelace").await;
    let (_, other) = asked(&served, "Ben").await;
    let (link, other) = (link.unwrap(), other.unwrap());
    let at = nonce(&browser.open(&link).await);
    let now = waypost::driver::Clock::System.now().as_second();
    let forged = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &json!({"iss": "bank", "aud": "waypost", "sub": "nora", "exp": f64::from(u32::try_from(now).unwrap()) + 60.5, "nonce": at}),
        &jsonwebtoken::EncodingKey::from_secret(b"what somebody else has for a key of theirs"),
    );
    let words = [
        (forged.unwrap(), 403),
        (word(&[("sub", json!("ben"))], &at), 403),
        (word(&[("aud", json!("others"))], &at), 403),
        (word(&[("exp", json!(now - 1))], &at), 403),
        (word(&[], &nonce(&browser.open(&other).await)), 403),
        // A word that the host gave for the conversation says who the user is, and answers nothing.
        (word(&[], &key.id), 403),
        (word(&[], at.strip_prefix("question:").unwrap()), 403),
        ("k-bot".into(), 403),
        (String::new(), 403),
    ];
    for (token, status) in words {
        for answer in [[("token", &*token)].as_slice(), &[("token", &token), ("answer", "yes")]] {
            let page = browser.form(&link, answer).await;
            assert!(page.status == status && !page.text.contains("Lovelace"), "{token}: {page:?}");
        }
    }
    let alone = browser.form(&link, &[("answer", "yes")]).await;
    assert!(alone.status == 200 && alone.text.contains("Sign in") && !alone.text.contains("Lovelace"), "{alone:?}");
    // The agent's key opens nothing, and neither does another link to the same question, made up.
    let good = word(&[], &at);
    let (front, seal) = link.rsplit_once('/').unwrap();
    let (until, code) = seal.split_once('-').unwrap();
    let turned: String = code.chars().rev().collect();
    let elsewhere = link.replace(&*key.id, other.rsplit('/').nth(1).unwrap());
    let later = until.parse::<i64>().unwrap() + 1;
    for made_up in [
        format!("{front}/{until}-{turned}"),
        format!("{front}/{later}-{code}"),
        format!("{front}/x"),
        elsewhere,
        link.replace("a%20c%2Fme", "default"),
        link.replace("a%20c%2Fme", "%ff"),
    ] {
        let page = browser.form(&made_up, &[("token", &good), ("answer", "yes")]).await;
        assert!(page.status == 410 && !page.text.contains("Lovelace"), "{made_up}: {page:?}");
    }
    let past = browser.open(&format!("{front}/{}-{code}", now - 1)).await;
    assert!(past.status == 410 && past.text.contains("expired"), "{past:?}");
    for odd in [
        ("token=x&answer=maybe", "application/x-www-form-urlencoded"),
        ("token=x&more=1", "application/x-www-form-urlencoded"),
        ("token=x&token=y", "application/x-www-form-urlencoded"),
        ("token=x&answer=no&answer=yes", "application/x-www-form-urlencoded"),
        ("{}", "application/json"),
        ("token=x", "text/plain"),
    ] {
        let page = Browser::send(browser.client.post(browser.at(&link)).header("content-type", odd.1).body(odd.0)).await;
        assert_eq!(page.status, 400, "{odd:?}");
    }
    let large = Browser::send(browser.client.post(browser.at(&link)).form(&[("token", "x".repeat(100_000))])).await;
    assert_eq!(large.status, 400);
    assert_eq!(shop.seen().len(), 0);
    // A question that was put anew has another link: a yes to the older one is none.
    let bot = As::key("k-bot").user("nora");
    served.command(&bot, &key.id, json!({"type": "correct", "values": {"payee": "Eve"}})).await;
    let stale = browser.form(&link, &[("token", &good), ("answer", "yes")]).await;
    assert!(stale.status == 410 && !stale.text.contains("Eve"), "{stale:?}");
    assert_eq!(shop.seen().len(), 0);
}

#[tokio::test]
async fn without_a_way_to_know_the_user_there_is_no_link() {
    let shop = payments().await;
    let whole = bank(SETTINGS, &shop.url()).await;
    let nobody =
        whole.turn(&As::key("k-bot"), json!({"command": {"type": "start", "journey": "pay", "variables": {"payee": "Lovelace"}}})).await;
    let key = ConversationKey::new(TENANT, nobody.conversation());
    assert_eq!(whole.service.question_link(&key).await.unwrap(), None, "it has no user");
    let (key, link) = asked(&whole, "Lovelace").await;
    whole.command(&As::key("k-bot").user("nora"), &key.id, json!({"type": "cancel"})).await;
    assert_eq!(whole.service.question_link(&key).await.unwrap(), None, "it asks nothing");
    for without in [
        SETTINGS.replace("url: 'https://agents.bank.example/w/', ", ""),
        SETTINGS.replace("sign_in: 'https://bank.example/sign-in?from=agents', ", ""),
        SETTINGS.replace(", jwt: {issuer: bank, audience: waypost, algorithms: [HS256], keys: ['${JWT}']}", ""),
    ] {
        assert_ne!(without, SETTINGS);
        let served = bank(&without, &shop.url()).await;
        assert_eq!(asked(&served, "Lovelace").await.1, None, "{without}");
        let page = Browser::new(&served).open(link.as_ref().unwrap()).await;
        assert_eq!(page.status, 410);
    }
}
