//! Reads, each one statement, so that it sees one state.

use std::sync::Arc;

use deadpool_postgres::Object;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::pack::unpack;
use super::super::rows::{ERASED, FINISHED, Kept, digest, nanos, outdated, time};
use super::super::{AuditHead, AuditRow, ConversationKey, Executed, Held, Listed, Owner, Reply, Seals, Sought, Stat, StoreError, Stored};
use super::{Failure, int, most, open, uint};
use crate::engine::{Event, ExecutionStatus};

pub(super) async fn load(client: Object, seals: &Seals, key: &ConversationKey, known: u64) -> Result<Option<Stored>, Failure> {
    let mut sealed = false;
    let stored = loaded(&client, seals, key, known, &mut sealed).await?;
    // A snapshot that no key opens says nothing that the events before it do not.
    if sealed { loaded(&client, seals, key, known, &mut sealed).await } else { Ok(stored) }
}

/// Loads, without the snapshot if that is `sealed`, and says so if it turns out to be.
async fn loaded(client: &Object, seals: &Seals, key: &ConversationKey, known: u64, sealed: &mut bool) -> Result<Option<Stored>, Failure> {
    let sql = "SELECT c.agent, c.user_id, c.version, c.life, c.audit_seq, c.audit_mac, s.version, s.packed, e.upto, e.count, e.packed
         FROM waypost.conversations c
         LEFT JOIN waypost.snapshots s ON s.conversation = c.row AND s.version > $3 AND NOT $4
         LEFT JOIN waypost.events e ON e.conversation = c.row AND e.upto > greatest($3, s.version)
         WHERE c.tenant = $1 AND c.id = $2 ORDER BY e.upto";
    let statement = client.prepare_cached(sql).await?;
    let found = client.query(&statement, &[&&*key.tenant, &&*key.id, &int(known), sealed]).await?;
    let Some(first) = found.first() else { return Ok(None) };
    if first.try_get::<_, i64>(3)? == ERASED {
        return Err(StoreError::Erased(key.id.clone()).into());
    }
    let (mut snapshot, mut from) = (None, known);
    if let Some(packed) = first.try_get::<_, Option<&[u8]>>(7)? {
        snapshot = seals.read_state(key, &unpack(packed)?)?;
        *sealed = snapshot.is_none();
        from = uint(first.try_get(6)?);
    }
    let mut events = Vec::new();
    for row in &found {
        let Some(upto) = row.try_get::<_, Option<i64>>(8)? else { continue };
        let batch = Kept { upto: uint(upto), count: uint(row.try_get(9)?), packed: row.try_get(10)? };
        batch.read(seals, key, from, usize::MAX, &mut events)?;
    }
    let events = events.into_iter().map(|(_, event)| event).collect();
    let owner = Owner { agent: text(first, 0)?, user: text(first, 1)? };
    let audit = AuditHead { seq: uint(first.try_get(4)?), mac: text(first, 5)? };
    Ok(Some(Stored { owner, version: uint(first.try_get(2)?), snapshot, events, audit }))
}

fn text(row: &Row, column: usize) -> Result<Arc<str>, tokio_postgres::Error> {
    row.try_get::<_, &str>(column).map(Arc::from)
}

/// The events of a row that begins with them.
pub(super) fn batch(row: &Row) -> Result<Kept, tokio_postgres::Error> {
    Ok(Kept { upto: uint(row.try_get(0)?), count: uint(row.try_get(1)?), packed: row.try_get(2)? })
}

pub(super) async fn events(
    client: Object,
    seals: &Seals,
    key: &ConversationKey,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Event)>, Failure> {
    let sql = "SELECT e.upto, e.count, e.packed FROM waypost.conversations c JOIN waypost.events e ON e.conversation = c.row
         WHERE c.tenant = $1 AND c.id = $2 AND e.upto > $3 ORDER BY e.upto LIMIT $4";
    let statement = client.prepare_cached(sql).await?;
    let mut out = Vec::new();
    for row in client.query(&statement, &[&&*key.tenant, &&*key.id, &int(after), &most(limit)]).await? {
        batch(&row)?.read(seals, key, after, limit, &mut out)?;
    }
    Ok(out)
}

