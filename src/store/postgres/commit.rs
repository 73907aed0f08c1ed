//! Commits, many in one transaction: their conversations and claims are locked and read, what is refused is left out, and the rest is written,
//! one statement for each table. Three times something is sent, however many they are.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Object;

use super::super::records::NewOwed;
use super::super::rows::{Batch, ERASED, FINISHED, Kept, Rows, digest, nanos, outdated};
use super::super::{Committed, ConversationKey, Owner, Seals, StoreError, no_owner};
use super::together::Together;
use super::{Failure, claims, int, read, uint};
use crate::engine::{Claim, HoldChange};

/// Each statement sees what was committed before it, so that what is read under a lock is as it is. It is planned once for a connection,
/// before anybody knows of how many rows it will be, and finds them by an index, also where the tables were small when it was planned.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off;
     SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

// What there is of the conversations of a group. Nobody else writes to them until the end of the transaction; in order, so that no two wait
// for each other.
const HEADS: &str = "SELECT k.n, c.row, c.version, c.life FROM unnest($1::bigint[], $2::text[], $3::text[]) k (n, tenant, id)
     JOIN waypost.conversations c ON c.tenant = k.tenant AND c.id = k.id ORDER BY c.tenant, c.id FOR NO KEY UPDATE OF c";
const BOUND: &str = "SELECT k.tenant, k.event FROM unnest($1::text[], $2::text[]) k (tenant, event)
     WHERE EXISTS (SELECT FROM waypost.bindings b WHERE b.tenant = k.tenant AND b.defines = 0 AND b.key = k.event)";
const EVENTS: &str = "SELECT e.upto, e.count, e.packed, k.n FROM unnest($1::bigint[], $2::text[], $3::text[]) k (n, tenant, id)
     JOIN waypost.conversations c ON c.tenant = k.tenant AND c.id = k.id JOIN waypost.events e ON e.conversation = c.row ORDER BY k.n, e.upto";

const BEGINS: &str = "INSERT INTO waypost.conversations (tenant, id, agent, user_id, version, updated, wake_at, life, audit_seq, audit_mac)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
         $9::bigint[], $10::text[])
     ON CONFLICT (tenant, id) DO NOTHING RETURNING tenant, id, row";
const GOES_ON: &str = "UPDATE waypost.conversations c SET version = k.version, updated = k.updated, wake_at = k.wake_at,
         life = greatest(c.life, k.life), audit_seq = coalesce(k.seq, c.audit_seq), audit_mac = coalesce(k.mac, c.audit_mac)
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
         k (row, version, updated, wake_at, life, seq, mac) WHERE c.row = k.row";
const NO_EVENTS: &str = "DELETE FROM waypost.events WHERE conversation = ANY ($1::bigint[])";
const NEW_EVENTS: &str = "INSERT INTO waypost.events SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])";
const SNAPSHOTS: &str = "INSERT INTO waypost.snapshots SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
     ON CONFLICT (conversation) DO UPDATE SET version = excluded.version, packed = excluded.packed";
const OUTDATED: &str = "DELETE FROM waypost.messages m USING unnest($1::bigint[], $2::bigint[]) k (conversation, since)
     WHERE m.conversation = k.conversation AND m.at <= k.since";
const MESSAGES: &str = "INSERT INTO waypost.messages SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::bytea[])
     ON CONFLICT (conversation, id) DO UPDATE SET at = excluded.at, digest = excluded.digest, answer = excluded.answer";
const ANSWERS: &str = "UPDATE waypost.messages m SET digest = k.digest, answer = k.answer
     FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[]) k (conversation, id, digest, answer)
     WHERE m.conversation = k.conversation AND m.id = k.id";
const AUDIT: &str = "INSERT INTO waypost.audit (conversation, seq, at, text, mac)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])";
const UNPINNED: &str = "DELETE FROM waypost.pins WHERE conversation = ANY ($1::bigint[])";
const PINNED: &str = "INSERT INTO waypost.pins SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO NOTHING";
const OWED: &str = "INSERT INTO waypost.owed (tenant, conversation, event, at, data, depth, lease)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])";
const HELD: &str = "INSERT INTO waypost.holds (tenant, id, conversation, agent, held)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
     ON CONFLICT (tenant, id) DO UPDATE SET conversation = excluded.conversation, agent = excluded.agent, held = excluded.held";
