//! A service of this program elsewhere, called by its own commands. Knows no route by itself.

use std::sync::Arc;

use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};

use super::failure::{before_head, in_body};
use crate::engine::CallFailure;
use crate::value::Json;

/// Bytes of an answer, at most.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// A service, and the key to it.
#[derive(Debug)]
pub struct Remote {
    client: reqwest::Client,
    base: String,
    key: Option<SecretString>,
    tenant: Option<String>,
}

/// Why it did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The address is none.
    #[error("`{0}` is no address of a service")]
    Address(String),
    /// It cannot be reached, or does not answer.
    #[error("`{base}` does not answer: {why}")]
    Unreachable {
        /// Where it should be.
        base: String,
        /// Why.
        why: Arc<str>,
    },
    /// It answered something else.
    #[error("`{0}` does not answer as a service of this program does")]
    Strange(String),
}

impl Remote {
    /// The service at an address, such as `http://127.0.0.1:8700`.
    pub fn new(base: &str, key: Option<SecretString>, tenant: Option<String>) -> Result<Self, RemoteError> {
        let address = || RemoteError::Address(base.to_owned());
        let url = url::Url::parse(base).map_err(|_| address())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(address());
        }
        let client = super::collector();
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { client: client.map_err(|_| address())?, base, key, tenant })
    }

    /// Posts a body under the base of the API; gives the status and the answer.
    pub async fn post(&self, path: &str, body: &Json) -> Result<(u16, Json), RemoteError> {
        let request = self.client.post(format!("{}/api/v1{path}", self.base)).header(CONTENT_TYPE, "application/json");
        self.answer(request.body(body.to_string())).await
    }

    /// Gets what is there; gives the status and the answer.
    pub async fn get(&self, path: &str) -> Result<(u16, Json), RemoteError> {
        self.answer(self.client.get(format!("{}/api/v1{path}", self.base))).await
    }

    async fn answer(&self, mut request: reqwest::RequestBuilder) -> Result<(u16, Json), RemoteError> {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("tenant-id", tenant);
        }
        let unreachable = |failed: CallFailure| RemoteError::Unreachable { base: self.base.clone(), why: failed.detail };
        let mut answer = request.send().await.map_err(|e| unreachable(before_head(&e)))?;
        let status = answer.status().as_u16();
        let strange = || RemoteError::Strange(self.base.clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| unreachable(in_body(&e, status)))? {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err(strange());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, serde_json::from_slice(&bytes).map_err(|_| strange())?))
    }
}

/// A part of a path, so that it is one whatever it holds.
#[must_use]
pub fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