pub(super) async fn reply(
    client: Object,
    seals: &Seals,
    key: &ConversationKey,
    message_id: &str,
    now: Timestamp,
) -> Result<Option<Reply>, Failure> {
    let sql = "SELECT m.digest, m.answer FROM waypost.conversations c JOIN waypost.messages m ON m.conversation = c.row
         WHERE c.tenant = $1 AND c.id = $2 AND m.id = $3 AND m.at > $4 AND m.answer IS NOT NULL";
    let statement = client.prepare_cached(sql).await?;
    let found = client.query_opt(&statement, &[&&*key.tenant, &&*key.id, &&digest(message_id)[..], &outdated(now)]).await?;
    let Some(row) = found else { return Ok(None) };
    let answer = seals.read_answer(key, &unpack(row.try_get(1)?)?)?;
    let digest = text(&row, 0)?;
    Ok(answer.map(|answer| Reply { message_id: message_id.into(), digest, answer }))
}

pub(super) async fn holder(
    client: Object,
    tenant: &str,
    kind: &str,
    key: &str,
    now: Timestamp,
) -> Result<Option<ConversationKey>, Failure> {
    let sql = "SELECT c.id FROM waypost.others o JOIN waypost.conversations c ON c.row = o.conversation
         WHERE o.tenant = $1 AND o.kind = $2 AND o.key = $3 AND (o.until IS NULL OR o.until > $4)";
    let statement = client.prepare_cached(sql).await?;
    let found = client.query_opt(&statement, &[&tenant, &kind, &key, &nanos(now)]).await?;
    Ok(found.map(|row| text(&row, 0)).transpose()?.map(|id| ConversationKey::new(tenant, id)))
}

pub(super) async fn conversations(
    client: Object,
    tenant: &str,
    agent: &str,
    user: Option<&str>,
    after: &str,
    limit: usize,
) -> Result<Vec<Listed>, Failure> {
    let sql = "SELECT id, user_id, version, updated FROM waypost.conversations
         WHERE tenant = $1 AND agent = $2 AND id > $3 AND life < $6 AND ($5::text IS NULL OR user_id = $5) ORDER BY id LIMIT $4";
    let found = client.query(sql, &[&tenant, &agent, &after, &most(limit), &user, &ERASED]).await?;
    let mut listed = Vec::with_capacity(found.len());
    for row in found {
        listed.push(Listed {
            key: ConversationKey { tenant: tenant.into(), id: text(&row, 0)? },
            owner: Owner { agent: agent.into(), user: text(&row, 1)? },
            version: uint(row.try_get(2)?),
            updated: time(row.try_get(3)?),
        });
    }
    Ok(listed)
}

pub(super) async fn due(client: Object, by: Timestamp, limit: usize) -> Result<Vec<(Timestamp, ConversationKey)>, Failure> {
    let sql = "SELECT wake_at, tenant, id FROM waypost.conversations WHERE wake_at <= $1 ORDER BY wake_at, tenant, id LIMIT $2";
    let statement = client.prepare_cached(sql).await?;
    let found = client.query(&statement, &[&nanos(by), &most(limit)]).await?;
    let read = |row: &Row| Ok((time(row.try_get(0)?), ConversationKey { tenant: text(row, 1)?, id: text(row, 2)? }));
    found.iter().map(read).collect()
}

pub(super) async fn audit(client: Object, key: &ConversationKey, from: u64, limit: usize) -> Result<Vec<AuditRow>, Failure> {
    let sql = "SELECT a.seq, a.at, a.text, a.mac, a.erased FROM waypost.conversations c JOIN waypost.audit a ON a.conversation = c.row
         WHERE c.tenant = $1 AND c.id = $2 AND a.seq >= $3 ORDER BY a.seq LIMIT $4";
    let found = client.query(sql, &[&&*key.tenant, &&*key.id, &int(from), &most(limit)]).await?;
    let read = |row: &Row| {
        let (seq, at) = (uint(row.try_get(0)?), time(row.try_get(1)?));
        Ok(AuditRow { seq, at, text: text(row, 2)?, mac: text(row, 3)?, erased: row.try_get(4)? })
    };
    found.iter().map(read).collect()
}

