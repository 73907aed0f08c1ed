//! Problem documents (RFC 9457): one form for everything that is not done, with a stable code.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::wire::Answer;
use crate::service::{Denied, ServiceError};

/// Seconds after which to try again what could not be done for want of room.
const RETRY_S: u32 = 1;

/// Why something was not done (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// A URI that names the kind of problem: `urn:waypost:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status of the answer.
    status: u16,
    /// One sentence on what is wrong.
    detail: String,
    /// A stable code.
    pub(super) code: String,
    /// How the conversation stands, where a turn was refused.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    answer: Option<Box<Answer>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:waypost:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            answer: None,
        }
    }

    pub(super) fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(super) fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// With how the conversation stands.
    pub(super) fn with(mut self, answer: Answer) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The status of a turn that the engine refused, by the refusal's code.
pub(super) fn refused(code: &str) -> StatusCode {
    match code {
        "forbidden" | "own_request" | "not_allowed" | "requires" => StatusCode::FORBIDDEN,
        "unknown_journey" | "unknown_option" | "unknown_finding" | "unknown_hold" | "missing_input" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(RETRY_AFTER, RETRY_S.into())),
            _ => {}
        }
        response
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let status = match &error {
            ServiceError::NoAgent(_)
            | ServiceError::NoConversation(_)
            | ServiceError::NoJourney(_)
            | ServiceError::NoHold(_)
            | ServiceError::NoRecord { .. }
            | ServiceError::NoProvider(_)
            | ServiceError::Invalid("cursor", _) => StatusCode::NOT_FOUND,
            ServiceError::Rejected(..) => StatusCode::BAD_REQUEST,
            ServiceError::Forbidden(_) => StatusCode::FORBIDDEN,
            ServiceError::Invalid(..) | ServiceError::Reused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ServiceError::Overloaded | ServiceError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ServiceError::Taken(_) | ServiceError::Unrunnable(_) => StatusCode::CONFLICT,
            ServiceError::Setup(_) | ServiceError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (status, code) = match denied {
            Denied::Unknown => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Denied::Tenant => (StatusCode::FORBIDDEN, "tenant"),
            Denied::WhichTenant => (StatusCode::BAD_REQUEST, "tenant_missing"),
        };
        Self::new(status, code, denied.to_string())
    }
}
