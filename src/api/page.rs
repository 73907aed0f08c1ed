//! Pages for people: the question that an agent relayed a link to. Not part of the API that the document describes. Plain HTML, no script,
//! no cookie: whoever answers sends the host's word of who they are along with the answer, so that no other page can answer for them.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::App;
use super::body::is_id;
use super::problem::Problem;
use crate::service::{QuestionPage as Page, ServiceError, Ticket, Unbelieved};

/// Bytes of a form, at most: a token and an answer.
const FORM: usize = 16 * 1024;

const STYLE: &str = "\
:root{color-scheme:light dark;font:18px/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}\
main{box-sizing:border-box;width:min(34rem,100%);padding:2rem}\
h1{font-size:1rem;font-weight:600;margin:0 0 1rem;opacity:.7}\
p{margin:0 0 1.5rem;white-space:pre-wrap;overflow-wrap:anywhere}\
form,nav{display:flex;gap:1rem;flex-wrap:wrap}\
button,a.go{font:inherit;padding:.6rem 1.6rem;border:1px solid currentColor;border-radius:.5rem;background:none;color:inherit;\
text-decoration:none;cursor:pointer}\
button.yes,a.go{background:CanvasText;color:Canvas}\
small{display:block;margin-top:2rem;opacity:.7}";

/// The pages, below the server's root.
pub(super) fn router() -> Router<App> {
    Router::new().route("/questions/{tenant}/{conversation}/{seal}", get(look).post(answer))
}

type Of = Result<Path<(String, String, String)>, PathRejection>;

async fn look(State(app): State<App>, of: Of) -> Response {
    let Ok(Path(path)) = of else { return told(&app, Page::Gone, None) };
    page(&app, path, None, None).await
}

async fn answer(State(app): State<App>, of: Of, request: Request) -> Response {
    let Ok(Path(path)) = of else { return told(&app, Page::Gone, None) };
    match form(request, &app).await {
        Some((token, answer)) => page(&app, path, token.as_deref(), answer).await,
        None => shown(&app, StatusCode::BAD_REQUEST, "This form was not understood. Please follow the link again.", ""),
    }
}

/// A token, and an answer: `None` where it is no form of ours.
async fn form(request: Request, app: &App) -> Option<(Option<String>, Option<bool>)> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/x-www-form-urlencoded" {
        return None;
    }
    let read = to_bytes(Body::new(request.into_body()), FORM);
    let bytes = tokio::time::timeout(app.admission.limits().body, read).await.ok()?.ok()?;
    let (mut token, mut answer) = (None, None);
    for (key, value) in url::form_urlencoded::parse(&bytes) {
        match (&*key, &*value) {
            // What is said twice is not said clearly.
            ("token", value) if token.is_none() => token = Some(value.to_owned()),
            ("answer", "yes") if answer.is_none() => answer = Some(true),
            ("answer", "no") if answer.is_none() => answer = Some(false),
            _ => return None,
        }
    }
    Some((token, answer))
}

async fn page(app: &App, (tenant, conversation, seal): (String, String, String), token: Option<&str>, answer: Option<bool>) -> Response {
    let _permit = match app.admission.enter().await {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    if ![&tenant, &conversation, &seal].into_iter().all(|part| is_id(part)) {
        return told(app, Page::Gone, token);
    }
    let ticket = Ticket { tenant: tenant.into(), conversation: conversation.into(), seal: seal.into() };
    match app.service.question_page(&ticket, token, answer).await {
        Ok(page) => told(app, page, token),
        Err(ServiceError::NoConversation(_)) => told(app, Page::Gone, token),
        Err(error) => {
            tracing::warn!(%error, "the page of a question could not be given");
            let status = Problem::from(error).status();
            shown(app, status, "This does not work at the moment. Please try again in a minute.", "")
        }
    }
}

fn told(app: &App, page: Page, token: Option<&str>) -> Response {
    match page {
        Page::SignIn { at, why } => {
            let (status, text) = match why {
                None => (StatusCode::OK, "There is a question for you. Sign in, and you will see it here."),
                Some(Unbelieved::Expired) => (StatusCode::FORBIDDEN, "You signed in too long ago. Please sign in again."),
                Some(_) => (StatusCode::FORBIDDEN, "It could not be made sure who you are. Please sign in again."),
            };
            shown(app, status, text, &format!("<nav><a class=\"go\" href=\"{}\">Sign in</a></nav>", escaped(&at)))
        }
        Page::Question(text) => {
            let form = format!(
                "<form method=\"post\" action=\"\"><input type=\"hidden\" name=\"token\" value=\"{}\">\
                 <button class=\"yes\" name=\"answer\" value=\"yes\">Yes</button><button name=\"answer\" value=\"no\">No</button></form>\
                 <small>Nothing is done before you answer. If you did not expect this, answer no.</small>",
                escaped(token.unwrap_or_default())
            );
            shown(app, StatusCode::OK, &text, &form)
        }
        Page::Taken(messages, next) => {
            let more = next.map(|at| format!("<nav><a class=\"go\" href=\"{}\">Go on</a></nav>", escaped(&at))).unwrap_or_default();
            let text: Vec<&str> = messages.iter().map(|m| &**m).collect();
            let text = if text.is_empty() { "Thank you. Your answer was taken.".to_owned() } else { text.join("\n") };
            shown(app, StatusCode::OK, &text, &more)
        }
        Page::Theirs => shown(app, StatusCode::FORBIDDEN, "This question is for somebody else. You are signed in as another person.", ""),
        Page::Expired => shown(app, StatusCode::GONE, "This link has expired. Ask for the question again where you got it.", ""),
        Page::Gone => {
            let text = "This question is not open any more: it was answered already, or what it is about has changed. If you are asked \
                        again, you will get a new link.";
            shown(app, StatusCode::GONE, text, "")
        }
    }
}

/// A page: a text, which is escaped, and what stands below it, which is HTML.
fn shown(app: &App, status: StatusCode, text: &str, below: &str) -> Response {
    let settings = &app.service.workspace().settings;
    let name: &Arc<str> = settings.agent_name.as_ref().unwrap_or(&settings.agent_slug);
    let name = escaped(name);
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{name}</title><style>{STYLE}</style></head>\
         <body><main><h1>{name}</h1><p>{}</p>{below}</main></body></html>\n",
        escaped(text)
    );
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    for (header, value) in [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
    ] {
        headers.insert(header, value);
    }
    response
}

/// Nothing is loaded, no other page shows this one in a frame, and a form goes nowhere else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
});

/// A text as HTML shows it, in an attribute too.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        let entity = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            c => {
                let _ = out.write_char(c);
                return out;
            }
        };
        out.push_str(entity);
        out
    })
}
