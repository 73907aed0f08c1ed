//! Claims in SQL: what stands is read, judged by the rules of all stores, and taken, inside one transaction.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::claims::{Came, Held, limited, plus, refused, taken, under, window_start};
use super::super::pack::{pack, unpack};
use super::super::rows::{Rows, digest, nanos, outdated, time};
use super::super::{Seals, StoreError};
use super::{failed, int};
use crate::engine::{Claim, Refused};

/// The claims that cannot be had by a conversation, which may have no row yet.
pub(super) fn refuse(connection: &Connection, seals: &Seals, rows: &Rows, conversation: Option<i64>) -> Result<Vec<Refused>, StoreError> {
    let mut all = Vec::new();
    for (i, claim) in rows.claims.iter().enumerate() {
        all.extend(check(connection, seals, rows, claim, conversation, taken(&rows.claims, i))?);
    }
    Ok(all)
}

fn check(
    connection: &Connection,
    seals: &Seals,
    rows: &Rows,
    claim: &Claim,
    conversation: Option<i64>,
    taken: usize,
) -> Result<Option<Refused>, StoreError> {
    let tenant = &*rows.key.tenant;
    match claim {
        Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => Ok(None),
        Claim::Message { id } => {
            let Some(conversation) = conversation else { return Ok(None) };
            let sql = "SELECT 1 FROM messages WHERE conversation = ?1 AND id = ?2 AND at > ?3";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let used = statement.exists(params![conversation, digest(id), outdated(rows.now)]).map_err(failed)?;
            Ok(used.then(|| refused(claim, "used")))
        }
        Claim::Key { key, digest } => {
            let sql = "SELECT conversation, digest, applied FROM keys WHERE tenant = ?1 AND key = ?2 AND (until IS NULL OR until > ?3)";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let held = statement
                .query_row(params![tenant, key, nanos(rows.now)], |r| {
                    Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, Option<Vec<u8>>>(2)?))
                })
                .optional()
                .map_err(failed)?;
            let Some((holder, digested, applied)) = held else { return Ok(None) };
            let came = match applied {
                Some(packed) => Came::Applied(seals.read_recorded(&under(tenant, key), &unpack(&packed)?)?),
                None => Came::Nothing,
            };
            let held = Held { conversation: Some(holder), digest: digested.into(), came };
            Ok(held.check(claim, digest, &conversation))
        }
        Claim::Rate { bucket, max, per_s } => {
            let since = nanos(window_start(rows.now, *per_s));
            let Some(over) = (used(connection, tenant, bucket, since)? + taken).checked_sub(*max as usize) else { return Ok(None) };
            let sql = "SELECT at FROM rates WHERE tenant = ?1 AND bucket = ?2 AND at > ?3 ORDER BY at, n LIMIT 1 OFFSET ?4";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let stamp: Option<i64> =
                statement.query_row(params![tenant, bucket, since, super::most(over)], |r| r.get(0)).optional().map_err(failed)?;
            Ok(Some(limited(claim, *per_s, stamp.map(time))))
        }
        Claim::Other { kind, key, .. } => {
            let sql = "SELECT conversation FROM others WHERE tenant = ?1 AND kind = ?2 AND key = ?3 AND (until IS NULL OR until > ?4)";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let values = params![tenant, kind.as_str(), key, nanos(rows.now)];
            let holder: Option<i64> = statement.query_row(values, |r| r.get(0)).optional().map_err(failed)?;
            Ok((holder.is_some() && holder != conversation).then(|| refused(claim, "used")))
        }
    }
}

/// How many tokens of a rate were taken since then: they are numbered, so the first and the last tell.
fn used(connection: &Connection, tenant: &str, bucket: &str, since: i64) -> Result<usize, StoreError> {
    let end = |order: &str| -> Result<Option<i64>, StoreError> {
        let sql = format!("SELECT n FROM rates WHERE tenant = ?1 AND bucket = ?2 AND at > ?3 ORDER BY {order} LIMIT 1");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        statement.query_row(params![tenant, bucket, since], |r| r.get(0)).optional().map_err(failed)
    };
    let (first, last) = (end("at, n")?, end("at DESC, n DESC")?);
    Ok(first.zip(last).map_or(0, |(first, last)| usize::try_from(last - first + 1).unwrap_or(usize::MAX)))
}

