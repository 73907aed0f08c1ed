//! A commit: one statement that compares the version, sets it and writes all rows; in a transaction where claims need more.

use deadpool_postgres::{GenericClient, Object};
use futures_util::future::join;
use tokio_postgres::types::ToSql;

use super::super::rows::{Batch, ERASED, FINISHED, Rows, digest, nanos, outdated};
use super::super::{Committed, Seals, StoreError, no_owner};
use super::{Failure, claims, int, read, uint};
use crate::engine::{Claim, HoldChange, Refused};

/// The conversation's own row: set, if it has the expected version and its message id is free.
const GOES_ON: &str = "
WITH head AS (
    UPDATE waypost.conversations c SET version = $4::bigint, updated = $5::bigint, wake_at = $6::bigint, life = greatest(c.life, $7::bigint),
        audit_seq = coalesce($8::bigint, c.audit_seq), audit_mac = coalesce($9::text, c.audit_mac)
    WHERE c.tenant = $1::text AND c.id = $2::text AND c.version = $3::bigint AND c.life < 2 AND $10::text IS NULL AND $11::text IS NULL
        AND NOT ($15::boolean AND EXISTS (SELECT 1 FROM waypost.messages m WHERE m.conversation = c.row AND m.id = $16::bytea AND m.at > $19::bigint))
    RETURNING row
)";
/// The same for one that begins.
const BEGINS: &str = "
WITH head AS (
    INSERT INTO waypost.conversations (tenant, id, version, updated, wake_at, life, audit_seq, audit_mac, agent, user_id)
    SELECT $1::text, $2::text, $4::bigint, $5::bigint, $6::bigint, $7::bigint, coalesce($8::bigint, 0), coalesce($9::text, ''), $10::text, $11::text WHERE $3::bigint = 0
    ON CONFLICT (tenant, id) DO NOTHING
    RETURNING row
)";
/// Everything else, if there is such a row.
const ROWS: &str = ",
events AS (
    INSERT INTO waypost.events SELECT row, $4::bigint, $12::bigint, $13 FROM head WHERE $13::bytea IS NOT NULL
),
snapshots AS (
    INSERT INTO waypost.snapshots SELECT row, $4, $14 FROM head WHERE $14::bytea IS NOT NULL
    ON CONFLICT (conversation) DO UPDATE SET version = excluded.version, packed = excluded.packed
),
messages AS (
    INSERT INTO waypost.messages AS m SELECT row, $16::bytea, $5::bigint, $17::text, $18::bytea FROM head WHERE $15::boolean
    ON CONFLICT (conversation, id) DO UPDATE SET at = excluded.at, digest = excluded.digest, answer = excluded.answer
),
late AS (
    UPDATE waypost.messages m SET digest = $17, answer = $18 FROM head WHERE m.conversation = head.row AND m.id = $16 AND NOT $15
),
outdated AS (
    DELETE FROM waypost.messages m USING head WHERE m.conversation = head.row AND $15 AND m.at <= $19::bigint AND m.id <> $16
),
audited AS (
    INSERT INTO waypost.audit (conversation, seq, at, text, mac)
    SELECT head.row, a.* FROM head, unnest($20::bigint[], $21::bigint[], $22::text[], $23::text[]) a
),
unpinned AS (
    DELETE FROM waypost.pins p USING head WHERE p.conversation = head.row AND p.hash <> ALL ($24::text[])
),
pinned AS (
    INSERT INTO waypost.pins SELECT head.row, hash FROM head, unnest($24::text[]) hash ON CONFLICT DO NOTHING
),
owed AS (
    INSERT INTO waypost.owed (tenant, conversation, event, at, data, depth, lease)
    SELECT $1, $2, o.event, $5, o.data, o.depth, $28::bigint FROM head, unnest($25::text[], $26::text[], $27::bigint[]) o (event, data, depth)
    WHERE EXISTS (SELECT 1 FROM waypost.bindings b WHERE b.tenant IN ($1, '') AND b.defines = 0 AND b.key = o.event)
    RETURNING 1
)
SELECT row, EXISTS (SELECT 1 FROM owed) FROM head";

