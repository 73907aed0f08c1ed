//! Opens the pool of connections, and brings the tables to the version that this program knows.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use url::Url;

use super::super::StoreError;
use super::{Failure, client, tls};

/// Every version of the tables, as what to do to come from the one before.
const MIGRATIONS: &[&str] =
    &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql"), include_str!("4.sql"), include_str!("5.sql")];
/// Connections, if the URL does not say how many (`pool=`).
const CONNECTIONS: usize = 16;
/// How long a server may take to accept one.
const CONNECT: Duration = Duration::from_secs(5);
/// Of all who bring the tables to a version, one at a time.
const MIGRATING: i64 = 0x77_61_79_70_6f_73_74;

/// Connections to a server: made when they are needed.
pub(super) fn pool(text: &str) -> Result<Pool, StoreError> {
    // The text may hold a password, so no message shows it.
    let unsupported = |why: String| StoreError::Unsupported(format!("the URL of the store cannot be read: {why}"));
    let mut url = Url::parse(text).map_err(|e| unsupported(e.to_string()))?;
    let wanted = tls::wanted(&mut url)?;
    let most = connections(&mut url)?;
    let mut config: tokio_postgres::Config = url.as_str().parse().map_err(|e: tokio_postgres::Error| {
        use std::error::Error as _;
        unsupported(e.source().map_or_else(|| e.to_string(), ToString::to_string))
    })?;
    if config.get_application_name().is_none() {
        config.application_name("waypost");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, tls::connector(&wanted)?, recycling);
    Pool::builder(manager)
        .max_size(most)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(super::PATIENCE))
        .build()
        .map_err(|e| StoreError::Unsupported(e.to_string()))
}

/// Takes `pool` out of a URL.
fn connections(url: &mut Url) -> Result<usize, StoreError> {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let Some((_, most)) = pairs.iter().find(|(name, _)| name == "pool") else { return Ok(CONNECTIONS) };
    let most = most.parse().ok().filter(|n| (1..=1_000).contains(n));
    url.query_pairs_mut().clear().extend_pairs(pairs.iter().filter(|(name, _)| name != "pool"));
    most.ok_or_else(|| StoreError::Unsupported("`pool` is a number of connections, from 1 to 1000".into()))
}

/// Brings the tables to the present version.
pub(super) async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    let mut client = client(pool).await?;
    Ok(migrated(&mut client).await?)
}

async fn migrated(client: &mut deadpool_postgres::Object) -> Result<(), Failure> {
    let durable: String = client.query_one("SHOW synchronous_commit", &[]).await?.try_get(0)?;
    if durable == "off" {
        let why = "the server of the store answers before its disk has anything: set `synchronous_commit` to `on`";
        return Err(StoreError::Unsupported(why.into()).into());
    }
    if version(client).await? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATING]).await?;
    // Another process may have been faster.
    let stands = version(&transaction).await?;
    for (n, step) in MIGRATIONS.iter().enumerate().skip(stands) {
        if n == 0 {
            let begin = "CREATE SCHEMA IF NOT EXISTS waypost; CREATE TABLE waypost.schema_version (version BIGINT NOT NULL);
                 INSERT INTO waypost.schema_version VALUES (0)";
            transaction.batch_execute(begin).await?;
        }
        transaction.batch_execute(step).await?;
    }
    transaction.execute("UPDATE waypost.schema_version SET version = $1", &[&super::most(MIGRATIONS.len())]).await?;
    transaction.commit().await?;
    tracing::debug!(from = stands, to = MIGRATIONS.len(), "brought the tables to the present version");
    Ok(())
}

/// The version of the tables that are there; 0 if there are none.
pub(super) async fn version(client: &impl deadpool_postgres::GenericClient) -> Result<usize, Failure> {
    // Not by `to_regclass`: what a session has looked for in vain it does not look for again in the same transaction.
    let there = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'waypost' AND tablename = 'schema_version')";
    let there: bool = client.query_one(there, &[]).await?.try_get(0)?;
    if !there {
        return Ok(0);
    }
    let stands: i64 = client.query_one("SELECT coalesce(max(version), 0) FROM waypost.schema_version", &[]).await?.try_get(0)?;
    let stands = usize::try_from(stands).unwrap_or(0);
    let known = MIGRATIONS.len();
    if stands > known {
        let why =
            format!("the store was written by a newer waypost: its tables have version {stands}, and this one knows them up to {known}");
        return Err(StoreError::Unsupported(why).into());
    }
    Ok(stands)
}
