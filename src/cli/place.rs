//! Where a command looks: in a workspace, which it takes into service in this process, or at a service that runs.

use std::path::Path;

use super::Failure;
use crate::driver::Clock;
use crate::outbound::{Remote, RemoteError, Secrets};
use crate::service::access::DEFAULT_TENANT;
use crate::service::{Caller, Role, Service, Setup, storage};
use crate::store::Address;
use crate::value::Json;

/// Where decisions are kept beside a workspace, if somebody began to.
const STORE: &str = "waypost.db";

/// Where definitions and what came of them are kept.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The service that runs, instead of the workspace
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Where decisions are kept: `sqlite:FILE`, `postgres://…` or `memory`
    #[arg(long, value_name = "STORE", conflicts_with = "server")]
    pub(super) store: Option<String>,
}

impl Place {
    /// The service that runs at an address.
    pub(super) fn there(&self, server: &str, root: &Path) -> Result<There, Failure> {
        There::at(server, self.tenant.as_deref(), root)
    }

    /// The workspace in service in this process, and who calls it; whether it makes its store where there is none. What its files define is
    /// not registered yet.
    pub(super) async fn service(&self, root: &Path, loaded: crate::check::Loaded, makes: bool) -> Result<(Service, Caller), Failure> {
        let secrets = Secrets::environment(root);
        let settings = loaded.settings.clone();
        let kept = root.join(STORE);
        let default = if kept.is_file() { Address::Sqlite(kept) } else { Address::Memory };
        let address = storage::address(self.store.as_deref(), &settings, root, &secrets, default)?;
        if !makes && matches!(address, Address::Sqlite(_)) {
            super::storage::there(&address)?;
        }
        let storage = storage::open(&address, &settings, &secrets).await?;
        let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
        // Whoever may read the workspace and its secrets may call where it says.
        let setup = Setup { insecure: true };
        let service = Service::open(loaded, storage, secrets, Clock::System, setup).map_err(|e| failed(&e))?;
        let tenant = self.tenant.as_deref().unwrap_or(DEFAULT_TENANT).into();
        let caller = Caller { key: "program".into(), role: Role::Admin, tenant, user: None, scopes: Vec::new(), elevated: true };
        Ok((service, caller))
    }

    /// The same with what its files define: registered, or for a dry run only looked at.
    pub(super) async fn defined(&self, root: &Path, loaded: crate::check::Loaded, dry_run: bool) -> Result<(Service, Caller), Failure> {
        let (service, caller) = self.service(root, loaded, true).await?;
        let defined = if dry_run { service.draft_files() } else { service.define_files().await };
        defined.map_err(|e| Failure::new(e.to_string()))?;
        Ok((service, caller))
    }
}

/// A service that runs, called with the key in `WAYPOST_KEY`.
pub(super) struct There(Remote, String);

impl There {
    pub(super) fn at(server: &str, tenant: Option<&str>, root: &Path) -> Result<Self, Failure> {
        let key = Secrets::environment(root).resolve("${WAYPOST_KEY}").ok();
        let remote = Remote::new(server, key, tenant.map(str::to_owned));
        remote
            .map(|remote| Self(remote, server.to_owned()))
            .map_err(|e| Failure::new(e.to_string()).help("write it as `http://127.0.0.1:8700`"))
    }

    /// What it answers, which has that key.
    pub(super) async fn post(&self, path: &str, body: &Json, has: &str) -> Result<Json, Failure> {
        self.ours(told(self.0.post(path, body).await)?, has)
    }

    /// What it answers, which has that key.
    pub(super) async fn get(&self, path: &str, has: &str) -> Result<Json, Failure> {
        self.ours(told(self.0.get(path).await)?, has)
    }

    fn ours(&self, answer: Json, has: &str) -> Result<Json, Failure> {
        if answer.get(has).is_some() {
            return Ok(answer);
        }
        let failure = Failure::new(format!("what answers at `{}` is not `waypost serve`: its answer has no `{has}`", self.1));
        Err(failure.help("check the address"))
    }
}

/// What a service answered, or why it did not do it.
fn told(answered: Result<(u16, Json), RemoteError>) -> Result<Json, Failure> {
    match answered {
        Ok((200, answer)) => Ok(answer),
        Ok((status, answer)) => {
            let why = answer.get("detail").and_then(Json::as_str).unwrap_or("it does not say why");
            let failure = Failure::new(format!("the service refused ({status}): {why}"));
            Err(if matches!(status, 401 | 403) { failure.help("put one of its keys that may do that into WAYPOST_KEY") } else { failure })
        }
        Err(error) => Err(Failure::new(error.to_string()).help("start it with `waypost serve`, or check the address")),
    }
}
