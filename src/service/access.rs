//! Who calls: keys with their roles, tenants and scopes.

use std::sync::Arc;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::engine::{Actor, Principal};
use crate::model::settings::{ServerKey, Settings};
use crate::outbound::{SecretError, Secrets};

/// The tenant of callers whose key names none and who name none themselves.
pub const DEFAULT_TENANT: &str = "default";
/// Who calls where there are no keys.
const NOBODY: &str = "anybody";
/// What begins the scopes that say which namespaces a key sees; without any it sees all.
pub(super) const NAMESPACE: &str = "namespace:";

/// What a key lets its caller be (supervision, 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The end user's own channel.
    User,
    /// A language model through tools.
    Agent,
    /// A person of the company.
    Operator,
    /// An elevated key.
    Admin,
    /// A trusted host that forwards both.
    Runtime,
}

impl Role {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "agent" => Self::Agent,
            "operator" => Self::Operator,
            "admin" => Self::Admin,
            "runtime" => Self::Runtime,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Runtime => "runtime",
        }
    }

    /// Who it speaks as.
    #[must_use]
    pub const fn actor(self) -> Actor {
        match self {
            Self::User => Actor::User,
            Self::Agent => Actor::Agent,
            Self::Operator => Actor::Operator,
            Self::Admin => Actor::Admin,
            Self::Runtime => Actor::Runtime,
        }
    }

    /// Whether it may see how things were decided, and conversations of users that it does not name.
    #[must_use]
    pub const fn sees_all(self) -> bool {
        match self {
            Self::Operator | Self::Admin | Self::Runtime => true,
            Self::User | Self::Agent => false,
        }
    }
}

/// Somebody who calls, known by their key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the key.
    pub key: Arc<str>,
    /// What it is.
    pub role: Role,
    /// The tenant that it speaks for now.
    pub tenant: Arc<str>,
    /// The user that it speaks for now, if it names one.
    pub user: Option<Arc<str>>,
    /// What it may do beside: `context`, `identity`, `namespace:NAME`; of an operator, also roles for approvals.
    pub scopes: Vec<Arc<str>>,
    /// Whether it may change what is registered: it has a key of the role `admin`, of its own or beside it.
    pub elevated: bool,
}

impl Caller {
    /// The same caller as an agent: whoever calls through a model's tools is one, whatever its key.
    #[must_use]
    pub fn as_agent(self) -> Self {
        let scopes = self.scopes.into_iter().filter(|s| s.starts_with(NAMESPACE)).collect();
        Self { role: Role::Agent, scopes, elevated: false, ..self }
    }

    /// Whose credential it is, for the engine.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let roles = if self.role == Role::Operator { self.scopes.clone() } else { Vec::new() };
        Principal { id: self.key.clone(), roles, scopes: self.scopes.clone() }
    }

    /// Whether it has that scope.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| &**s == scope)
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no key, or it is none of ours.
    #[error("send one of the server's keys as `Authorization: Bearer …`")]
    Unknown,
    /// The tenant is not one of the key's.
    #[error("the tenant is not one of this key's")]
    Tenant,
    /// The key has several tenants, and none was chosen.
    #[error("this key has several tenants: choose one with the header `tenant-id`")]
    WhichTenant,
}

/// Why the keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A variable or a file cannot be read.
    #[error("the server's key `{0}`: {1}")]
    Secret(Arc<str>, SecretError),
    /// It is empty.
    #[error("the server's key `{0}` is empty")]
    Empty(Arc<str>),
    /// Nobody's tokens can be believed.
    #[error(transparent)]
    Tokens(#[from] super::token::TokenSettings),
    /// Two have the same value.
    #[error("the server's keys `{0}` and `{1}` are the same")]
    Same(Arc<str>, Arc<str>),
    /// Two have the same name.
    #[error("two of the server's keys are named `{0}`: an audit would not tell them apart")]
    Name(Arc<str>),
}

