//! Claims in SQL: those of a group of commits are locked against other processes, read, judged by the rules of all stores, and taken, inside
//! one transaction.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Object;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::super::claims::{Came, Held, limited, plus, refused, taken, under, window_start};
use super::super::pack::{pack, unpack};
use super::super::rows::{Rows, digest, nanos, outdated, time};
use super::super::{Seals, StoreError};
use super::together::{Answers, Place, Together};
use super::{Failure, most};
use crate::engine::{Claim, Refused};

/// How often what is out of date is looked for, in nanoseconds.
pub(super) const SWEEP_EVERY: i64 = 10_000_000_000;
/// How many rows of each kind one sweep takes.
const SWEPT: i64 = 256;

const LOCK: &str = "SELECT pg_advisory_xact_lock(l) FROM unnest($1::bigint[]) l";

// What is there of claims, each of which is told by its commit in the group and its place in that.
const MESSAGES: &str = "SELECT k.n, k.i FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bigint[])
         k (n, i, tenant, id, message, since)
     JOIN waypost.conversations c ON c.tenant = k.tenant AND c.id = k.id
     JOIN waypost.messages m ON m.conversation = c.row AND m.id = k.message AND m.at > k.since";
const KEYS: &str = "SELECT k.n, k.i, t.conversation, t.digest, t.applied
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[]) k (n, i, tenant, key, now)
     JOIN waypost.keys t ON t.tenant = k.tenant AND t.key = k.key WHERE t.until IS NULL OR t.until > k.now";
const OTHERS: &str = "SELECT k.n, k.i, t.conversation
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[]) k (n, i, tenant, kind, key, now)
     JOIN waypost.others t ON t.tenant = k.tenant AND t.kind = k.kind AND t.key = k.key WHERE t.until IS NULL OR t.until > k.now";
/// Tokens are numbered, so the first and the last tell how many there are; and the time of the last of those that are too many.
const RATES: &str = "SELECT k.n, k.i, u.used, (SELECT r.at FROM waypost.rates r WHERE r.tenant = k.tenant AND r.bucket = k.bucket
         AND r.at > k.since ORDER BY r.at, r.n LIMIT 1 OFFSET greatest(u.used - k.room, 0))
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[]) k (n, i, tenant, bucket, since, room),
     LATERAL (SELECT coalesce((SELECT r.n FROM waypost.rates r WHERE r.tenant = k.tenant AND r.bucket = k.bucket
             AND r.at > k.since ORDER BY r.at DESC, r.n DESC LIMIT 1)
         - (SELECT r.n FROM waypost.rates r WHERE r.tenant = k.tenant AND r.bucket = k.bucket AND r.at > k.since ORDER BY r.at, r.n LIMIT 1)
         + 1, 0)) u (used)";

const RESERVE: &str = "INSERT INTO waypost.keys SELECT k.tenant, k.key, k.conversation, k.digest, NULL, NULL
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) k (tenant, key, conversation, digest)
     ON CONFLICT (tenant, key) DO UPDATE SET conversation = excluded.conversation, digest = excluded.digest, applied = NULL, until = NULL";
const APPLY: &str = "UPDATE waypost.keys t SET applied = k.applied, until = k.until
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) k (tenant, key, conversation, applied, until)
     WHERE t.tenant = k.tenant AND t.key = k.key AND t.conversation = k.conversation";
const FREE: &str = "DELETE FROM waypost.keys t USING unnest($1::text[], $2::text[], $3::bigint[]) k (tenant, key, conversation)
     WHERE t.tenant = k.tenant AND t.key = k.key AND t.conversation = k.conversation AND t.applied IS NULL";
const NAME: &str = "INSERT INTO waypost.others (tenant, kind, key, conversation, until)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
     ON CONFLICT (tenant, kind, key) DO UPDATE SET conversation = excluded.conversation, until = excluded.until";
const LEAVE: &str = "DELETE FROM waypost.rates WHERE tenant = $1 AND bucket = $2 AND at <= $3";
/// Times of one bucket never go back, whatever the clocks of two processes say, so that numbers and times agree.
const COUNT: &str = "INSERT INTO waypost.rates SELECT $1, $2, greatest($3, max(at)), coalesce(max(n), 0) + 1, $4
     FROM waypost.rates WHERE tenant = $1 AND bucket = $2";