const RELEASED: &str =
    "DELETE FROM waypost.holds h USING unnest($1::text[], $2::text[]) k (tenant, id) WHERE h.tenant = k.tenant AND h.id = k.id";
const EXECUTIONS: &str = "INSERT INTO waypost.executions (tenant, id, conversation, action, status, attempt)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
     ON CONFLICT (tenant, id) DO UPDATE SET status = excluded.status, attempt = excluded.attempt";

/// What came of a commit; nothing, if it has to be tried again.
pub(super) type Outcome = Option<Result<Committed, StoreError>>;

/// Commits those of a group that can be, each of a conversation of its own, and says what came of each. All of it is done, or nothing.
pub(super) async fn commit(client: &Object, seals: &Seals, group: &[&Rows]) -> Result<Vec<Outcome>, Failure> {
    let found = Found::of(client, group).await?;
    let mut outcomes: Vec<Outcome> = (0..).zip(group).map(|(n, rows)| found.refuse(seals, n, rows).transpose()).collect();
    let begun = begin(client, group.iter().zip(&outcomes).filter(|(_, o)| o.is_none()).map(|(rows, _)| *rows)).await?;
    let mut written = Vec::with_capacity(group.len());
    for ((n, rows), outcome) in (0..).zip(group).zip(&mut outcomes).filter(|(_, o)| o.is_none()) {
        let there = found.heads.get(&n).map(|head| head.row);
        // Where somebody else began it in this moment, it is there the next time.
        let Some(row) = there.or_else(|| begun.get(&rows.key).copied()) else { continue };
        let owed = rows.owed.told_where(|event| Ok::<_, StoreError>(found.is_bound(&rows.key.tenant, event)))?;
        *outcome = Some(Ok(Committed::Done { version: rows.version, owes: !owed.is_empty() }));
        written.push(Written { rows, row, is_new: there.is_none(), owed, ended: found.ended(seals, n, rows)? });
    }
    let mut together = Together::default();
    write(&mut together, &written)?;
    let all: Vec<_> = written.iter().map(|w| (w.rows, w.row)).collect();
    claims::take(&mut together, seals, &all)?;
    together.plain("COMMIT");
    together.send(client).await?;
    Ok(outcomes)
}

#[derive(Clone, Copy)]
struct Head {
    row: i64,
    version: u64,
    life: i64,
}

/// What there is of a group's conversations and claims, by their places in it.
struct Found {
    heads: BTreeMap<i64, Head>,
    claims: claims::There,
    // Events of the tenant, or of everybody, to which conditions are bound.
    bound: BTreeSet<(String, String)>,
    // The events of conversations that have ended.
    events: BTreeMap<i64, Vec<Kept>>,
}

impl Found {
    async fn of(client: &Object, group: &[&Rows]) -> Result<Self, Failure> {
        let mut together = Together::default();
        together.plain(BEGIN);
        claims::lock(&mut together, group);
        let heads = together.each(HEADS, (0..).zip(group).map(key).collect());
        let asked = claims::ask(&mut together, group);
        let events: BTreeSet<_> = group.iter().flat_map(|rows| rows.owed.events().iter().map(|e| (&*rows.key.tenant, *e))).collect();
        let bound = together.each(BOUND, events.into_iter().flat_map(|(tenant, event)| [(tenant, event), ("", event)]).collect());
        let kept = together.each(EVENTS, (0..).zip(group).filter(|(_, rows)| rows.finished).map(key).collect());
        let answers = together.send(client).await?;
        let mut found = Self { heads: BTreeMap::new(), claims: asked.there(&answers)?, bound: BTreeSet::new(), events: BTreeMap::new() };
        for row in answers.to(&heads) {
            let head = Head { row: row.try_get(1)?, version: uint(row.try_get(2)?), life: row.try_get(3)? };
            found.heads.insert(row.try_get(0)?, head);
        }
        for row in answers.to(&bound) {
            found.bound.insert((row.try_get(0)?, row.try_get(1)?));
        }
        for row in answers.to(&kept) {
            found.events.entry(row.try_get(3)?).or_default().push(read::batch(row)?);
        }
        Ok(found)
    }

