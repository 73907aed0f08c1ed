//! Who is let in: keys, tenants, and, where there are no keys, only programs on this machine.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::Service as _;

use super::App;
use super::body::named;
use super::problem::Problem;
use crate::service::Caller;

/// The header by which a request is found again in logs.
const REQUEST_ID: &str = "x-request-id";
/// The header of a key that lets a caller change what is registered.
const ELEVATED_KEY: &str = "x-elevated-key";

/// Lets in who may come in, and says who it is.
pub(super) async fn known(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match caller(&app, request.headers()) {
        Ok(caller) => request.extensions_mut().insert(caller),
        Err(problem) => return problem.into_response(),
    };
    let _permit = match app.admission.enter().await {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    next.run(request).await
}

/// What every request comes in by, whatever it asks for.
#[derive(Debug, Clone)]
pub struct Front {
    app: App,
    routes: Router,
}

impl Front {
    pub(super) fn new(app: App, routes: Router) -> Self {
        Self { app, routes }
    }

    /// Checks where a request comes from, gives every answer the id of its request, and those that the router makes itself, or nobody
    /// because handling it broke off, the form of all others.
    ///
    /// Not a layer of the router: each of these is copied, with all below it, for every request.
    pub(super) async fn answer(mut self, request: Request) -> Response {
        let id = match named(request.headers(), REQUEST_ID) {
            Ok(id) => id,
            Err(problem) => return problem.into_response(),
        };
        let mut response = match from_here(&self.app, &request) {
            Ok(()) => match AssertUnwindSafe(async move { self.routes.call(request).await }).catch_unwind().await {
                Ok(Ok(response)) => in_form(response),
                Err(_) => broken_off(),
            },
            Err(problem) => problem.into_response(),
        };
        if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id).ok()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

fn broken_off() -> Response {
    tracing::error!("handling a request broke off");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "handling the request broke off").into_response()
}

/// The router knows only by its status which method a route has not.
fn in_form(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this route has another method").into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, allow.clone());
    }
    answer
}

pub(super) fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    let presented = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(bearer);
    let tenant = named(headers, "tenant-id")?;
    let user = named(headers, "user-id")?;
    let elevated = named(headers, ELEVATED_KEY)?;
    let access = &app.service.live().access;
    // An elevated key is a credential by itself, too.
    let caller = access.caller(presented.or(elevated.as_deref()), tenant.as_deref(), user.map(Into::into))?;
    Ok(match elevated {
        Some(key) => access.elevated(caller, &key),
        None => caller,
    })
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Without keys anybody who reaches the port is let in, so it must be a program on this machine: a page in a browser is none, however its
/// name was resolved.
fn from_here(app: &App, request: &Request) -> Result<(), Problem> {
    if !app.service.is_open() || app.service.is_insecure() {
        return Ok(());
    }
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|h| h.to_str().ok()).unwrap_or_default();
    let elsewhere = request.uri().authority().is_some_and(|a| a.as_str() != host);
    if !is_loopback(host) || hosts.next().is_some() || elsewhere {
        let detail = "without keys only this machine is served: the `Host` has to be `localhost` or a loopback address";
        return Err(Problem::new(StatusCode::FORBIDDEN, "host", detail));
    }
    let foreign = headers.get(ORIGIN).is_some_and(|o| o.to_str().ok().and_then(|o| o.split_once("://")).is_none_or(|(_, o)| o != host));
    if foreign {
        return Err(Problem::new(StatusCode::FORBIDDEN, "origin", "without keys no page of another origin is served"));
    }
    Ok(())
}

/// Whether a `Host` names this machine.
fn is_loopback(host: &str) -> bool {
    let parts = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(name, rest)| (name, rest.strip_prefix(':').or(rest.is_empty().then_some("0")))),
        None => host.split_once(':').map(|(name, port)| (name, Some(port))).or(Some((host, Some("0")))),
    };
    let Some((name, Some(port))) = parts else { return false };
    if port.parse::<u16>().is_err() {
        return false;
    }
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