pub(super) async fn heads(
    client: Object,
    after: Option<&ConversationKey>,
    limit: usize,
) -> Result<Vec<(ConversationKey, AuditHead)>, Failure> {
    let past = if after.is_some() { "(tenant, id) > ($1, $2)" } else { "$1::text IS NULL AND $2::text IS NULL" };
    let sql = format!("SELECT tenant, id, audit_seq, audit_mac FROM waypost.conversations WHERE {past} ORDER BY tenant, id LIMIT $3");
    let (tenant, id) = (after.map(|k| &*k.tenant), after.map(|k| &*k.id));
    let found = client.query(&sql, &[&tenant, &id, &most(limit)]).await?;
    let read = |row: &Row| {
        let head = AuditHead { seq: uint(row.try_get(2)?), mac: text(row, 3)? };
        Ok((ConversationKey { tenant: text(row, 0)?, id: text(row, 1)? }, head))
    };
    found.iter().map(read).collect()
}

const HELD: &str = "SELECT c.tenant, c.id, h.held FROM waypost.holds h JOIN waypost.conversations c ON c.row = h.conversation";

fn held(row: &Row) -> Result<Held, Failure> {
    let held = serde_json::from_str(row.try_get(2)?).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(Held { key: ConversationKey { tenant: text(row, 0)?, id: text(row, 1)? }, row: held })
}

pub(super) async fn holds(client: Object, tenant: &str, agent: &str, after: &str, limit: usize) -> Result<Vec<Held>, Failure> {
    let sql = format!("{HELD} WHERE h.tenant = $1 AND h.agent = $2 AND h.id > $3 ORDER BY h.id LIMIT $4");
    client.query(&sql, &[&tenant, &agent, &after, &most(limit)]).await?.iter().map(held).collect()
}

pub(super) async fn hold(client: Object, tenant: &str, id: &str) -> Result<Option<Held>, Failure> {
    let sql = format!("{HELD} WHERE h.tenant = $1 AND h.id = $2");
    client.query_opt(&sql, &[&tenant, &id]).await?.as_ref().map(held).transpose()
}

pub(super) async fn executions(client: Object, tenant: &str, sought: Sought<'_>, limit: usize) -> Result<Vec<Executed>, Failure> {
    let sql = "SELECT c.id, e.attempt FROM waypost.executions e JOIN waypost.conversations c ON c.row = e.conversation
         WHERE e.tenant = $1 AND ($2::text IS NULL OR c.id = $2) AND ($3::text IS NULL OR c.user_id = $3)
             AND ($4::text IS NULL OR e.action = $4) AND ($5::text IS NULL OR e.status = $5) AND ($6::text IS NULL OR e.id < $6)
         ORDER BY e.id DESC LIMIT $7";
    let status = sought.status.map(ExecutionStatus::as_str);
    let values: [&(dyn ToSql + Sync); 7] =
        [&tenant, &sought.conversation, &sought.user, &sought.action, &status, &sought.before, &most(limit)];
    let read = |row: &Row| {
        let attempt = serde_json::from_str(row.try_get(1)?).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        Ok(Executed { key: ConversationKey::new(tenant, text(row, 0)?), row: attempt })
    };
    client.query(sql, &values).await?.iter().map(read).collect()
}

pub(super) async fn stat(client: Object) -> Result<Stat, Failure> {
    let schema = open::version(&client).await?;
    let sql = "SELECT (SELECT count(*) FROM waypost.conversations),
             (SELECT count(*) FROM waypost.conversations WHERE life < $1),
             (SELECT coalesce(sum(audit_seq), 0)::bigint FROM waypost.conversations),
             (SELECT count(*) FROM waypost.holds),
             (SELECT count(*) FROM waypost.conversations WHERE wake_at IS NOT NULL),
             (SELECT count(*) FROM waypost.versions),
             (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'waypost' AND c.relkind = 'r')";
    let row = client.query_one(sql, &[&FINISHED]).await?;
    let number = |column: usize| row.try_get(column).map(uint);
    Ok(Stat {
        kind: "postgres",
        schema: u32::try_from(schema).unwrap_or(u32::MAX),
        conversations: number(0)?,
        unfinished: number(1)?,
        audit: number(2)?,
        holds: number(3)?,
        timers: number(4)?,
        versions: number(5)?,
        bytes: number(6)?,
        commits: 0,
        transactions: 0,
    })
}
