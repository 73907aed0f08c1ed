//! Texts of workspaces, kept by hash as long as somebody may need them; and secrets, kept for good.

use std::sync::Arc;

use deadpool_postgres::Object;
use jiff::Timestamp;

use super::super::pack::{pack, unpack};
use super::super::rows::nanos;
use super::super::{StoreError, VERSIONS_KEPT, Version};
use super::Failure;
use crate::model::workspace::ContentHash;

/// Versions that one call drops at most.
const DROPPED: i64 = 8;

/// Keeps the texts of a version, and drops versions that nobody needs.
pub(super) async fn put(mut client: Object, version: &Version) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    // One at a time: what one drops another may be about to keep.
    transaction.batch_execute("LOCK TABLE waypost.versions IN SHARE ROW EXCLUSIVE MODE").await?;
    let sql = "INSERT INTO waypost.versions AS v VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET at = greatest(v.at, excluded.at)";
    transaction.execute(sql, &[&&*version.hash.0, &nanos(version.at)]).await?;
    let hashes: Vec<&str> = version.texts.iter().map(|(hash, _)| &*hash.0).collect();
    let texts: Vec<Vec<u8>> = version.texts.iter().map(|(_, text)| pack(text.as_bytes())).collect();
    let sql = "INSERT INTO waypost.texts SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[&hashes, &texts]).await?;
    let sql = "INSERT INTO waypost.version_texts SELECT $1, hash FROM unnest($2::text[]) hash ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[&&*version.hash.0, &hashes]).await?;
    let old = nanos(version.at.checked_sub(VERSIONS_KEPT).unwrap_or(Timestamp::MIN));
    let sql = "DELETE FROM waypost.versions WHERE hash IN (SELECT v.hash FROM waypost.versions v WHERE v.at < $1 AND NOT EXISTS
         (SELECT 1 FROM waypost.version_texts t JOIN waypost.pins p ON p.hash = t.hash WHERE t.version = v.hash) LIMIT $2)";
    if transaction.execute(sql, &[&old, &DROPPED]).await? > 0 {
        let orphans = "DELETE FROM waypost.version_texts WHERE version NOT IN (SELECT hash FROM waypost.versions);
             DELETE FROM waypost.texts WHERE hash NOT IN (SELECT hash FROM waypost.version_texts)";
        transaction.batch_execute(orphans).await?;
    }
    Ok(transaction.commit().await?)
}

/// The text with that hash.
pub(super) async fn get(client: Object, hash: &ContentHash) -> Result<Option<Arc<str>>, Failure> {
    let statement = client.prepare_cached("SELECT packed FROM waypost.texts WHERE hash = $1").await?;
    let Some(row) = client.query_opt(&statement, &[&&*hash.0]).await? else { return Ok(None) };
    let text = String::from_utf8(unpack(row.try_get(0)?)?).map_err(|_| StoreError::Corrupt("a text is not UTF-8".into()))?;
    Ok(Some(text.into()))
}

/// The secret of that name: `fresh`, if there was none.
pub(super) async fn secret(client: Object, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], Failure> {
    client.execute("INSERT INTO waypost.secrets VALUES ($1, $2) ON CONFLICT DO NOTHING", &[&name, &&fresh[..]]).await?;
    let row = client.query_one("SELECT secret FROM waypost.secrets WHERE name = $1", &[&name]).await?;
    let secret: &[u8] = row.try_get(0)?;
    Ok(secret.try_into().map_err(|_| StoreError::Corrupt("a secret has the wrong length".into()))?)
}
