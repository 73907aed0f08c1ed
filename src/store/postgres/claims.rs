//! Claims in SQL: locked against other processes, read, judged by the rules of all stores, and taken, inside one transaction.

use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::super::Seals;
use super::super::claims::{Came, Held, limited, plus, refused, taken, under, window_start};
use super::super::pack::{pack, unpack};
use super::super::rows::{Rows, digest, nanos, outdated, time};
use super::{Failure, most};
use crate::engine::{Claim, Refused};

/// How often what is out of date is looked for, in nanoseconds.
pub(super) const SWEEP_EVERY: i64 = 10_000_000_000;
/// How many rows of each kind one sweep takes.
const SWEPT: i64 = 256;

/// Until the end of the transaction nobody else reads or takes the same claims. In order, so that no two wait for each other.
pub(super) async fn lock(transaction: &Transaction<'_>, rows: &Rows) -> Result<(), Failure> {
    let mut locks: Vec<i64> = rows.claims.iter().filter_map(|claim| lock_of(&rows.key.tenant, claim)).collect();
    locks.sort_unstable();
    locks.dedup();
    let statement = transaction.prepare_cached("SELECT pg_advisory_xact_lock($1)").await?;
    for id in locks {
        transaction.execute(&statement, &[&id]).await?;
    }
    Ok(())
}

fn lock_of(tenant: &str, claim: &Claim) -> Option<i64> {
    let (kind, name) = match claim {
        // Of one conversation only: its version tells who was first.
        Claim::Message { .. } => return None,
        Claim::Key { key, .. } | Claim::KeyApplied { key, .. } | Claim::KeyFreed { key } => ("key", key),
        Claim::Rate { bucket, .. } | Claim::RateCleared { bucket } => ("rate", bucket),
        Claim::Other { kind, key, .. } => (kind.as_str(), key),
    };
    let hash = Sha256::new().chain_update(tenant).chain_update([0]).chain_update(kind).chain_update([0]).chain_update(&**name).finalize();
    hash.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))
}

/// The claims that cannot be had by a conversation, which may have no row yet.
pub(super) async fn refuse(
    transaction: &Transaction<'_>,
    seals: &Seals,
    rows: &Rows,
    conversation: Option<i64>,
) -> Result<Vec<Refused>, Failure> {
    let mut all = Vec::new();
    for (i, claim) in rows.claims.iter().enumerate() {
        all.extend(check(transaction, seals, rows, claim, conversation, taken(&rows.claims, i)).await?);
    }
    Ok(all)
}

async fn check(
    transaction: &Transaction<'_>,
    seals: &Seals,
    rows: &Rows,
    claim: &Claim,
    conversation: Option<i64>,
    taken: usize,
) -> Result<Option<Refused>, Failure> {
    let tenant = &*rows.key.tenant;
    match claim {
        Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => Ok(None),
        Claim::Message { id } => {
            let Some(conversation) = conversation else { return Ok(None) };
            let sql = "SELECT 1 FROM waypost.messages WHERE conversation = $1 AND id = $2 AND at > $3";
            let statement = transaction.prepare_cached(sql).await?;
            let used = transaction.query_opt(&statement, &[&conversation, &&digest(id)[..], &outdated(rows.now)]).await?;
            Ok(used.map(|_| refused(claim, "used")))
        }
        Claim::Key { key, digest } => {
            let sql =
                "SELECT conversation, digest, applied FROM waypost.keys WHERE tenant = $1 AND key = $2 AND (until IS NULL OR until > $3)";
            let statement = transaction.prepare_cached(sql).await?;
            let Some(row) = transaction.query_opt(&statement, &[&tenant, &&**key, &nanos(rows.now)]).await? else { return Ok(None) };
            let (holder, digested): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            let came = match row.try_get::<_, Option<Vec<u8>>>(2)? {
                Some(packed) => Came::Applied(seals.read_recorded(&under(tenant, key), &unpack(&packed)?)?),
                None => Came::Nothing,
            };
            let held = Held { conversation: Some(holder), digest: digested.into(), came };
            Ok(held.check(claim, digest, &conversation))
        }
        Claim::Rate { bucket, max, per_s } => {
            let since = nanos(window_start(rows.now, *per_s));
            // They are numbered, so the first and the last tell how many there are.
            let sql = "SELECT coalesce((SELECT n FROM waypost.rates WHERE tenant = $1 AND bucket = $2 AND at > $3 ORDER BY at DESC, n DESC LIMIT 1)
                 - (SELECT n FROM waypost.rates WHERE tenant = $1 AND bucket = $2 AND at > $3 ORDER BY at, n LIMIT 1) + 1, 0)";
            let statement = transaction.prepare_cached(sql).await?;
            let used: i64 = transaction.query_one(&statement, &[&tenant, &&**bucket, &since]).await?.try_get(0)?;
            let used = usize::try_from(used).unwrap_or(usize::MAX);
            let Some(over) = (used + taken).checked_sub(*max as usize) else { return Ok(None) };
            let sql = "SELECT at FROM waypost.rates WHERE tenant = $1 AND bucket = $2 AND at > $3 ORDER BY at, n LIMIT 1 OFFSET $4";
            let statement = transaction.prepare_cached(sql).await?;
            let stamp = transaction.query_opt(&statement, &[&tenant, &&**bucket, &since, &most(over)]).await?;
            let stamp = stamp.map(|row| row.try_get(0)).transpose()?;
            Ok(Some(limited(claim, *per_s, stamp.map(time))))
        }
        Claim::Other { kind, key, .. } => {
            let sql =
                "SELECT conversation FROM waypost.others WHERE tenant = $1 AND kind = $2 AND key = $3 AND (until IS NULL OR until > $4)";
            let statement = transaction.prepare_cached(sql).await?;
            let found = transaction.query_opt(&statement, &[&tenant, &kind.as_str(), &&**key, &nanos(rows.now)]).await?;
            let holder: Option<i64> = found.map(|row| row.try_get(0)).transpose()?;
            Ok((holder.is_some() && holder != conversation).then(|| refused(claim, "used")))
        }
    }
}

