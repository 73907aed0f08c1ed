//! Reads bodies, headers and queries: bounded in size and time, and every mistake in words.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::App;
use super::problem::Problem;
pub(super) use crate::service::is_id;
use crate::service::{Asked, Caller, ID_MAX};

/// Items of a page if nobody says how many.
pub(super) const PAGE: usize = 50;

/// Bytes that most answers fit in.
const ANSWER: usize = 2 * 1024;

/// A JSON body, and its bytes.
pub(super) struct JsonBody<T>(pub(super) T, pub(super) Bytes);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = read(request, app).await?;
        let value = parse(&bytes)?;
        Ok(Self(value, bytes))
    }
}

/// A JSON body of which every mistake is a bad request.
pub(super) struct Plain<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Plain<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = read(request, app).await?;
        let is_object = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
        let parsed = serde_json::from_slice(&bytes).map_err(|e| in_words(&e));
        let parsed = parsed.and_then(|value| if is_object { Ok(value) } else { Err("expected an object".to_owned()) });
        parsed.map(Self).map_err(|why| Problem::bad_request("body", format!("the body cannot be read: {why}")))
    }
}

/// Reads a body to its end.
async fn read(request: Request, app: &App) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        let detail = "send the body as JSON, with `content-type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
    }
    if request.headers().get_all(CONTENT_ENCODING).iter().any(|e| !e.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "send the body as it is, without a `content-encoding`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
    }
    let limit = usize::try_from(app.service.workspace().settings.limits.body).unwrap_or(usize::MAX);
    // Told before the first byte of it is asked for.
    if request.body().size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large(limit));
    }
    let within = app.admission.limits().body;
    match tokio::time::timeout(within, collect(request.into_body(), limit)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body did not come in time")),
    }
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("cut", "the body broke off"))?;
        if all.len().saturating_add(chunk.len()) > limit {
            return Err(too_large(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a body has at most {limit} bytes"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be taken for the keys of an object, in their order.
    let is_list = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    if is_list && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        return Err(Problem::unprocessable("body", "the body is an object"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Problem::unprocessable("body", in_words(&error))
        } else {
            Problem::bad_request("json", format!("the body is not JSON: {}", in_words(&error)))
        }
    })
}

/// A value of a body, of the type that it should have.
pub(super) fn typed<T: DeserializeOwned>(value: serde_json::Value, what: &str) -> Result<T, Problem> {
    if value.is_array() {
        return Err(Problem::unprocessable("body", format!("`{what}` is no list")));
    }
    serde_json::from_value(value).map_err(|error| Problem::unprocessable("body", format!("`{what}`: {}", in_words(&error))))
}

fn in_words(error: &serde_json::Error) -> String {
    error.to_string()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

/// A header that names something: short, plain text.
pub(super) fn named(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request("header", format!("the header `{name}` stands there twice")));
    }
    let text = std::str::from_utf8(value.as_bytes()).unwrap_or("\u{0}").trim();
    if !is_id(text) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::bad_request("header", format!("the header `{name}` is not plain text of at most {ID_MAX} characters")));
    }
    Ok(Some(text.to_owned()))
}

/// Who calls: put there by the guard.
pub(super) struct Who(pub(super) Caller);

impl FromRequestParts<App> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "nobody asked who calls"))
    }
}

/// Which page of a list: `limit` and `cursor`.
pub(super) struct Pages(pub(super) Asked);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl FromRequestParts<App> for Pages {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Params(PageQuery { limit, cursor }) = Params::<PageQuery>::from_request_parts(parts, app).await?;
        asked(limit, cursor).map(Self)
    }
}

fn asked(limit: Option<u32>, cursor: Option<String>) -> Result<Asked, Problem> {
    let limit = limit.map_or(PAGE, |n| n as usize);
    if !(1..=crate::service::PAGE_MAX).contains(&limit) {
        return Err(Problem::bad_request("query", format!("`limit` is from 1 to {}", crate::service::PAGE_MAX)));
    }
    if cursor.as_deref().is_some_and(|c| !is_id(c)) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "cursor", "there is no such page of this list"));
    }
    Ok(Asked { after: cursor, limit })
}

/// Which page of a list, and what it is a list of.
pub(super) struct PagesOf<T>(pub(super) Asked, pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for PagesOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Params(mut query) = Params::<serde_json::Map<String, serde_json::Value>>::from_request_parts(parts, app).await?;
        let mut text = |key: &str| query.remove(key).and_then(|v| v.as_str().map(str::to_owned));
        let (limit, cursor) = (text("limit"), text("cursor"));
        let wrong = |why: String| Problem::bad_request("query", why);
        if let Some((key, _)) = query.iter().find(|(_, v)| !v.as_str().is_some_and(is_id)) {
            return Err(wrong(format!("`{key}` is plain text of at most {ID_MAX} characters")));
        }
        let limit = limit.map(|n| n.parse()).transpose().map_err(|_| wrong("`limit` is a whole number".into()))?;
        let of = serde_json::from_value(query.into()).map_err(|e| wrong(in_words(&e)))?;
        Ok(Self(asked(limit, cursor)?, of))
    }
}

/// A query, of the type that it should have.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Problem::bad_request("query", error.body_text())),
        }
    }
}

/// The parts of a path, each of which names something.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(error) => Err(Problem::new(StatusCode::NOT_FOUND, "not_found", error.body_text())),
        }
    }
}

/// An answer as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(ANSWER);
        match serde_json::to_writer(&mut body, &self.0) {
            Ok(()) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be written").into_response()
            }
        }
    }
}
