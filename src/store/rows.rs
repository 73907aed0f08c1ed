//! A commit as the rows that a database takes: everything encoded before a transaction is asked for.
//!
//! Knows no SQL and no connection.

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::pack::{pack, unpack};
use super::records::Owing;
use super::{AuditHead, AuditRow, Commit, ConversationKey, MESSAGE_IDS_KEPT, Owner, Seals, StoreError};
use crate::engine::{Attempt, Claim, Event, HoldChange};
use crate::model::workspace::ContentHash;

/// A conversation may go on.
pub(super) const OPEN: i64 = 0;
/// It has ended for good.
pub(super) const FINISHED: i64 = 1;
/// Only its audit is left.
pub(super) const ERASED: i64 = 2;

/// One transaction's rows.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) key: ConversationKey,
    pub(super) expected: u64,
    pub(super) version: u64,
    pub(super) now: Timestamp,
    pub(super) owner: Option<Owner>,
    pub(super) events: Option<Batch>,
    pub(super) claims: Vec<Claim>,
    pub(super) wake_at: Option<i64>,
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) reply: Option<ReplyRow>,
    pub(super) audit: Vec<AuditRow>,
    pub(super) audit_head: Option<AuditHead>,
    pub(super) holds: Vec<HoldChange>,
    pub(super) executions: Vec<Attempt>,
    pub(super) pinned: Option<Vec<ContentHash>>,
    pub(super) owed: Owing,
    pub(super) finished: bool,
}

/// Events of one commit in one row.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) count: u64,
    pub(super) packed: Vec<u8>,
}

/// What is recorded under a message's id.
#[derive(Debug)]
pub(super) struct ReplyRow {
    pub(super) id: [u8; 16],
    pub(super) digest: Arc<str>,
    pub(super) answer: Vec<u8>,
}

impl Rows {
    /// Encodes a commit.
    pub(super) fn of(seals: &Seals, commit: Commit) -> Result<Self, StoreError> {
        let Commit {
            key,
            expected,
            now,
            owner,
            events,
            claims,
            wake_at,
            snapshot,
            reply,
            audit,
            audit_head,
            holds,
            executions,
            pinned,
            owed,
            finished,
        } = commit;
        let snapshot = match snapshot {
            Some(state) => {
                let mut raw = Vec::new();
                seals.write_state(&key, &state, &mut raw)?;
                Some(pack(&raw))
            }
            None => None,
        };
        let reply = match reply {
            Some(r) => {
                let mut raw = Vec::new();
                seals.write_answer(&key, &r.answer, &mut raw)?;
                Some(ReplyRow { id: digest(&r.message_id), digest: r.digest, answer: pack(&raw) })
            }
            None => None,
        };
        let pinned = pinned.map(|mut hashes| {
            hashes.sort_unstable();
            hashes.dedup();
            hashes
        });
        Ok(Self {
            expected,
            version: expected + count(events.len()),
            now,
            owner,
            events: Batch::of(seals, &key, &*events)?,
            claims,
            wake_at: wake_at.filter(|_| !finished).map(nanos),
            snapshot,
            reply,
            audit_head: audit_head.or_else(|| audit.last().map(|last| AuditHead { seq: last.seq, mac: last.mac.clone() })),
            audit,
            holds,
            executions,
            pinned,
            owed,
            finished,
            key,
        })
    }

    /// Its events as a database has them.
    pub(super) fn kept(&self) -> Option<Kept> {
        self.events.as_ref().map(|b| Kept { upto: self.version, count: b.count, packed: b.packed.clone() })
    }

    /// Whether the message of its reply is one that it claims.
    pub(super) fn claims_reply(&self) -> bool {
        let of = |reply: &ReplyRow| self.claims.iter().any(|c| matches!(c, Claim::Message { id } if digest(id) == reply.id));
        self.reply.as_ref().is_some_and(of)
    }
}

impl Batch {
    fn of<'a>(seals: &Seals, key: &ConversationKey, events: impl IntoIterator<Item = &'a Event>) -> Result<Option<Self>, StoreError> {
        let mut raw = Vec::new();
        let mut count = 0;
        for event in events {
            seals.write_event(key, event, &mut raw)?;
            raw.push(b'\n');
            count += 1;
        }
        Ok((count > 0).then(|| Self { count, packed: pack(&raw) }))
    }

    /// Of all these, the events of the transcript, under the numbers that they have.
    pub(super) fn transcript<'a>(
        seals: &Seals,
        key: &ConversationKey,
        batches: impl IntoIterator<Item = &'a Kept>,
    ) -> Result<Option<Self>, StoreError> {
        let mut events = Vec::new();
        for batch in batches {
            batch.read(seals, key, 0, usize::MAX, &mut events)?;
        }
        let (mut raw, mut count) = (Vec::new(), 0);
        for (number, event) in events.iter().filter(|(_, e)| e.body.is_transcript()) {
            write_numbered(seals, key, *number, event, &mut raw)?;
            raw.push(b'\n');
            count += 1;
        }
        Ok((count > 0).then(|| Self { count, packed: pack(&raw) }))
    }
}

/// The events of one commit as they lie in a database.
#[derive(Debug)]
pub(super) struct Kept {
    /// The number of the last.
    pub(super) upto: u64,
    pub(super) count: u64,
    pub(super) packed: Vec<u8>,
}

impl Kept {
    /// Reads the events after the one with that number, each with its own, until `out` has `limit`.
    pub(super) fn read(
        &self,
        seals: &Seals,
        key: &ConversationKey,
        after: u64,
        limit: usize,
        out: &mut Vec<(u64, Event)>,
    ) -> Result<(), StoreError> {
        let raw = unpack(&self.packed)?;
        let first = (self.upto + 1).saturating_sub(self.count);
        for (line, number) in raw.split(|b| *b == b'\n').filter(|l| !l.is_empty()).zip(first..) {
            let (number, line) = numbered(line, number);
            if out.len() >= limit {
                break;
            }
            if number > after {
                out.push((number, seals.read_event(key, line)?));
            }
        }
        Ok(())
    }
}

/// Writes an event with its number before it: of a transcript they do not follow one on another.
pub(super) fn write_numbered(
    seals: &Seals,
    key: &ConversationKey,
    number: u64,
    event: &Event,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    out.extend(number.to_string().as_bytes());
    seals.write_event(key, event, out)
}

/// An event's number, if it stands before it, and else the one that it would have; and the event.
pub(super) fn numbered(line: &[u8], otherwise: u64) -> (u64, &[u8]) {
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, event) = line.split_at_checked(digits).unwrap_or((&[], line));
    let number = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok());
    (number.unwrap_or(otherwise), event)
}

/// Under what a message's id is kept.
pub(super) fn digest(id: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(Sha256::digest(id.as_bytes())) {
        *to = from;
    }
    out
}

/// A time as a database has it. Past the year 2262 all times are one.
pub(super) fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

/// A time that a database has.
pub(super) fn time(nanos: i64) -> Timestamp {
    if nanos == i64::MAX { Timestamp::MAX } else { Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MIN) }
}

/// A message id that was used by then is free.
pub(super) fn outdated(now: Timestamp) -> i64 {
    nanos(now.checked_sub(MESSAGE_IDS_KEPT).unwrap_or(Timestamp::MIN))
}

/// How many there are.
pub(super) fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
