//! How a request proves who sends it.

use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;
use tokio::sync::Mutex;
use url::Url;

use super::egress::Hosts;
use super::exchange::{Incoming, Outgoing, Window, read, send};
use super::failure::failure;
use super::secrets::Secrets;
use crate::engine::CallFailure;
use crate::engine::effect::retry_after;
use crate::model::action::{Auth, ErrorKind};

/// Bytes of a token server's answer.
const TOKEN_ANSWER: u64 = 64 * 1024;
/// A token whose server does not say how long it lives is used for this long.
const TOKEN_LIFE_S: i64 = 300;
/// A token is not used in the last seconds of its life: it might end on the way.
const TOKEN_MARGIN_S: i64 = 15;

/// Credentials with their secrets in them.
pub(super) enum Credentials {
    None,
    Header(HeaderName, HeaderValue),
    Hmac(SecretBox<Vec<u8>>),
    OAuth2(Box<OAuth2>),
}

impl Credentials {
    /// Looks the secrets up. The error is a sentence that names the variable or key at fault.
    pub(super) fn resolve(auth: &Auth, secrets: &Secrets) -> Result<Self, String> {
        let get = |text: &crate::source::Text| secrets.resolve(&text.value).map_err(|e| e.to_string());
        Ok(match auth {
            Auth::None => Self::None,
            Auth::Bearer { api_key } => {
                Self::Header(AUTHORIZATION, secret_header(&format!("Bearer {}", get(api_key)?.expose_secret()), "api_key")?)
            }
            Auth::ApiKey { api_key, header } => {
                let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| format!("`{header}` is not the name of a header"))?;
                Self::Header(name, secret_header(get(api_key)?.expose_secret(), "api_key")?)
            }
            Auth::Basic { username, password } => {
                let pair = format!("{}:{}", get(username)?.expose_secret(), get(password)?.expose_secret());
                Self::Header(AUTHORIZATION, secret_header(&format!("Basic {}", BASE64.encode(pair)), "password")?)
            }
            Auth::OAuth2 { client_id, client_secret, token_url, scope } => {
                let token_url = get(token_url)?;
                Self::OAuth2(Box::new(OAuth2 {
                    client_id: get(client_id)?,
                    client_secret: get(client_secret)?,
                    token_url: Url::parse(token_url.expose_secret()).map_err(|_| "`token_url` is not a URL".to_owned())?,
                    scope: scope.as_ref().map(get).transpose()?,
                    token: Mutex::new(None),
                }))
            }
            Auth::Hmac { secret } => {
                let secret = get(secret)?;
                let text = secret.expose_secret().strip_prefix("whsec_").unwrap_or(secret.expose_secret());
                let key = BASE64.decode(text).map_err(|_| "the `secret` of `hmac` is not `whsec_` and base64".to_owned())?;
                Self::Hmac(SecretBox::new(Box::new(key)))
            }
        })
    }
}

/// A header whose value is not shown by anything that prints headers.
pub(super) fn secret_header(value: &str, what: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| format!("`{what}` holds characters that a header cannot have"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Signs a body as Standard Webhooks has it: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
pub(super) fn sign(headers: &mut HeaderMap, key: &SecretBox<Vec<u8>>, id: &str, at: Timestamp, body: &str) -> Option<()> {
    let seconds = at.as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    headers.insert("webhook-id", HeaderValue::from_str(id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from_str(&seconds).ok()?);
    headers.insert("webhook-signature", HeaderValue::from_str(&signature).ok()?);
    Some(())
}

/// How old, or how far ahead, a signature may be.
const TOLERANCE_S: i64 = 300;

/// Why the signature of an answer does not vouch for it; an answer without one has nothing to be held against.
pub(super) fn verify(incoming: &Incoming, key: &SecretBox<Vec<u8>>, id: &str, now: Timestamp) -> Option<&'static str> {
    let header = |name: &str| incoming.headers.get(name).and_then(|v| v.to_str().ok());
    let given = header("webhook-signature")?;
    let (Some(of), Some(at)) = (header("webhook-id"), header("webhook-timestamp")) else {
        return Some("the signature of the answer lacks `webhook-id` or `webhook-timestamp`");
    };
    if of != id {
        return Some("the signature is of the answer to another request");
    }
    let Some(seconds) = at.parse::<i64>().ok().filter(|s| s.abs_diff(now.as_second()) <= TOLERANCE_S.unsigned_abs()) else {
        return Some("the signature of the answer is more than five minutes off");
    };
    let signed = |mac: &[u8]| {
        let Ok(mut own) = Hmac::<Sha256>::new_from_slice(key.expose_secret()) else { return false };
        own.update(format!("{id}.{seconds}.").as_bytes());
        own.update(&incoming.body);
        own.verify_slice(mac).is_ok()
    };
    let good = given.split(' ').filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?).ok()).any(|mac| signed(&mac));
    (!good).then_some("the signature of the answer is not the provider's")
}

