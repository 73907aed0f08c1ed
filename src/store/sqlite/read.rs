//! Reads, each on one state of the file.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::super::pack::unpack;
use super::super::rows::{ERASED, FINISHED, Kept, digest, nanos, outdated, time};
use super::super::{AuditHead, AuditRow, ConversationKey, Executed, Held, Listed, Owner, Reply, Seals, Sought, Stat, StoreError, Stored};
use super::{failed, int, most, open, uint};
use crate::engine::{Event, ExecutionStatus};

/// A conversation's own row.
struct Head {
    row: i64,
    owner: Owner,
    version: u64,
    life: i64,
    audit: AuditHead,
}

fn head(connection: &Connection, key: &ConversationKey) -> Result<Option<Head>, StoreError> {
    let sql = "SELECT row, agent, user_id, version, life, audit_seq, audit_mac FROM conversations WHERE tenant = ?1 AND id = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let read = |r: &Row<'_>| {
        Ok(Head {
            row: r.get(0)?,
            owner: Owner { agent: r.get(1)?, user: r.get(2)? },
            version: uint(r.get(3)?),
            life: r.get(4)?,
            audit: AuditHead { seq: uint(r.get(5)?), mac: r.get(6)? },
        })
    };
    statement.query_row(params![key.tenant, key.id], read).optional().map_err(failed)
}

/// All rows of a statement.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.query_map(values, read)?.collect()).map_err(failed)
}

pub(super) fn load(connection: &Connection, seals: &Seals, key: &ConversationKey, known: u64) -> Result<Option<Stored>, StoreError> {
    let Some(first) = head(connection, key)? else { return Ok(None) };
    if first.life == ERASED {
        return Err(StoreError::Erased(key.id.clone()));
    }
    if first.version <= known {
        let Head { owner, version, audit, .. } = first;
        return Ok(Some(Stored { owner, version, snapshot: None, events: Vec::new(), audit }));
    }
    // There is more to read: all of it as of one moment, with the head as of then.
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let Some(Head { row, owner, version, audit, life }) = head(&moment, key)? else { return Ok(None) };
    if life == ERASED {
        return Err(StoreError::Erased(key.id.clone()));
    }
    let sql = "SELECT version, packed FROM snapshots WHERE conversation = ?1 AND version > ?2";
    let found = rows(&moment, sql, &[&row, &int(known)], |r| Ok((uint(r.get(0)?), r.get::<_, Vec<u8>>(1)?)))?.pop();
    let (mut from, mut snapshot) = (known, None);
    if let Some((at, packed)) = found {
        // One that no key opens says nothing that the events before it do not.
        snapshot = seals.read_state(key, &unpack(&packed)?)?;
        from = if snapshot.is_some() { at } else { known };
    }
    let mut events = Vec::new();
    for batch in batches(&moment, row, from)? {
        batch.read(seals, key, from, usize::MAX, &mut events)?;
    }
    let events = events.into_iter().map(|(_, event)| event).collect();
    Ok(Some(Stored { owner, version, snapshot, events, audit }))
}

const BATCHES: &str = "SELECT upto, count, packed FROM events WHERE conversation = ?1 AND upto > ?2 ORDER BY upto";

fn batch(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { upto: uint(row.get(0)?), count: uint(row.get(1)?), packed: row.get(2)? })
}

/// The events of a conversation that one row or more after that number hold.
pub(super) fn batches(connection: &Connection, conversation: i64, after: u64) -> Result<Vec<Kept>, StoreError> {
    rows(connection, BATCHES, &[&conversation, &int(after)], batch)
}

pub(super) fn events(
    connection: &Connection,
    seals: &Seals,
    key: &ConversationKey,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Event)>, StoreError> {
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let Some(head) = head(&moment, key)? else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    let mut statement = moment.prepare_cached(BATCHES).map_err(failed)?;
    let mut found = statement.query(params![head.row, int(after)]).map_err(failed)?;
    while out.len() < limit
        && let Some(row) = found.next().map_err(failed)?
    {
        batch(row).map_err(failed)?.read(seals, key, after, limit, &mut out)?;
    }
    Ok(out)
}