    /// Why a commit cannot be done.
    fn refuse(&self, seals: &Seals, n: i64, rows: &Rows) -> Result<Option<Committed>, StoreError> {
        let head = self.heads.get(&n);
        if head.is_some_and(|h| h.life == ERASED) {
            return Err(StoreError::Erased(rows.key.id.clone()));
        }
        let version = head.map_or(0, |h| h.version);
        if version != rows.expected || head.is_some() && rows.expected == 0 {
            return Ok(Some(Committed::Conflict { version }));
        }
        if rows.expected == 0 && rows.owner.is_none() {
            return Err(no_owner());
        }
        let refused = self.claims.refuse(seals, n, rows, head.map(|h| h.row))?;
        Ok((!refused.is_empty()).then_some(Committed::ClaimRefused { refused }))
    }

    fn is_bound(&self, tenant: &str, event: &str) -> bool {
        [tenant, ""].iter().any(|tenant| self.bound.contains(&((*tenant).to_owned(), event.to_owned())))
    }

    /// All that is left of the events of a conversation that has ended is its transcript.
    fn ended(&self, seals: &Seals, n: i64, rows: &Rows) -> Result<Option<Batch>, StoreError> {
        if !rows.finished {
            return Ok(None);
        }
        let last = rows.kept();
        Batch::transcript(seals, &rows.key, self.events.get(&n).into_iter().flatten().chain(&last))
    }
}

fn key<'a>((n, rows): (i64, &&'a Rows)) -> (i64, &'a str, &'a str) {
    (n, &rows.key.tenant, &rows.key.id)
}

/// Begins the conversations that are not there; gives the number of each that nobody else has begun meanwhile.
async fn begin<'a>(client: &Object, all: impl Iterator<Item = &'a Rows>) -> Result<BTreeMap<ConversationKey, i64>, Failure> {
    let mut new = BTreeMap::new();
    for rows in all.filter(|rows| rows.expected == 0) {
        if let Some(owner) = &rows.owner {
            new.insert((&*rows.key.tenant, &*rows.key.id), (owner, rows));
        }
    }
    let mut begun = BTreeMap::new();
    if new.is_empty() {
        return Ok(begun);
    }
    let row = |((tenant, id), (owner, rows))| {
        let (owner, rows): (&'a Owner, &'a Rows) = (owner, rows);
        let audit = rows.audit_head.as_ref();
        let (seq, mac) = (audit.map_or(0, |a| int(a.seq)), audit.map_or("", |a| &*a.mac));
        (tenant, id, &*owner.agent, &*owner.user, int(rows.version), nanos(rows.now), rows.wake_at, life(rows), seq, mac)
    };
    let mut together = Together::default();
    // In order, so that no two wait for each other.
    let place = together.each(BEGINS, new.into_iter().map(row).collect());
    for row in together.send(client).await?.to(&place) {
        begun.insert(ConversationKey::new(row.try_get::<_, &str>(0)?, row.try_get::<_, &str>(1)?), row.try_get(2)?);
    }
    Ok(begun)
}

/// A commit that is done, if the transaction is.
struct Written<'a> {
    rows: &'a Rows,
    // The conversation's number.
    row: i64,
    is_new: bool,
    owed: Vec<NewOwed>,
    // The transcript that it leaves.
    ended: Option<Batch>,
}

fn life(rows: &Rows) -> i64 {
    if rows.finished { FINISHED } else { 0 }
}

