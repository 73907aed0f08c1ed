//! A host's signed word of who speaks: a JSON Web Token for one conversation, its algorithm pinned by the settings.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::model::settings::Jwt;
use crate::outbound::{SecretError, Secrets};
use crate::supervise::Identity;
use crate::value::Json;

/// Bytes of a token, at most.
const TOKEN_MAX: usize = 8 * 1024;
/// Characters that a shared key has at least.
const SHARED_MIN: usize = 32;

/// Whose tokens are believed.
#[derive(Debug)]
pub struct Tokens {
    issuer: Option<Arc<str>>,
    audience: Arc<str>,
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    opens: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why the settings of tokens cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenSettings {
    /// A variable or a file cannot be read.
    #[error("`identity.jwt.keys`: {0}")]
    Secret(#[from] SecretError),
    /// Nobody is meant.
    #[error("`identity.jwt` has no `audience`: a token for somebody else would count")]
    Audience,
    /// No algorithm is named, or one that is unknown.
    #[error(
        "`identity.jwt.algorithms` has to name some of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
    )]
    Algorithm,
    /// A key cannot be read.
    #[error("`identity.jwt.keys`: key {0} is neither a key in PEM, a JSON Web Key, nor a shared key of {SHARED_MIN} characters")]
    Key(usize),
    /// A key fits none of the algorithms.
    #[error("`identity.jwt.keys`: key {0} is of none of the algorithms")]
    Unfit(usize),
}

/// Why a token is not believed. Says no more than its sender may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    /// The workspace believes none.
    #[error("the workspace names nobody whose tokens are believed: write `identity.jwt` in `waypost.yaml`")]
    Nobody,
    /// It is no token, is signed by nobody known, or not for here.
    #[error("the token is not signed by a key of `identity.jwt`, or not for this audience")]
    Signature,
    /// Its time has passed, or has not come.
    #[error("the token has expired, or is not valid yet")]
    Expired,
    /// It is for another conversation.
    #[error("the token's `nonce` is not the id of this conversation")]
    Nonce,
    /// It says nobody.
    #[error("the token has no `sub`")]
    Subject,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    nonce: Option<String>,
    #[serde(deserialize_with = "numeric_date")]
    exp: Timestamp,
    #[serde(default, deserialize_with = "numeric_date_if_any")]
    nbf: Option<Timestamp>,
    #[serde(default = "one")]
    level: u32,
}

/// Seconds since the epoch, whole or not (RFC 7519, 2).
fn numeric_date<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    numeric_date_if_any(from)?.ok_or_else(|| D::Error::custom("it is null"))
}

fn numeric_date_if_any<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let read = |seconds| SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration).map_err(D::Error::custom);
    Option::<f64>::deserialize(from)?.map(read).transpose()
}

const fn one() -> u32 {
    1
}

impl Tokens {
    /// Whose tokens the settings believe.
    pub fn new(jwt: &Jwt, secrets: &Secrets) -> Result<Self, TokenSettings> {
        let audience = jwt.audience.clone().ok_or(TokenSettings::Audience)?;
        let mut algorithms = Vec::new();
        for name in &jwt.algorithms {
            algorithms.push(name.parse::<Algorithm>().map_err(|_| TokenSettings::Algorithm)?);
        }
        if algorithms.is_empty() {
            return Err(TokenSettings::Algorithm);
        }
        let written = match &jwt.keys {
            Json::Array(items) => items.iter().collect(),
            Json::Null => Vec::new(),
            one => vec![one],
        };
        let mut keys = Vec::new();
        for (number, written) in (1..).zip(written) {
            let before = keys.len();
            let (id, written) = match written.get("key") {
                Some(key) => (written.get("id").and_then(Json::as_str).map(str::to_owned), key),
                None => (written.get("kid").and_then(Json::as_str).map(str::to_owned), written),
            };
            for algorithm in &algorithms {
                if let Some(key) = read(written, *algorithm, secrets, number)? {
                    keys.push(Key { id: id.clone(), algorithm: *algorithm, opens: key });
                }
            }
            if keys.len() == before {
                return Err(TokenSettings::Unfit(number));
            }
        }
        Ok(Self { issuer: jwt.issuer.clone(), audience, keys })
    }

    /// Who a token says that it is, for this conversation.
    pub fn identity(&self, token: &str, conversation: &str, now: Timestamp) -> Result<Identity, Unbelieved> {
        let header = decode_header(token).ok().filter(|_| token.len() <= TOKEN_MAX).ok_or(Unbelieved::Signature)?;
        // What its signer calls critical has to be understood (RFC 7515, 4.1.11), and nothing of that is here.
        if header.crit.is_some() {
            return Err(Unbelieved::Signature);
        }
        // A key is tried by the one algorithm that it is for, whatever else the token says.
        let fits = |k: &&Key| k.algorithm == header.alg && (k.id.is_none() || header.kid.is_none() || k.id == header.kid);
        let claims = self.keys.iter().filter(fits).find_map(|key| {
            let mut validation = Validation::new(key.algorithm);
            validation.set_audience(&[&*self.audience]);
            if let Some(issuer) = &self.issuer {
                validation.set_issuer(&[&**issuer]);
                validation.set_required_spec_claims(&["exp", "aud", "iss"]);
            } else {
                validation.set_required_spec_claims(&["exp", "aud"]);
            }
            // Time is told by the clock of the conversation.
            validation.validate_exp = false;
            validation.validate_nbf = false;
            decode::<Claims>(token, &key.opens, &validation).ok()
        });
        let claims = claims.ok_or(Unbelieved::Signature)?.claims;
        let expires = claims.exp;
        if expires <= now || claims.nbf.is_some_and(|from| from > now) {
            return Err(Unbelieved::Expired);
        }
        if claims.nonce.as_deref() != Some(conversation) {
            return Err(Unbelieved::Nonce);
        }
        let subject = claims.sub.filter(|s| !s.trim().is_empty()).ok_or(Unbelieved::Subject)?;
        Ok(Identity { subject: subject.into(), level: claims.level, at: now, expires })
    }
}

/// A key for an algorithm; `None` if it is of another family.
fn read(written: &Json, algorithm: Algorithm, secrets: &Secrets, number: usize) -> Result<Option<DecodingKey>, TokenSettings> {
    if written.get("kty").is_some() {
        let jwk: Jwk = serde_json::from_value(written.clone()).map_err(|_| TokenSettings::Key(number))?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| TokenSettings::Key(number))?;
        return Ok((key.family() == algorithm.family()).then_some(key));
    }
    let text = secrets.resolve(written.as_str().ok_or(TokenSettings::Key(number))?)?;
    let text = text.expose_secret();
    let is_pem = text.trim_start().starts_with("-----BEGIN");
    let shared = matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    if shared == is_pem {
        return Ok(None);
    }
    if shared {
        if text.chars().count() < SHARED_MIN {
            return Err(TokenSettings::Key(number));
        }
        return Ok(Some(DecodingKey::from_secret(text.as_bytes())));
    }
    let pem = text.as_bytes();
    Ok(match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem).ok(),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem).ok(),
        _ => DecodingKey::from_rsa_pem(pem).ok(),
    })
}
