//! Texts of workspaces, kept by hash as long as somebody may need them; and secrets, kept for good.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::pack::{pack, unpack};
use super::super::rows::nanos;
use super::super::{StoreError, VERSIONS_KEPT, Version};
use super::failed;
use crate::model::workspace::ContentHash;

/// Versions that one call drops at most.
const DROPPED: i64 = 8;

/// Keeps the texts of a version, and drops versions that nobody needs.
pub(super) fn put(connection: &Connection, version: &Version) -> Result<(), StoreError> {
    write(connection, version).and_then(|()| drop_old(connection, version.at)).map_err(failed)
}

fn write(connection: &Connection, version: &Version) -> rusqlite::Result<()> {
    let sql = "INSERT INTO versions VALUES (?1, ?2) ON CONFLICT (hash) DO UPDATE SET at = max(at, excluded.at)";
    connection.execute(sql, params![version.hash.0, nanos(version.at)])?;
    let mut text = connection.prepare_cached("INSERT INTO texts VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut of = connection.prepare_cached("INSERT INTO version_texts VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for (hash, content) in &version.texts {
        text.execute(params![hash.0, pack(content.as_bytes())])?;
        of.execute(params![version.hash.0, hash.0])?;
    }
    Ok(())
}

fn drop_old(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let old = nanos(now.checked_sub(VERSIONS_KEPT).unwrap_or(Timestamp::MIN));
    let sql = "DELETE FROM versions WHERE hash IN (SELECT v.hash FROM versions v WHERE v.at < ?1 AND NOT EXISTS
         (SELECT 1 FROM version_texts t JOIN pins p ON p.hash = t.hash WHERE t.version = v.hash) LIMIT ?2)";
    if connection.execute(sql, params![old, DROPPED])? > 0 {
        connection.execute("DELETE FROM version_texts WHERE version NOT IN (SELECT hash FROM versions)", [])?;
        connection.execute("DELETE FROM texts WHERE hash NOT IN (SELECT hash FROM version_texts)", [])?;
    }
    Ok(())
}

/// The text with that hash.
pub(super) fn get(connection: &Connection, hash: &ContentHash) -> Result<Option<Arc<str>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT packed FROM texts WHERE hash = ?1").map_err(failed)?;
    let packed: Option<Vec<u8>> = statement.query_row(params![hash.0], |r| r.get(0)).optional().map_err(failed)?;
    let Some(packed) = packed else { return Ok(None) };
    let text = String::from_utf8(unpack(&packed)?).map_err(|_| StoreError::Corrupt("a text is not UTF-8".into()))?;
    Ok(Some(text.into()))
}

/// The secret of that name: `fresh`, if there was none.
pub(super) fn secret(connection: &Connection, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
    connection.execute("INSERT INTO secrets VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![name, fresh]).map_err(failed)?;
    connection.query_row("SELECT secret FROM secrets WHERE name = ?1", params![name], |r| r.get(0)).map_err(failed)
}