/// Everything but the claims.
fn write<'a>(together: &mut Together<'a>, all: &'a [Written<'a>]) -> Result<(), StoreError> {
    let known = all.iter().filter(|w| !w.is_new).map(|Written { rows, row, .. }| {
        let audit = rows.audit_head.as_ref();
        let (seq, mac) = (audit.map(|a| int(a.seq)), audit.map(|a| &*a.mac));
        (*row, int(rows.version), nanos(rows.now), rows.wake_at, life(rows), seq, mac)
    });
    together.each(GOES_ON, known.collect());
    together.each(NO_EVENTS, all.iter().filter(|w| w.rows.finished).map(|w| (w.row,)).collect());
    // What has ended keeps other events than these.
    let events = |w: &'a Written<'a>| w.ended.as_ref().or_else(|| w.rows.events.as_ref().filter(|_| !w.rows.finished));
    let events = all.iter().filter_map(|w| events(w).map(|b| (w.row, int(w.rows.version), int(b.count), &*b.packed)));
    together.each(NEW_EVENTS, events.collect());
    let snapshots = all.iter().filter_map(|w| w.rows.snapshot.as_deref().map(|s| (w.row, int(w.rows.version), s)));
    together.each(SNAPSHOTS, snapshots.collect());
    messages(together, all);
    let audit = all.iter().flat_map(|w| w.rows.audit.iter().map(|a| (w.row, int(a.seq), nanos(a.at), &*a.text, &*a.mac)));
    together.each(AUDIT, audit.collect());
    let pins = all.iter().filter_map(|w| w.rows.pinned.as_ref().map(|pins| (w.row, pins)));
    together.each(UNPINNED, pins.clone().map(|(row, _)| (row,)).collect());
    together.each(PINNED, pins.flat_map(|(row, pins)| pins.iter().map(move |hash| (row, &*hash.0))).collect());
    let owed = all.iter().flat_map(|Written { rows, owed, .. }| {
        let (tenant, id, now) = (&*rows.key.tenant, &*rows.key.id, nanos(rows.now));
        owed.iter().map(move |o| (tenant, id, o.event, now, &*o.data, i64::from(o.depth), i64::MIN))
    });
    together.each(OWED, owed.collect());
    lists(together, all)
}

/// The ids of messages, and what is answered to whoever sends them again.
fn messages<'a>(together: &mut Together<'a>, all: &'a [Written<'a>]) {
    let (mut outdate, mut new, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for Written { rows, row, .. } in all {
        let claimed = rows.claims.iter().filter_map(|c| match c {
            Claim::Message { id } => Some(digest(id)),
            _ => None,
        });
        let claimed: BTreeSet<_> = claimed.collect();
        let reply = rows.reply.as_ref();
        if !claimed.is_empty() {
            outdate.push((*row, outdated(rows.now)));
        }
        if let Some(reply) = reply.filter(|r| !claimed.contains(&r.id)) {
            answered.push((*row, &reply.id[..], &*reply.digest, &*reply.answer));
        }
        for id in claimed {
            let reply = reply.filter(|r| r.id == id);
            new.push((*row, id.to_vec(), nanos(rows.now), reply.map(|r| &*r.digest), reply.map(|r| &*r.answer)));
        }
    }
    together.each(OUTDATED, outdate);
    together.each(MESSAGES, new);
    together.each(ANSWERS, answered);
}

/// What is listed of conversations: what waits for a person, and what actions came to. Of each the last that the commit says.
fn lists<'a>(together: &mut Together<'a>, all: &'a [Written<'a>]) -> Result<(), StoreError> {
    let (mut holds, mut executions) = (BTreeMap::new(), BTreeMap::new());
    for Written { rows, row, .. } in all {
        let tenant = &*rows.key.tenant;
        for change in &rows.holds {
            match change {
                HoldChange::Opened(held) => holds.insert((tenant, &*held.id), Some((*row, &*held.agent, json(held)?))),
                HoldChange::Closed { id } => holds.insert((tenant, &**id), None),
            };
        }
        for attempt in &rows.executions {
            executions.insert((tenant, &*attempt.id), (*row, &*attempt.action, attempt.status.as_str(), json(attempt)?));
        }
    }
    let released = holds.iter().filter(|(_, held)| held.is_none()).map(|(id, _)| *id).collect();
    together.each(RELEASED, released);
    let held = holds.into_iter().filter_map(|((tenant, id), held)| held.map(|(row, agent, held)| (tenant, id, row, agent, held)));
    together.each(HELD, held.collect());
    let executions = executions.into_iter().map(|((tenant, id), (row, action, status, text))| (tenant, id, row, action, status, text));
    together.each(EXECUTIONS, executions.collect());
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(e.to_string()))
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