pub(super) fn reply(
    connection: &Connection,
    seals: &Seals,
    key: &ConversationKey,
    message_id: &str,
    now: Timestamp,
) -> Result<Option<Reply>, StoreError> {
    let sql = "SELECT m.digest, m.answer FROM conversations c JOIN messages m ON m.conversation = c.row
         WHERE c.tenant = ?1 AND c.id = ?2 AND m.id = ?3 AND m.at > ?4 AND m.answer IS NOT NULL";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let values = params![key.tenant, key.id, digest(message_id), outdated(now)];
    let found = statement.query_row(values, |r| Ok((r.get(0)?, r.get::<_, Vec<u8>>(1)?))).optional().map_err(failed)?;
    let Some((digest, packed)) = found else { return Ok(None) };
    let answer = seals.read_answer(key, &unpack(&packed)?)?;
    Ok(answer.map(|answer| Reply { message_id: message_id.into(), digest, answer }))
}

pub(super) fn holder(
    connection: &Connection,
    tenant: &str,
    kind: &str,
    key: &str,
    now: Timestamp,
) -> Result<Option<ConversationKey>, StoreError> {
    let sql = "SELECT c.id FROM others o JOIN conversations c ON c.row = o.conversation
         WHERE o.tenant = ?1 AND o.kind = ?2 AND o.key = ?3 AND (o.until IS NULL OR o.until > ?4)";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let found: Option<Arc<str>> = statement.query_row(params![tenant, kind, key, nanos(now)], |r| r.get(0)).optional().map_err(failed)?;
    Ok(found.map(|id| ConversationKey::new(tenant, id)))
}

pub(super) fn conversations(
    connection: &Connection,
    tenant: &str,
    agent: &str,
    user: Option<&str>,
    after: &str,
    limit: usize,
) -> Result<Vec<Listed>, StoreError> {
    let of = if user.is_some() { "user_id = ?5" } else { "?5 IS NULL" };
    let sql = format!(
        "SELECT id, user_id, version, updated FROM conversations
         WHERE tenant = ?1 AND agent = ?2 AND id > ?3 AND life < {ERASED} AND {of} ORDER BY id LIMIT ?4"
    );
    let tenant: Arc<str> = tenant.into();
    let agent: Arc<str> = agent.into();
    rows(connection, &sql, &[&tenant, &agent, &after, &most(limit), &user], |r| {
        Ok(Listed {
            key: ConversationKey { tenant: tenant.clone(), id: r.get(0)? },
            owner: Owner { agent: agent.clone(), user: r.get(1)? },
            version: uint(r.get(2)?),
            updated: time(r.get(3)?),
        })
    })
}

pub(super) fn due(connection: &Connection, by: Timestamp, limit: usize) -> Result<Vec<(Timestamp, ConversationKey)>, StoreError> {
    let sql = "SELECT wake_at, tenant, id FROM conversations WHERE wake_at <= ?1 ORDER BY wake_at, tenant, id LIMIT ?2";
    rows(connection, sql, &[&nanos(by), &most(limit)], |r| Ok((time(r.get(0)?), ConversationKey { tenant: r.get(1)?, id: r.get(2)? })))
}

pub(super) fn audit(connection: &Connection, key: &ConversationKey, from: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
    let sql = "SELECT a.seq, a.at, a.text, a.mac, a.erased FROM conversations c JOIN audit a ON a.conversation = c.row
         WHERE c.tenant = ?1 AND c.id = ?2 AND a.seq >= ?3 ORDER BY a.seq LIMIT ?4";
    rows(connection, sql, &[&key.tenant, &key.id, &int(from), &most(limit)], |r| {
        Ok(AuditRow { seq: uint(r.get(0)?), at: time(r.get(1)?), text: r.get(2)?, mac: r.get(3)?, erased: r.get(4)? })
    })
}

pub(super) fn heads(
    connection: &Connection,
    after: Option<&ConversationKey>,
    limit: usize,
) -> Result<Vec<(ConversationKey, AuditHead)>, StoreError> {
    let (tenant, id) = after.map_or((None, None), |k| (Some(&k.tenant), Some(&k.id)));
    let past = if after.is_some() { "(tenant, id) > (?1, ?2)" } else { "?1 IS ?2" };
    let sql = format!("SELECT tenant, id, audit_seq, audit_mac FROM conversations WHERE {past} ORDER BY tenant, id LIMIT ?3");
    rows(connection, &sql, &[&tenant, &id, &most(limit)], |r| {
        let head = AuditHead { seq: uint(r.get(2)?), mac: r.get(3)? };
        Ok((ConversationKey { tenant: r.get(0)?, id: r.get(1)? }, head))
    })
}

const HELD: &str = "SELECT c.tenant, c.id, h.held FROM holds h JOIN conversations c ON c.row = h.conversation";