/// Takes claims that were checked in the same transaction, but for message ids, which the commit's own statement takes.
pub(super) async fn take(transaction: &Transaction<'_>, seals: &Seals, rows: &Rows, conversation: i64) -> Result<(), Failure> {
    let tenant = &*rows.key.tenant;
    for claim in &rows.claims {
        match claim {
            Claim::Message { .. } => {}
            Claim::Key { key, digest } => {
                let sql = "INSERT INTO waypost.keys VALUES ($1, $2, $3, $4, NULL, NULL) ON CONFLICT (tenant, key)
                     DO UPDATE SET conversation = excluded.conversation, digest = excluded.digest, applied = NULL, until = NULL";
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &[&tenant, &&**key, &conversation, &&**digest]).await?;
            }
            Claim::KeyApplied { key, recorded, until } => {
                let mut raw = Vec::new();
                seals.write_recorded(&under(tenant, key), recorded, &mut raw)?;
                let sql = "UPDATE waypost.keys SET applied = $4, until = $5 WHERE tenant = $1 AND key = $2 AND conversation = $3";
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &[&tenant, &&**key, &conversation, &pack(&raw), &nanos(*until)]).await?;
            }
            Claim::KeyFreed { key } => {
                let sql = "DELETE FROM waypost.keys WHERE tenant = $1 AND key = $2 AND conversation = $3 AND applied IS NULL";
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &[&tenant, &&**key, &conversation]).await?;
            }
            Claim::Rate { bucket, per_s, .. } => {
                let since = nanos(window_start(rows.now, *per_s));
                let statement =
                    transaction.prepare_cached("DELETE FROM waypost.rates WHERE tenant = $1 AND bucket = $2 AND at <= $3").await?;
                transaction.execute(&statement, &[&tenant, &&**bucket, &since]).await?;
                // Times of one bucket never go back, whatever the clocks of two processes say, so that numbers and times agree.
                let sql = "INSERT INTO waypost.rates SELECT $1, $2, greatest($3, max(at)), coalesce(max(n), 0) + 1, $4
                     FROM waypost.rates WHERE tenant = $1 AND bucket = $2";
                let statement = transaction.prepare_cached(sql).await?;
                let until = nanos(plus(rows.now, *per_s));
                transaction.execute(&statement, &[&tenant, &&**bucket, &nanos(rows.now), &until]).await?;
            }
            Claim::RateCleared { bucket } => {
                let statement = transaction.prepare_cached("DELETE FROM waypost.rates WHERE tenant = $1 AND bucket = $2").await?;
                transaction.execute(&statement, &[&tenant, &&**bucket]).await?;
            }
            Claim::Other { kind, key, until } => {
                let sql = "INSERT INTO waypost.others VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, kind, key)
                     DO UPDATE SET conversation = excluded.conversation, until = excluded.until";
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &[&tenant, &kind.as_str(), &&**key, &conversation, &until.map(nanos)]).await?;
            }
        }
    }
    Ok(())
}

/// Drops claims that count for nobody any more, so many of each kind.
pub(super) async fn sweep(client: &Object, now: Timestamp) -> Result<(), Failure> {
    let old = nanos(now.checked_sub(SignedDuration::from_secs(60)).unwrap_or(Timestamp::MIN));
    for (table, column, by) in
        [("messages", "at", outdated(now)), ("keys", "until", old), ("others", "until", old), ("rates", "until", old)]
    {
        let sql = format!(
            "DELETE FROM waypost.{table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM waypost.{table} WHERE {column} <= $1 LIMIT $2))"
        );
        let statement = client.prepare_cached(&sql).await?;
        client.execute(&statement, &[&by, &SWEPT]).await?;
    }
    Ok(())
}