/// Commits, or says why not and changes nothing.
pub(super) async fn commit(client: &mut Object, seals: &Seals, rows: &Rows) -> Result<Committed, Failure> {
    if rows.expected == 0 && rows.owner.is_none() {
        return begins_with_nobody(client, rows).await;
    }
    let messages = rows.claims.iter().filter(|c| matches!(c, Claim::Message { .. })).count();
    let simple = messages == rows.claims.len() && messages <= 1 && rows.holds.is_empty() && rows.executions.is_empty() && !rows.finished;
    if simple && (messages == 0 || rows.reply.is_none() || rows.claims_reply()) {
        if let Some((_, owes)) = write(client, rows).await? {
            return Ok(Committed::Done { version: rows.version, owes });
        }
        return why_not(client, rows).await;
    }
    let transaction = client.transaction().await?;
    // Sent together: whoever writes compares the version anyhow, so it does not matter which comes first.
    let (locked, before) = join(claims::lock(&transaction, rows), head(&transaction, rows)).await;
    locked?;
    let before = before?;
    let version = before.map_or(0, |b| b.version);
    if before.is_some_and(|b| b.life == ERASED) || version != rows.expected {
        return why_not(&transaction, rows).await;
    }
    let refused = claims::refuse(&transaction, seals, rows, before.map(|b| b.row)).await?;
    if !refused.is_empty() {
        return Ok(Committed::ClaimRefused { refused });
    }
    let wrote = if let Some(head) = before {
        // Sent together, too: if nothing is written, nothing of it stays.
        let (wrote, took) = join(write(&transaction, rows), claims::take(&transaction, seals, rows, head.row)).await;
        let wrote = wrote?;
        took?;
        wrote
    } else {
        let wrote = write(&transaction, rows).await?;
        if let Some((conversation, _)) = wrote {
            claims::take(&transaction, seals, rows, conversation).await?;
        }
        wrote
    };
    let Some((conversation, owes)) = wrote else { return why_not(&transaction, rows).await };
    others(&transaction, rows, conversation).await?;
    if rows.finished {
        shrink(&transaction, seals, rows, conversation).await?;
    }
    transaction.commit().await?;
    Ok(Committed::Done { version: rows.version, owes })
}

/// After a connection was lost: done, if the rows are there, and else not.
pub(super) async fn was_done(client: &Object, rows: &Rows) -> Result<Committed, Failure> {
    let lost = || StoreError::Unavailable("the connection to its server was lost".into());
    let Some(batch) = &rows.events else { return Err(lost().into()) };
    let sql = "SELECT e.packed FROM waypost.conversations c JOIN waypost.events e ON e.conversation = c.row AND e.upto = $3
         WHERE c.tenant = $1 AND c.id = $2";
    let found = client.query_opt(sql, &[&&*rows.key.tenant, &&*rows.key.id, &int(rows.version)]).await?;
    match found.map(|row| row.try_get::<_, Vec<u8>>(0)).transpose()? {
        Some(packed) if packed == batch.packed => Ok(Committed::Done { version: rows.version, owes: !rows.owed.is_empty() }),
        _ => Err(lost().into()),
    }
}

#[derive(Clone, Copy)]
struct Head {
    row: i64,
    version: u64,
    life: i64,
}

async fn head(client: &impl GenericClient, rows: &Rows) -> Result<Option<Head>, Failure> {
    let statement = client.prepare_cached("SELECT row, version, life FROM waypost.conversations WHERE tenant = $1 AND id = $2").await?;
    let found = client.query_opt(&statement, &[&&*rows.key.tenant, &&*rows.key.id]).await?;
    let read = |row: tokio_postgres::Row| -> Result<Head, tokio_postgres::Error> {
        Ok(Head { row: row.try_get(0)?, version: uint(row.try_get(1)?), life: row.try_get(2)? })
    };
    Ok(found.map(read).transpose()?)
}

/// Why the statement found nothing to write to.
async fn why_not(client: &impl GenericClient, rows: &Rows) -> Result<Committed, Failure> {
    let head = head(client, rows).await?;
    let version = head.map_or(0, |h| h.version);
    if head.is_some_and(|h| h.life == ERASED) {
        return Err(StoreError::Erased(rows.key.id.clone()).into());
    }
    let refuse = |claim: &Claim| Refused { claim: claim.clone(), reason: "used".into(), retry_at: None, recorded: None };
    if version == rows.expected && head.is_some() {
        return Ok(Committed::ClaimRefused { refused: rows.claims.iter().map(refuse).collect() });
    }
    Ok(Committed::Conflict { version })
}

async fn begins_with_nobody(client: &Object, rows: &Rows) -> Result<Committed, Failure> {
    match head(client, rows).await? {
        Some(_) => why_not(client, rows).await,
        None => Err(no_owner().into()),
    }
}