/// The client credentials grant of RFC 6749, section 4.4, with the token that it gave last.
pub(super) struct OAuth2 {
    client_id: SecretString,
    client_secret: SecretString,
    pub(super) token_url: Url,
    scope: Option<SecretString>,
    // Held while a token is fetched, so that callers at the same time share one fetch.
    token: Mutex<Option<Token>>,
}

struct Token {
    header: HeaderValue,
    until: Timestamp,
}

impl OAuth2 {
    /// The header for a request: from the cache, unless it is the one that the service just refused.
    pub(super) async fn header(
        &self,
        client: &Client,
        hosts: &Hosts,
        now: &(dyn Fn() -> Timestamp + Send + Sync),
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, CallFailure> {
        let mut token = self.token.lock().await;
        if let Some(t) = &*token
            && t.until > now()
            && refused != Some(&t.header)
        {
            return Ok(t.header.clone());
        }
        *token = None;
        let fresh = self.fetch(client, hosts, now).await?;
        Ok(token.insert(fresh).header.clone())
    }

    async fn fetch(&self, client: &Client, hosts: &Hosts, now: &(dyn Fn() -> Timestamp + Send + Sync)) -> Result<Token, CallFailure> {
        let mut answer = self.ask(client, hosts, false).await?;
        // Servers differ in where they want the client's secret: in the form, or as RFC 6749 has it by default, in the header.
        if answer.status == 401 || answer.status == 400 {
            answer = self.ask(client, hosts, true).await?;
        }
        let refused = |code, detail| failure(ErrorKind::AuthFailed, code, false, detail);
        match answer.status {
            200..=299 => {}
            429 => {
                let wait = answer.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now()));
                let limited = failure(ErrorKind::RateLimited, "token_rate_limited", false, "the token server asks to wait");
                return Err(CallFailure { retry_after_ms: wait, ..limited });
            }
            500..=599 => return Err(failure(ErrorKind::Connect, "token_unavailable", false, "the token server is out of order")),
            _ => return Err(refused("token_refused", "the token server refused the client")),
        }
        let body: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| refused("token_unreadable", "the token server's answer is not JSON"))?;
        let token = body.get("access_token").and_then(|t| t.as_str()).filter(|t| !t.is_empty());
        let token = token.ok_or_else(|| refused("token_unreadable", "the token server's answer has no `access_token`"))?;
        let life = body.get("expires_in").and_then(|e| e.as_i64().or_else(|| e.as_str()?.parse().ok())).unwrap_or(TOKEN_LIFE_S);
        let life = if life > 2 * TOKEN_MARGIN_S { life - TOKEN_MARGIN_S } else { life / 2 };
        let header = secret_header(&format!("Bearer {token}"), "access_token")
            .map_err(|_| refused("token_unreadable", "the token server's `access_token` cannot stand in a header"))?;
        Ok(Token { header, until: now().checked_add(SignedDuration::from_secs(life)).unwrap_or(Timestamp::MAX) })
    }

    async fn ask(&self, client: &Client, hosts: &Hosts, by_header: bool) -> Result<Incoming, CallFailure> {
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &self.scope {
            form.push(("scope", scope.expose_secret()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if by_header {
            let encode = |s: &SecretString| url::form_urlencoded::byte_serialize(s.expose_secret().as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(&self.client_id), encode(&self.client_secret));
            let header = secret_header(&format!("Basic {}", BASE64.encode(pair)), "client_secret");
            headers.extend(header.ok().map(|h| (AUTHORIZATION, h)));
        } else {
            form.push(("client_id", self.client_id.expose_secret()));
            form.push(("client_secret", self.client_secret.expose_secret()));
        }
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let outgoing = Outgoing { method: Method::POST, url: self.token_url.clone(), headers, body: Some(form) };
        let failed = |f: CallFailure| {
            let code = format!("token_{}", f.code).into();
            let detail = format!("no token for the service: {}", f.detail).into();
            CallFailure { code, detail, sent: false, ..f }
        };
        let answered = send(client, hosts, outgoing, &AtomicBool::new(false), &Window::open()).await.map_err(failed)?;
        read(answered, TOKEN_ANSWER).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the libraries of the specification's own repository are tested with.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let key = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut headers = HeaderMap::new();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        sign(&mut headers, &SecretBox::new(Box::new(key)), "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
