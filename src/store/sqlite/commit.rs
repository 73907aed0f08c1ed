//! One commit inside a transaction: the version and the claims are checked, then all its rows are written.

use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::super::rows::{Batch, ERASED, FINISHED, OPEN, Rows, nanos};
use super::super::{Committed, Seals, StoreError, no_owner};
use super::{claims, failed, int, read, uint};
use crate::engine::HoldChange;

/// What a conversation has before a commit.
struct Before {
    row: i64,
    version: u64,
    wake_at: Option<i64>,
    life: i64,
}

/// Commits, or says why not and changes nothing.
pub(super) fn commit(connection: &Connection, seals: &Seals, rows: &Rows) -> Result<Committed, StoreError> {
    let before = before(connection, rows)?;
    if before.as_ref().is_some_and(|b| b.life == ERASED) {
        return Err(StoreError::Erased(rows.key.id.clone()));
    }
    let version = before.as_ref().map_or(0, |b| b.version);
    if version != rows.expected {
        return Ok(Committed::Conflict { version });
    }
    let refused = claims::refuse(connection, seals, rows, before.as_ref().map(|b| b.row))?;
    if !refused.is_empty() {
        return Ok(Committed::ClaimRefused { refused });
    }
    let conversation = head(connection, rows, before)?;
    if rows.finished {
        shrink(connection, seals, rows, conversation)?;
    } else if let Some(batch) = &rows.events {
        put_events(connection, conversation, rows.version, batch)?;
    }
    if let Some(packed) = &rows.snapshot {
        run(connection, "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3)", params![conversation, int(rows.version), packed])?;
    }
    claims::take(connection, seals, rows, conversation)?;
    if let Some(reply) = rows.reply.as_ref().filter(|_| !rows.claims_reply()) {
        let sql = "UPDATE messages SET digest = ?3, answer = ?4 WHERE conversation = ?1 AND id = ?2";
        run(connection, sql, params![conversation, reply.id, reply.digest, reply.answer])?;
    }
    for row in &rows.audit {
        let sql = "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        run(connection, sql, params![conversation, int(row.seq), nanos(row.at), row.text, row.mac, row.erased])?;
    }
    for change in &rows.holds {
        match change {
            HoldChange::Opened(row) => {
                let held = serde_json::to_string(row).map_err(|e| StoreError::Corrupt(e.to_string()))?;
                let sql = "INSERT OR REPLACE INTO holds VALUES (?1, ?2, ?3, ?4, ?5)";
                run(connection, sql, params![rows.key.tenant, row.id, conversation, row.agent, held])?;
            }
            HoldChange::Closed { id } => {
                run(connection, "DELETE FROM holds WHERE tenant = ?1 AND id = ?2", params![rows.key.tenant, id])?;
            }
        }
    }
    for row in &rows.executions {
        let attempt = serde_json::to_string(row).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let sql = "INSERT OR REPLACE INTO executions VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        run(connection, sql, params![rows.key.tenant, row.id, conversation, row.action, row.status.as_str(), attempt])?;
    }
    if let Some(pinned) = &rows.pinned {
        run(connection, "DELETE FROM pins WHERE conversation = ?1", params![conversation])?;
        for hash in pinned {
            run(connection, "INSERT INTO pins VALUES (?1, ?2)", params![conversation, hash.0])?;
        }
    }
    let (key, at) = (&rows.key, nanos(rows.now));
    let owed = rows.owed.told_where(|event| {
        let sql = "SELECT EXISTS (SELECT 1 FROM bindings WHERE tenant IN (?1, '') AND defines = 0 AND key = ?2)";
        connection.prepare_cached(sql).and_then(|mut s| s.query_row(params![key.tenant, event], |r| r.get(0))).map_err(failed)
    })?;
    for owed in &owed {
        let sql = "INSERT INTO owed (tenant, conversation, event, at, data, depth, lease) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        run(connection, sql, params![key.tenant, key.id, owed.event, at, owed.data, owed.depth, i64::MIN])?;
    }
    let owes = !owed.is_empty();
    Ok(Committed::Done { version: rows.version, owes })
}

fn before(connection: &Connection, rows: &Rows) -> Result<Option<Before>, StoreError> {
    let sql = "SELECT row, version, wake_at, life FROM conversations WHERE tenant = ?1 AND id = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let read = |r: &rusqlite::Row<'_>| Ok(Before { row: r.get(0)?, version: uint(r.get(1)?), wake_at: r.get(2)?, life: r.get(3)? });
    statement.query_row(params![rows.key.tenant, rows.key.id], read).optional().map_err(failed)
}

/// Writes the conversation's own row, and gives its number.
fn head(connection: &Connection, rows: &Rows, before: Option<Before>) -> Result<i64, StoreError> {
    let audit = rows.audit_head.clone();
    let life = if rows.finished { FINISHED } else { OPEN };
    let Some(before) = before else {
        let owner = rows.owner.as_ref().ok_or_else(no_owner)?;
        let audit = audit.unwrap_or_default();
        let sql = "INSERT INTO conversations (tenant, id, agent, user_id, version, updated, wake_at, life, audit_seq, audit_mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let (key, now) = (&rows.key, nanos(rows.now));
        let version = int(rows.version);
        let values = params![key.tenant, key.id, owner.agent, owner.user, version, now, rows.wake_at, life, int(audit.seq), audit.mac];
        run(connection, sql, values)?;
        return Ok(connection.last_insert_rowid());
    };
    let life = life.max(before.life);
    let (seq, mac) = audit.map_or((None, None), |a| (Some(int(a.seq)), Some(a.mac)));
    let sql = "UPDATE conversations SET version = ?2, updated = ?3, life = ?4,
         audit_seq = coalesce(?5, audit_seq), audit_mac = coalesce(?6, audit_mac) WHERE row = ?1";
    run(connection, sql, params![before.row, int(rows.version), nanos(rows.now), life, seq, mac])?;
    // Of its own: to name the column is to write its index.
    if before.wake_at != rows.wake_at {
        run(connection, "UPDATE conversations SET wake_at = ?2 WHERE row = ?1", params![before.row, rows.wake_at])?;
    }
    Ok(before.row)
}

/// All that is left of the events of a conversation that has ended is its transcript.
fn shrink(connection: &Connection, seals: &Seals, rows: &Rows, conversation: i64) -> Result<(), StoreError> {
    let mut batches = read::batches(connection, conversation, 0)?;
    batches.extend(rows.kept());
    let transcript = Batch::transcript(seals, &rows.key, &batches)?;
    run(connection, "DELETE FROM events WHERE conversation = ?1", params![conversation])?;
    transcript.map_or(Ok(()), |batch| put_events(connection, conversation, rows.version, &batch))
}

fn put_events(connection: &Connection, conversation: i64, upto: u64, batch: &Batch) -> Result<(), StoreError> {
    let sql = "INSERT INTO events VALUES (?1, ?2, ?3, ?4)";
    run(connection, sql, params![conversation, int(upto), int(batch.count), batch.packed])
}

pub(super) fn run(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute(values)).map(|_| ()).map_err(failed)
}