/// The one statement; gives the conversation's number if it wrote.
async fn write(client: &impl GenericClient, rows: &Rows) -> Result<Option<(i64, bool)>, Failure> {
    let owner = rows.owner.as_ref().filter(|_| rows.expected == 0);
    let (agent, user) = (owner.map(|o| &*o.agent), owner.map(|o| &*o.user));
    let audit = &rows.audit_head;
    let (seq, mac) = (audit.as_ref().map(|a| int(a.seq)), audit.as_ref().map(|a| &*a.mac));
    // What has ended keeps other events than these.
    let batch = rows.events.as_ref().filter(|_| !rows.finished);
    let claimed = rows.claims.iter().find_map(|c| match c {
        Claim::Message { id } => Some(digest(id)),
        _ => None,
    });
    let claims_reply = claimed.is_none() || rows.claims_reply();
    let reply = rows.reply.as_ref().filter(|_| claims_reply);
    let message = claimed.or(reply.map(|r| r.id));
    let life = if rows.finished { FINISHED } else { 0 };
    let seqs: Vec<i64> = rows.audit.iter().map(|r| int(r.seq)).collect();
    let ats: Vec<i64> = rows.audit.iter().map(|r| nanos(r.at)).collect();
    let texts: Vec<&str> = rows.audit.iter().map(|r| &*r.text).collect();
    let macs: Vec<&str> = rows.audit.iter().map(|r| &*r.mac).collect();
    let pinned: Option<Vec<&str>> = rows.pinned.as_ref().map(|p| p.iter().map(|h| &*h.0).collect());
    let owed = rows.owed.told();
    let events: Vec<&str> = owed.iter().map(|o| o.event).collect();
    let data: Vec<&str> = owed.iter().map(|o| &*o.data).collect();
    let depths: Vec<i64> = owed.iter().map(|o| i64::from(o.depth)).collect();
    let values: [&(dyn ToSql + Sync); 28] = [
        &&*rows.key.tenant,
        &&*rows.key.id,
        &int(rows.expected),
        &int(rows.version),
        &nanos(rows.now),
        &rows.wake_at,
        &life,
        &seq,
        &mac,
        &agent,
        &user,
        &batch.map_or(0, |b| int(b.count)),
        &batch.map(|b| &*b.packed),
        &rows.snapshot.as_deref(),
        &claimed.is_some(),
        &message.as_ref().map(|m| &m[..]),
        &reply.map(|r| &*r.digest),
        &reply.map(|r| &*r.answer),
        &outdated(rows.now),
        &seqs,
        &ats,
        &texts,
        &macs,
        &pinned,
        &events,
        &data,
        &depths,
        &i64::MIN,
    ];
    let statement = client.prepare_cached(&format!("{}{ROWS}", if owner.is_some() { BEGINS } else { GOES_ON })).await?;
    let read = |row: tokio_postgres::Row| Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?));
    Ok(client.query_opt(&statement, &values).await?.map(read).transpose()?)
}

/// Runs a statement that the connection knows from the last time.
async fn run(client: &impl GenericClient, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), Failure> {
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, values).await?;
    Ok(())
}

/// What hardly any commit has.
async fn others(client: &impl GenericClient, rows: &Rows, conversation: i64) -> Result<(), Failure> {
    for change in &rows.holds {
        match change {
            HoldChange::Opened(row) => {
                let held = serde_json::to_string(row).map_err(|e| StoreError::Corrupt(e.to_string()))?;
                let sql = "INSERT INTO waypost.holds VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (tenant, id) DO UPDATE SET conversation = $3, agent = $4, held = $5";
                let values: [&(dyn ToSql + Sync); 5] = [&&*rows.key.tenant, &&*row.id, &conversation, &&*row.agent, &held];
                run(client, sql, &values).await?;
            }
            HoldChange::Closed { id } => {
                run(client, "DELETE FROM waypost.holds WHERE tenant = $1 AND id = $2", &[&&*rows.key.tenant, &&**id]).await?;
            }
        }
    }
    for row in &rows.executions {
        let attempt = serde_json::to_string(row).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let sql = "INSERT INTO waypost.executions VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant, id) DO UPDATE SET status = $5, attempt = $6";
        let values: [&(dyn ToSql + Sync); 6] =
            [&&*rows.key.tenant, &&*row.id, &conversation, &&*row.action, &row.status.as_str(), &attempt];
        run(client, sql, &values).await?;
    }
    // The statement takes one message id; a commit with more of them has the others here.
    let ids = rows.claims.iter().filter_map(|c| match c {
        Claim::Message { id } => Some(digest(id)),
        _ => None,
    });
    for id in ids.skip(1) {
        let sql = "INSERT INTO waypost.messages VALUES ($1, $2, $3, NULL, NULL) ON CONFLICT (conversation, id) DO UPDATE SET at = $3";
        run(client, sql, &[&conversation, &&id[..], &nanos(rows.now)]).await?;
    }
    if let Some(reply) = rows.reply.as_ref() {
        let sql = "UPDATE waypost.messages SET digest = $3, answer = $4 WHERE conversation = $1 AND id = $2";
        run(client, sql, &[&conversation, &&reply.id[..], &&*reply.digest, &reply.answer]).await?;
    }
    Ok(())
}

/// All that is left of the events of a conversation that has ended is its transcript.
async fn shrink(client: &impl GenericClient, seals: &Seals, rows: &Rows, conversation: i64) -> Result<(), Failure> {
    let found =
        client.query("SELECT upto, count, packed FROM waypost.events WHERE conversation = $1 ORDER BY upto", &[&conversation]).await?;
    let mut batches = found.iter().map(read::batch).collect::<Result<Vec<_>, _>>()?;
    batches.extend(rows.kept());
    let transcript = Batch::transcript(seals, &rows.key, &batches)?;
    client.execute("DELETE FROM waypost.events WHERE conversation = $1", &[&conversation]).await?;
    if let Some(batch) = transcript {
        let values: [&(dyn ToSql + Sync); 4] = [&conversation, &int(rows.version), &int(batch.count), &batch.packed];
        client.execute("INSERT INTO waypost.events VALUES ($1, $2, $3, $4)", &values).await?;
    }
    Ok(())
}
