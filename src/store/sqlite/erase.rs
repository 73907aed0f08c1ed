//! Takes away what was kept of a user, on the disk too.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::super::records::json;
use super::super::rows::ERASED;
use super::super::{DigestText, Erased, StoreError};
use super::failed;
use crate::registry::runs_of;

/// Conversations that one transaction takes.
const SOME: i64 = 64;
/// Everything of a conversation but its own row and its audit.
const OF_A_CONVERSATION: [&str; 7] = ["events", "snapshots", "messages", "holds", "keys", "pins", "executions"];

/// Erases some of the conversations of a user. Those in which decisions on them were acted upon are the user's from then on.
pub(super) fn some(connection: &Connection, tenant: &str, user: &str, digest: &DigestText) -> Result<Erased, StoreError> {
    let mut erased = Erased::default();
    let sql = "SELECT row FROM conversations WHERE tenant = ?1 AND user_id = ?2 AND life < ?3 LIMIT ?4";
    for conversation in numbers(connection, sql, params![tenant, user, ERASED, SOME]).map_err(failed)? {
        let id: String = connection
            .prepare_cached("SELECT id FROM conversations WHERE row = ?1")
            .and_then(|mut s| s.query_row([conversation], |r| r.get(0)))
            .map_err(failed)?;
        let runs = runs(connection, tenant, &id)?;
        erased.audit += one(connection, (conversation, tenant, &id), digest).map_err(failed)?;
        erased.conversations += 1;
        for run in runs {
            let sql = "UPDATE conversations SET user_id = ?4 WHERE tenant = ?1 AND id = ?2 AND life < ?3";
            connection.prepare_cached(sql).and_then(|mut s| s.execute(params![tenant, run, ERASED, user])).map_err(failed)?;
        }
    }
    Ok(erased)
}

fn numbers(connection: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(sql)?.query_map(values, |r| r.get(0))?.collect()
}

/// The conversations in which what was decided on events of one was acted upon.
fn runs(connection: &Connection, tenant: &str, id: &str) -> Result<Vec<Arc<str>>, StoreError> {
    let sql = "SELECT body FROM decisions WHERE tenant = ?1 AND conversation = ?2";
    let read = |mut s: rusqlite::CachedStatement<'_>| s.query_map([tenant, id], |r| r.get(0))?.collect();
    let bodies: Vec<String> = connection.prepare_cached(sql).and_then(read).map_err(failed)?;
    let mut runs = Vec::new();
    for body in bodies {
        runs.extend(runs_of(tenant, &json(&body)?));
    }
    Ok(runs)
}

/// What was decided on events of a conversation, and what is known of it.
const OF_ITS_EVENTS: [&str; 6] = [
    "DELETE FROM deliveries WHERE tenant = ?1 AND decision IN (SELECT id FROM decisions WHERE tenant = ?1 AND conversation = ?2)",
    "DELETE FROM results WHERE tenant = ?1 AND decision IN (SELECT id FROM decisions WHERE tenant = ?1 AND conversation = ?2)",
    "DELETE FROM decisions WHERE tenant = ?1 AND conversation = ?2",
    "DELETE FROM owed WHERE tenant = ?1 AND conversation = ?2",
    "DELETE FROM samples WHERE tenant = ?1 AND entity = ?2",
    "DELETE FROM primitives WHERE tenant = ?1 AND entity = ?2",
];

fn one(connection: &Connection, (conversation, tenant, id): (i64, &str, &str), digest: &DigestText) -> rusqlite::Result<u64> {
    for sql in OF_ITS_EVENTS {
        connection.prepare_cached(sql)?.execute([tenant, id])?;
    }
    for table in OF_A_CONVERSATION {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE conversation = ?1"))?.execute([conversation])?;
    }
    let mut read = connection.prepare_cached("SELECT text FROM audit WHERE conversation = ?1 AND seq = ?2")?;
    let mut write = connection.prepare_cached("UPDATE audit SET text = ?3, erased = 1 WHERE conversation = ?1 AND seq = ?2")?;
    let mut count = 0;
    for seq in numbers(connection, "SELECT seq FROM audit WHERE conversation = ?1 AND erased = 0", &[&conversation])? {
        let text: String = read.query_row([conversation, seq], |r| r.get(0))?;
        write.execute(params![conversation, seq, digest(&text)])?;
        count += 1;
    }
    let sql = "UPDATE conversations SET user_id = '', wake_at = NULL, life = ?2 WHERE row = ?1";
    connection.prepare_cached(sql)?.execute([conversation, ERASED])?;
    Ok(count)
}

/// Brings what was erased into the file itself: until then the log beside it holds the pages of before. What is freed is zeroed.
pub(super) fn settle(connection: &mut Connection) -> Result<(), StoreError> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0)).map_err(failed)?;
    if busy != 0 {
        return Err(StoreError::Unavailable(
            "it is erased, but another program keeps the log of what was before: run it again later".into(),
        ));
    }
    Ok(())
}