/// Takes claims that were checked in the same transaction.
pub(super) fn take(connection: &Connection, seals: &Seals, rows: &Rows, conversation: i64) -> Result<(), StoreError> {
    let tenant = &*rows.key.tenant;
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<(), StoreError> {
        connection.prepare_cached(sql).map_err(failed)?.execute(params).map_err(failed)?;
        Ok(())
    };
    for claim in &rows.claims {
        match claim {
            Claim::Message { id } => {
                run("DELETE FROM messages WHERE conversation = ?1 AND at <= ?2", &[&conversation, &outdated(rows.now)])?;
                let reply = rows.reply.as_ref().filter(|r| r.id == digest(id));
                run(
                    "INSERT OR REPLACE INTO messages VALUES (?1, ?2, ?3, ?4, ?5)",
                    &[&conversation, &digest(id), &nanos(rows.now), &reply.map(|r| &*r.digest), &reply.map(|r| &r.answer)],
                )?;
            }
            Claim::Key { key, digest } => {
                run("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4, NULL, NULL)", &[&tenant, key, &conversation, digest])?;
            }
            Claim::KeyApplied { key, recorded, until } => {
                let mut raw = Vec::new();
                seals.write_recorded(&under(tenant, key), recorded, &mut raw)?;
                run(
                    "UPDATE keys SET applied = ?4, until = ?5 WHERE tenant = ?1 AND key = ?2 AND conversation = ?3",
                    &[&tenant, key, &conversation, &pack(&raw), &nanos(*until)],
                )?;
            }
            Claim::KeyFreed { key } => {
                let sql = "DELETE FROM keys WHERE tenant = ?1 AND key = ?2 AND conversation = ?3 AND applied IS NULL";
                run(sql, &[&tenant, key, &conversation])?;
            }
            Claim::Rate { bucket, per_s, .. } => {
                let since = nanos(window_start(rows.now, *per_s));
                run("DELETE FROM rates WHERE tenant = ?1 AND bucket = ?2 AND at <= ?3", &[&tenant, bucket, &since])?;
                // Times of one bucket never go back, whatever the clocks of two processes say, so that numbers and times agree.
                let sql = "INSERT INTO rates SELECT ?1, ?2, max(?3, coalesce(max(at), ?3)), coalesce(max(n), 0) + 1, ?4
                     FROM rates WHERE tenant = ?1 AND bucket = ?2";
                run(sql, &[&tenant, bucket, &nanos(rows.now), &nanos(plus(rows.now, *per_s))])?;
            }
            Claim::RateCleared { bucket } => run("DELETE FROM rates WHERE tenant = ?1 AND bucket = ?2", &[&tenant, bucket])?,
            Claim::Other { kind, key, until } => {
                let sql = "INSERT OR REPLACE INTO others VALUES (?1, ?2, ?3, ?4, ?5)";
                run(sql, &[&tenant, &kind.as_str(), key, &conversation, &until.map(nanos)])?;
            }
        }
    }
    Ok(())
}

/// How many rows of each kind one sweep takes.
const SWEPT: u64 = 256;

/// Drops claims that count for nobody any more, so many of each kind.
pub(super) fn sweep(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let old = nanos(now.checked_sub(SignedDuration::from_secs(60)).unwrap_or(Timestamp::MIN));
    for (sql, by) in [
        ("DELETE FROM messages WHERE (conversation, id) IN (SELECT conversation, id FROM messages WHERE at <= ?1 LIMIT ?2)", outdated(now)),
        ("DELETE FROM keys WHERE (tenant, key) IN (SELECT tenant, key FROM keys WHERE until <= ?1 LIMIT ?2)", old),
        ("DELETE FROM others WHERE (tenant, kind, key) IN (SELECT tenant, kind, key FROM others WHERE until <= ?1 LIMIT ?2)", old),
        ("DELETE FROM rates WHERE (tenant, bucket, at, n) IN (SELECT tenant, bucket, at, n FROM rates WHERE until <= ?1 LIMIT ?2)", old),
    ] {
        connection.prepare_cached(sql)?.execute(params![by, int(SWEPT)])?;
    }
    Ok(())
}