/// The keys that may call.
#[derive(Debug)]
pub struct Access {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    digest: [u8; 32],
    name: Arc<str>,
    role: Role,
    tenants: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
}

impl Access {
    /// The keys that the settings name.
    pub fn new(settings: &Settings, secrets: &Secrets) -> Result<Self, AccessError> {
        let mut keys: Vec<Key> = Vec::new();
        for written in &settings.server_keys {
            let Some(role) = Role::named(&written.role) else { continue };
            let ServerKey { name, key, tenants, scopes, .. } = written.clone();
            let value = secrets.resolve(&key.value).map_err(|e| AccessError::Secret(name.clone(), e))?;
            if value.expose_secret().trim().is_empty() {
                return Err(AccessError::Empty(name));
            }
            let digest = digest(value.expose_secret());
            if let Some(same) = keys.iter().find(|k| k.digest == digest) {
                return Err(AccessError::Same(same.name.clone(), name));
            }
            if keys.iter().any(|k| k.name == name) {
                return Err(AccessError::Name(name));
            }
            keys.push(Key { digest, name, role, tenants, scopes });
        }
        Ok(Self { keys })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Who calls with that key, for that tenant.
    pub fn caller(&self, presented: Option<&str>, tenant: Option<&str>, user: Option<Arc<str>>) -> Result<Caller, Denied> {
        if self.is_open() {
            let tenant = tenant.unwrap_or(DEFAULT_TENANT).into();
            return Ok(Caller { key: NOBODY.into(), role: Role::Runtime, tenant, user, scopes: vec!["context".into()], elevated: true });
        }
        let key = self.key(presented.unwrap_or_default()).ok_or(Denied::Unknown)?;
        let tenant = match (tenant, &*key.tenants) {
            (Some(named), tenants) if tenants.is_empty() || tenants.iter().any(|t| **t == *named) => named.into(),
            (Some(_), _) => return Err(Denied::Tenant),
            (None, []) => DEFAULT_TENANT.into(),
            (None, [only]) => only.clone(),
            (None, _) => return Err(Denied::WhichTenant),
        };
        let elevated = key.role == Role::Admin;
        Ok(Caller { key: key.name.clone(), role: key.role, tenant, user, scopes: key.scopes.clone(), elevated })
    }

    /// Whoever calls with a key of the role `admin` beside their own, of their tenant: they may write, and see what both keys see.
    #[must_use]
    pub fn elevated(&self, caller: Caller, presented: &str) -> Caller {
        let of = |key: &&Key| key.role == Role::Admin && (key.tenants.is_empty() || key.tenants.contains(&caller.tenant));
        match self.key(presented).filter(of).and_then(|key| of_both(&caller.scopes, &key.scopes)) {
            Some(scopes) => Caller { scopes, elevated: true, ..caller },
            None => caller,
        }
    }

    /// The key of that value. Every key is looked at, whichever fits: how long it takes says nothing.
    fn key(&self, presented: &str) -> Option<&Key> {
        let digest = digest(presented);
        let mut found: Option<&Key> = None;
        for key in &self.keys {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        found
    }
}

/// The scopes of a caller, of whose namespaces only those are left that a second key sees too. `None`: they have none in common.
fn of_both(own: &[Arc<str>], second: &[Arc<str>]) -> Option<Vec<Arc<str>>> {
    let named = |scopes: &[Arc<str>]| scopes.iter().filter(|s| s.starts_with(NAMESPACE)).cloned().collect::<Vec<_>>();
    let (ours, theirs) = (named(own), named(second));
    let both = match (ours.is_empty(), theirs.is_empty()) {
        (_, true) => ours,
        (true, false) => theirs,
        (false, false) => {
            let common: Vec<Arc<str>> = ours.into_iter().filter(|n| theirs.contains(n)).collect();
            if common.is_empty() {
                return None;
            }
            common
        }
    };
    Some(own.iter().filter(|s| !s.starts_with(NAMESPACE)).cloned().chain(both).collect())
}

/// What is kept and compared of a key: all are of one length, and none of them is the key.
fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