fn held(row: &Row<'_>) -> rusqlite::Result<(ConversationKey, String)> {
    Ok((ConversationKey { tenant: row.get(0)?, id: row.get(1)? }, row.get(2)?))
}

fn parsed((key, held): (ConversationKey, String)) -> Result<Held, StoreError> {
    let row = serde_json::from_str(&held).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(Held { key, row })
}

pub(super) fn holds(connection: &Connection, tenant: &str, agent: &str, after: &str, limit: usize) -> Result<Vec<Held>, StoreError> {
    let sql = format!("{HELD} WHERE h.tenant = ?1 AND h.agent = ?2 AND h.id > ?3 ORDER BY h.id LIMIT ?4");
    let found = rows(connection, &sql, &[&tenant, &agent, &after, &most(limit)], held)?;
    found.into_iter().map(parsed).collect()
}

pub(super) fn hold(connection: &Connection, tenant: &str, id: &str) -> Result<Option<Held>, StoreError> {
    let sql = format!("{HELD} WHERE h.tenant = ?1 AND h.id = ?2");
    rows(connection, &sql, &[&tenant, &id], held)?.pop().map(parsed).transpose()
}

pub(super) fn executions(connection: &Connection, tenant: &str, sought: Sought<'_>, limit: usize) -> Result<Vec<Executed>, StoreError> {
    let sql = "SELECT c.id, e.attempt FROM executions e JOIN conversations c ON c.row = e.conversation
         WHERE e.tenant = ?1 AND (?2 IS NULL OR c.id = ?2) AND (?3 IS NULL OR c.user_id = ?3) AND (?4 IS NULL OR e.action = ?4)
             AND (?5 IS NULL OR e.status = ?5) AND (?6 IS NULL OR e.id < ?6)
         ORDER BY e.id DESC LIMIT ?7";
    let status = sought.status.map(ExecutionStatus::as_str);
    let values: [&dyn ToSql; 7] = [&tenant, &sought.conversation, &sought.user, &sought.action, &status, &sought.before, &most(limit)];
    let found = rows(connection, sql, &values, |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
    let read = |(id, attempt): (String, String)| {
        let row = serde_json::from_str(&attempt).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        Ok(Executed { key: ConversationKey::new(tenant, id), row })
    };
    found.into_iter().map(read).collect()
}

pub(super) fn stat(connection: &Connection) -> Result<Stat, StoreError> {
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let number = |sql: &str| -> Result<u64, StoreError> { moment.query_row(sql, [], |r| r.get(0)).map(uint).map_err(failed) };
    Ok(Stat {
        kind: "sqlite",
        schema: u32::try_from(open::version(&moment)?).unwrap_or(u32::MAX),
        conversations: number("SELECT count(*) FROM conversations")?,
        unfinished: number(&format!("SELECT count(*) FROM conversations WHERE life < {FINISHED}"))?,
        audit: number("SELECT coalesce(sum(audit_seq), 0) FROM conversations")?,
        holds: number("SELECT count(*) FROM holds")?,
        timers: number("SELECT count(*) FROM conversations WHERE wake_at IS NOT NULL")?,
        versions: number("SELECT count(*) FROM versions")?,
        bytes: number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?,
        commits: 0,
        transactions: 0,
    })
}

/// Copies everything into a new file. It has its name only when it is whole, and safe on the disk.
pub(super) fn backup(connection: &Connection, into: &Path) -> Result<(), StoreError> {
    let shown = into.display();
    let broken = |what: &str, e: &std::io::Error| StoreError::Unsupported(format!("cannot {what} `{shown}`: {e}"));
    if into.exists() {
        return Err(StoreError::Unsupported(format!("`{shown}` is there already")));
    }
    let mut partial = into.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let copied = copy(connection, partial, into).map_err(|e| broken("write", &e));
    if copied.is_err() {
        // What is half written is of no use; if it cannot be removed, its name says what it is.
        let _ = std::fs::remove_file(partial);
    }
    copied
}

fn copy(connection: &Connection, partial: &Path, into: &Path) -> std::io::Result<()> {
    let name = partial.to_str().ok_or_else(|| std::io::Error::other("its name is not UTF-8"))?;
    // Half of an earlier try.
    match std::fs::remove_file(partial) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    connection.execute("VACUUM INTO ?1", [name]).map_err(|e| std::io::Error::other(failed(e).to_string()))?;
    std::fs::File::open(partial)?.sync_all()?;
    std::fs::rename(partial, into)?;
    match into.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(directory) => std::fs::File::open(directory)?.sync_all(),
        None => std::fs::File::open(".")?.sync_all(),
    }
}