const CLEAR: &str = "DELETE FROM waypost.rates WHERE tenant = $1 AND bucket = $2";

/// What the claims of a commit are locked by, in order.
pub(super) fn locks(rows: &Rows) -> Vec<i64> {
    let mut locks: Vec<i64> = rows.claims.iter().filter_map(|claim| lock_of(&rows.key.tenant, claim)).collect();
    locks.sort_unstable();
    locks.dedup();
    locks
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

/// Until the end of the transaction nobody else reads or takes the same claims. In order, so that no two wait for each other.
pub(super) fn lock<'a>(together: &mut Together<'a>, group: &[&'a Rows]) {
    let mut all: Vec<i64> = group.iter().flat_map(|rows| locks(rows)).collect();
    all.sort_unstable();
    all.dedup();
    together.each(LOCK, all.into_iter().map(|lock| (lock,)).collect());
}

/// What is asked of the claims of a group.
pub(super) struct Asked {
    messages: Place,
    keys: Place,
    others: Place,
    rates: Place,
}

/// What is there of the claims of a group, by the commit of each and its place in that.
#[derive(Default)]
pub(super) struct There {
    messages: BTreeSet<At>,
    keys: BTreeMap<At, (i64, String, Option<Vec<u8>>)>,
    others: BTreeMap<At, i64>,
    rates: BTreeMap<At, (i64, Option<i64>)>,
}

type At = (i64, i64);

/// Asks what is there of the claims of a group, for when they are locked.
pub(super) fn ask<'a>(together: &mut Together<'a>, group: &[&'a Rows]) -> Asked {
    let (mut messages, mut keys, mut others, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (n, rows) in group.iter().enumerate() {
        let (tenant, now) = (&*rows.key.tenant, nanos(rows.now));
        for (i, claim) in rows.claims.iter().enumerate() {
            let at = (most(n), most(i));
            match claim {
                Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => {}
                Claim::Message { id } => messages.push((at.0, at.1, tenant, &*rows.key.id, digest(id).to_vec(), outdated(rows.now))),
                Claim::Key { key, .. } => keys.push((at.0, at.1, tenant, &**key, now)),
                Claim::Other { kind, key, .. } => others.push((at.0, at.1, tenant, kind.as_str(), &**key, now)),
                Claim::Rate { bucket, max, per_s } => {
                    let room = i64::from(*max) - most(taken(&rows.claims, i));
                    rates.push((at.0, at.1, tenant, &**bucket, nanos(window_start(rows.now, *per_s)), room));
                }
            }
        }
    }
    Asked {
        messages: together.each(MESSAGES, messages),
        keys: together.each(KEYS, keys),
        others: together.each(OTHERS, others),
        rates: together.each(RATES, rates),
    }
}

impl Asked {
    /// What the answers say.
    pub(super) fn there(&self, answers: &Answers) -> Result<There, Failure> {
        let mut there = There::default();
        for row in answers.to(&self.messages) {
            there.messages.insert((row.try_get(0)?, row.try_get(1)?));
        }
        for row in answers.to(&self.keys) {
            there.keys.insert((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?));
        }
        for row in answers.to(&self.others) {
            there.others.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        for row in answers.to(&self.rates) {
            there.rates.insert((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, row.try_get(3)?));
        }
        Ok(there)
    }
}

impl There {
    /// The claims of the commit at that place of its group that cannot be had by its conversation, which may have no row yet.
    pub(super) fn refuse(&self, seals: &Seals, n: i64, rows: &Rows, conversation: Option<i64>) -> Result<Vec<Refused>, StoreError> {
        let mut all = Vec::new();
        for (i, claim) in rows.claims.iter().enumerate() {
            all.extend(self.check(seals, (n, most(i)), rows, claim, conversation)?);
        }
        Ok(all)
    }

    fn check(&self, seals: &Seals, at: At, rows: &Rows, claim: &Claim, conversation: Option<i64>) -> Result<Option<Refused>, StoreError> {
        match claim {
            Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => Ok(None),
            Claim::Message { .. } => Ok(self.messages.contains(&at).then(|| refused(claim, "used"))),
            Claim::Key { key, digest } => {
                let Some((holder, digested, applied)) = self.keys.get(&at) else { return Ok(None) };
                let came = match applied {
                    Some(packed) => Came::Applied(seals.read_recorded(&under(&rows.key.tenant, key), &unpack(packed)?)?),
                    None => Came::Nothing,
                };
                let held = Held { conversation: Some(*holder), digest: digested.as_str().into(), came };
                Ok(held.check(claim, digest, &conversation))
            }
            Claim::Rate { max, per_s, .. } => {
                let (used, stamp) = self.rates.get(&at).copied().unwrap_or_default();
                let taken = usize::try_from(at.1).map_or(0, |i| taken(&rows.claims, i));
                let is_full = used + most(taken) >= i64::from(*max);
                Ok(is_full.then(|| limited(claim, *per_s, stamp.map(time))))
            }
            Claim::Other { .. } => {
                let holder = self.others.get(&at).copied();
                Ok((holder.is_some() && holder != conversation).then(|| refused(claim, "used")))
            }
        }
    }
}

/// Takes claims that were checked in the same transaction, but for message ids, which stand with their conversations. Those of one commit
/// about one key are taken one after the other.
pub(super) fn take<'a>(together: &mut Together<'a>, seals: &Seals, group: &[(&'a Rows, i64)]) -> Result<(), StoreError> {
    let mut rounds: BTreeMap<usize, Round<'a>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (rows, conversation) in group {
        let (tenant, conversation) = (&*rows.key.tenant, *conversation);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut round = |key: &'a str| {
            let before = seen.entry(key).or_default();
            *before += 1;
            *before
        };
        for claim in &rows.claims {
            match claim {
                Claim::Message { .. } => {}
                Claim::Key { key, digest } => {
                    rounds.entry(round(key)).or_default().reserved.push((tenant, &**key, conversation, &**digest));
                }
                Claim::KeyApplied { key, recorded, until } => {
                    let mut raw = Vec::new();
                    seals.write_recorded(&under(tenant, key), recorded, &mut raw)?;
                    rounds.entry(round(key)).or_default().applied.push((tenant, &**key, conversation, pack(&raw), nanos(*until)));
                }
                Claim::KeyFreed { key } => {
                    rounds.entry(round(key)).or_default().freed.push((tenant, &**key, conversation));
                }
                Claim::Rate { bucket, per_s, .. } => {
                    let since = nanos(window_start(rows.now, *per_s));
                    together.one(LEAVE, vec![Box::new(tenant), Box::new(&**bucket), Box::new(since)]);
                    let until = nanos(plus(rows.now, *per_s));
                    let values =
                        vec![Box::new(tenant) as _, Box::new(&**bucket) as _, Box::new(nanos(rows.now)) as _, Box::new(until) as _];
                    together.one(COUNT, values);
                }
                Claim::RateCleared { bucket } => together.one(CLEAR, vec![Box::new(tenant), Box::new(&**bucket)]),
                Claim::Other { kind, key, until } => {
                    names.insert((tenant, kind.as_str(), &**key), (conversation, until.map(nanos)));
                }
            }
        }
    }
    for Round { reserved, applied, freed } in rounds.into_values() {
        together.each(RESERVE, reserved);
        together.each(APPLY, applied);
        together.each(FREE, freed);
    }
    together.each(
        NAME,
        names.into_iter().map(|((tenant, kind, key), (conversation, until))| (tenant, kind, key, conversation, until)).collect(),
    );
    Ok(())
}

/// Claims of keys, of each commit and key one at most.
#[derive(Default)]
struct Round<'a> {
    reserved: Vec<(&'a str, &'a str, i64, &'a str)>,
    applied: Vec<(&'a str, &'a str, i64, Vec<u8>, i64)>,
    freed: Vec<(&'a str, &'a str, i64)>,
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
