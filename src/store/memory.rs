//! A store in memory, for `chat`, `demo`, `test` and for trying things: small for each conversation, gone with the process.
//!
//! Long because all of it stands under one lock: what a commit changes has to be seen together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::ready;
use std::io::Write as _;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::claims::{Ledger, refused, taken};
use super::dictionary::{Dictionary, Packed};
use super::log::{Idle, Kind, Lines, Log};
use super::records::Kept as Recorded;
use super::rows::{digest, numbered, write_numbered};
use super::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Executed, Held, Listed, MESSAGE_IDS_KEPT, Owner, Reply,
    Seals, Sought, Stat, Store, StoreError, Stored, VERSIONS_KEPT, Version, no_owner,
};
use crate::engine::{Claim, Event, HoldChange, Refused};
use crate::model::workspace::ContentHash;

/// Conversations whose last lines are left as they are: to make them small at every commit would be most of its work.
const OPEN: usize = 1_024;

/// A store in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    seals: Seals,
}

#[derive(Debug, Default)]
struct Inner {
    names: BTreeSet<Arc<str>>,
    dictionary: Dictionary,
    // Boxed: the nodes of the map are half empty.
    conversations: BTreeMap<ConversationKey, Box<Conversation>>,
    ledgers: BTreeMap<Arc<str>, Ledger>,
    timers: BTreeSet<(Timestamp, ConversationKey)>,
    // By tenant and id.
    holds: BTreeMap<(Arc<str>, Arc<str>), Held>,
    executions: BTreeMap<(Arc<str>, Arc<str>), Executed>,
    texts: BTreeMap<ContentHash, Arc<str>>,
    versions: BTreeMap<ContentHash, Kept>,
    secrets: BTreeMap<Arc<str>, [u8; 32]>,
    // Conversations whose last lines lie open, in the order in which they were opened.
    open: VecDeque<ConversationKey>,
    commits: u64,
    records: Recorded,
}

#[derive(Debug)]
struct Conversation {
    owner: Owner,
    updated: Timestamp,
    wake_at: Option<Timestamp>,
    life: Life,
    // Events that are not in the log any more: those of before its end, but for the transcript.
    gone: u64,
    // Replies stand beside the events that say the same words, which makes them small.
    log: Log,
    // Boxed: most have none.
    snapshot: Option<Box<(u64, Packed)>>,
    messages: Vec<Message>,
    audit: AuditHead,
    pinned: Box<[ContentHash]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    Finished,
    Erased,
}

/// A version of a workspace whose texts are kept.
#[derive(Debug)]
struct Kept {
    at: Timestamp,
    hashes: Vec<ContentHash>,
}

/// A message id that was used: its digest, to be small.
#[derive(Debug)]
struct Message {
    id: [u8; 16],
    second: u32,
    reply: u32,
}

/// In place of the number of a line.
const NO_REPLY: u32 = u32::MAX;

/// A conversation whose lines are to be made small.
type Resting = (ConversationKey, Idle);

/// A reply as it lies in the log, before its answer.
type ReplyHead = (Arc<str>, Arc<str>);

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that seals what it keeps.
    #[must_use]
    pub fn with(seals: Seals) -> Self {
        Self { seals, ..Self::default() }
    }

    /// The same store as one sees it who has other keys.
    #[must_use]
    pub fn seen_with(&self, seals: Seals) -> Self {
        Self { inner: self.inner.clone(), seals }
    }

    /// Looks at what is kept of conditions and actions, or changes it.
    pub(super) fn records<T>(&self, with: impl FnOnce(&mut Recorded) -> T) -> T {
        with(&mut self.inner().records)
    }

    /// Commits. What takes time is done where nobody waits for it: before the lock is had, and after it is given back.
    fn committed(&self, commit: Commit) -> Result<Committed, StoreError> {
        let lines = if commit.finished { None } else { Some(written(&self.seals, &commit)?) };
        let (committed, resting) = self.inner().commit(&self.seals, commit, lines)?;
        if let Some(resting) = resting {
            let packed = resting.1.pack();
            self.inner().settle(resting, packed);
        }
        Ok(committed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // INVARIANT: `commit` changes nothing before all that can fail is done, so a poisoned lock holds whole data.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    fn new(owner: Owner, now: Timestamp) -> Self {
        Self {
            owner,
            updated: now,
            wake_at: None,
            life: Life::Open,
            gone: 0,
            log: Log::default(),
            snapshot: None,
            messages: Vec::new(),
            audit: AuditHead::default(),
            pinned: Box::default(),
        }
    }

    fn version(&self) -> u64 {
        self.gone + self.log.events()
    }
}

impl Inner {
    fn name(&mut self, name: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        self.names.insert(name.clone());
        name.clone()
    }

    fn load(&self, seals: &Seals, key: &ConversationKey, known: u64) -> Result<Option<Stored>, StoreError> {
        let Some(conversation) = self.conversations.get(key) else { return Ok(None) };
        if conversation.life == Life::Erased {
            return Err(StoreError::Erased(key.id.clone()));
        }
        let mut from = known;
        let mut snapshot = None;
        if let Some((version, packed)) = conversation.snapshot.as_deref()
            && *version > known
        {
            snapshot = seals.read_state(key, &self.dictionary.unpack(packed)?)?;
            from = if snapshot.is_some() { *version } else { known };
        }
        let events = self.events(seals, key, conversation, from, usize::MAX)?.into_iter().map(|(_, event)| event).collect();
        let (owner, audit) = (conversation.owner.clone(), conversation.audit.clone());
        Ok(Some(Stored { owner, version: conversation.version(), snapshot, events, audit }))
    }

    /// Commits those lines, or, of what has ended, what is left of it and the rest; and gives what lies idle now.
    fn commit(&mut self, seals: &Seals, commit: Commit, lines: Option<Lines>) -> Result<(Committed, Option<Resting>), StoreError> {
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
        self.commits += 1;
        let standing = self.conversations.get(&key);
        if standing.is_some_and(|c| c.life == Life::Erased) {
            return Err(StoreError::Erased(key.id));
        }
        let version = standing.map_or(0, |c| c.version());
        if version != expected {
            return Ok((Committed::Conflict { version }, None));
        }
        let refused = self.refuse(&key, &claims, now);
        if !refused.is_empty() {
            return Ok((Committed::ClaimRefused { refused }, None));
        }
        // What came before is rewritten when all but the transcript goes.
        let mut remains = None;
        let lines = if let Some(lines) = lines {
            lines
        } else {
            let (mut kept, gone, messages) = self.transcript(seals, &key, &events, now)?;
            remains = Some((gone, messages));
            write_beside(seals, &key, &audit, reply.as_ref(), &mut kept)?;
            kept
        };
        let replied = reply.map(|r| digest(&r.message_id));
        let snapshot = match snapshot {
            Some(state) => {
                let mut raw = Vec::new();
                seals.write_state(&key, &state, &mut raw)?;
                Some(self.dictionary.packer().pack(&raw))
            }
            None => None,
        };

        let key = ConversationKey { tenant: self.name(&key.tenant), id: key.id };
        let owner = match owner {
            Some(o) => Some(Owner { agent: self.name(&o.agent), user: o.user }),
            None => None,
        };
        let pinned = pinned.map(|hashes| hashes.into_iter().map(|h| ContentHash(self.name(&h.0))).collect());
        let conversation = match (self.conversations.get_mut(&key), owner) {
            (Some(c), _) => c,
            (None, Some(owner)) => self.conversations.entry(key.clone()).or_insert_with(|| Box::new(Conversation::new(owner, now))),
            (None, None) => return Err(no_owner()),
        };
        if let Some((gone, messages)) = remains {
            conversation.log = Log::default();
            conversation.gone = gone;
            conversation.life = Life::Finished;
            conversation.messages = messages;
        }
        let opened = conversation.log.append(&mut self.dictionary, &lines)?;
        let version = conversation.version();
        conversation.updated = now;
        if let Some(packed) = snapshot {
            conversation.snapshot = Some(Box::new((version, packed)));
        }
        if let Some(head) = audit_head.or_else(|| audit.last().map(|last| AuditHead { seq: last.seq, mac: last.mac.clone() })) {
            conversation.audit = head;
        }
        if let Some(pinned) = pinned {
            conversation.pinned = pinned;
        }
        for claim in &claims {
            if let Claim::Message { id } = claim {
                conversation.messages.retain(|m| !m.is_outdated(now));
                conversation.messages.reserve_exact(1);
                conversation.messages.push(Message { id: digest(id), second: second(now), reply: NO_REPLY });
            }
        }
        let line = conversation.log.lines().saturating_sub(1);
        if let Some(message) = replied.and_then(|id| conversation.messages.iter_mut().find(|m| m.id == id)) {
            message.reply = line;
        }
        let wake_at = wake_at.filter(|_| !finished);
        if conversation.wake_at != wake_at {
            if let Some(old) = conversation.wake_at.take() {
                self.timers.remove(&(old, key.clone()));
            }
            conversation.wake_at = wake_at;
            if let Some(at) = wake_at {
                self.timers.insert((at, key.clone()));
            }
        }
        for change in holds {
            match change {
                HoldChange::Opened(row) => {
                    self.holds.insert((key.tenant.clone(), row.id.clone()), Held { key: key.clone(), row });
                }
                HoldChange::Closed { id } => {
                    self.holds.remove(&(key.tenant.clone(), id));
                }
            }
        }
        let owes = self.records.owe(&key.tenant, &key.id, now, &owed);
        for row in executions {
            let executed = Executed { key: key.clone(), row };
            self.executions.insert((key.tenant.clone(), executed.row.id.clone()), executed);
        }
        if !claims.is_empty() {
            let ledger = self.ledgers.entry(key.tenant.clone()).or_default();
            for claim in claims {
                ledger.take(claim, &key.id, now);
            }
        }
        let resting = if opened { self.opened(key) } else { None };
        Ok((Committed::Done { version, owes }, resting))
    }

    /// The last lines of a conversation lie open: those of the one that was opened first are to be made small.
    fn opened(&mut self, key: ConversationKey) -> Option<Resting> {
        self.open.push_back(key);
        let first = if self.open.len() > OPEN { self.open.pop_front()? } else { return None };
        let idle = self.conversations.get(&first)?.log.idle(&self.dictionary)?;
        Some((first, idle))
    }

    /// Puts the lines of a conversation that were made small in their place, unless it spoke meanwhile.
    fn settle(&mut self, (key, idle): Resting, packed: Packed) {
        if self.conversations.get_mut(&key).is_some_and(|c| c.log.settle(&idle, packed)) {
            self.open.push_back(key);
        }
    }

    /// The lines that stay of a conversation that ends, how many of its events do not, and the message ids with their replies.
    fn transcript(
        &self,
        seals: &Seals,
        key: &ConversationKey,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(Lines, u64, Vec<Message>), StoreError> {
        let mut lines = Lines::default();
        let (mut all, mut version, mut messages) = (Vec::new(), 0, Vec::new());
        if let Some(c) = self.conversations.get(key) {
            all = self.events(seals, key, c, 0, usize::MAX)?;
            version = c.version();
            for row in self.audit(c)? {
                lines.push(Kind::Audit, |out| write_row(&row, out))?;
            }
            for message in c.messages.iter().filter(|m| !m.is_outdated(now)) {
                let said =
                    if message.reply == NO_REPLY { None } else { c.log.line(&self.dictionary, message.reply, |line| Ok(line.to_vec()))? };
                let reply = match said {
                    Some(line) => lines.push(Kind::Beside, |out| out.write_all(&line).map_err(|e| StoreError::Corrupt(e.to_string())))?,
                    None => NO_REPLY,
                };
                messages.push(Message { reply, ..*message });
            }
        }
        all.extend((version + 1..).zip(events.iter().cloned()));
        let count = all.len();
        all.retain(|(_, event)| event.body.is_transcript());
        for (number, event) in &all {
            lines.push(Kind::Event, |out| write_numbered(seals, key, *number, event, out))?;
        }
        let gone = self.conversations.get(key).map_or(0, |c| c.gone) + u64::try_from(count - all.len()).unwrap_or(u64::MAX);
        Ok((lines, gone, messages))
    }

    /// The events after the one with that number.
    fn events(
        &self,
        seals: &Seals,
        key: &ConversationKey,
        conversation: &Conversation,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, StoreError> {
        let (log, gone) = (&conversation.log, conversation.gone);
        // Of what has ended the numbers stand before the events.
        let ended = gone > 0;
        let first = if ended { 0 } else { after };
        let mut next = gone + first;
        let mut found = log.read_events(&self.dictionary, first, if ended { usize::MAX } else { limit }, |line| {
            next += 1;
            let (number, line) = numbered(line, next);
            Ok((number, seals.read_event(key, line)?))
        })?;
        found.retain(|(number, _)| *number > after);
        found.truncate(limit);
        Ok(found)
    }

    fn audit(&self, conversation: &Conversation) -> Result<Vec<AuditRow>, StoreError> {
        conversation.log.read_audit(&self.dictionary, read_row)
    }

    fn refuse(&self, key: &ConversationKey, claims: &[Claim], now: Timestamp) -> Vec<Refused> {
        let empty = Ledger::default();
        let ledger = self.ledgers.get(&key.tenant).unwrap_or(&empty);
        let used = |id: &str| {
            let id = digest(id);
            self.conversations.get(key).is_some_and(|c| c.messages.iter().any(|m| m.id == id && !m.is_outdated(now)))
        };
        let refuse = |(i, claim): (usize, &Claim)| {
            if let Claim::Message { id } = claim {
                return used(id).then(|| refused(claim, "used"));
            }
            ledger.refuse(claim, &key.id, now, taken(claims, i))
        };
        claims.iter().enumerate().filter_map(refuse).collect()
    }

    fn reply(&self, seals: &Seals, key: &ConversationKey, message_id: &str, now: Timestamp) -> Result<Option<Reply>, StoreError> {
        let Some(conversation) = self.conversations.get(key) else { return Ok(None) };
        let id = digest(message_id);
        let Some(message) = conversation.messages.iter().find(|m| m.id == id && m.reply != NO_REPLY && !m.is_outdated(now)) else {
            return Ok(None);
        };
        conversation
            .log
            .line(&self.dictionary, message.reply, |line| {
                let mut parts = serde_json::Deserializer::from_slice(line).into_iter::<ReplyHead>();
                let Some(head) = parts.next() else { return Err(StoreError::Corrupt("a reply is empty".into())) };
                let (message_id, digest) = head.map_err(corrupt)?;
                let answer = seals.read_answer(key, line.get(parts.byte_offset()..).unwrap_or_default())?;
                Ok(answer.map(|answer| Reply { message_id, digest, answer }))
            })
            .map(Option::flatten)
    }

    /// Drops versions that nobody stands on and that were not put for long.
    fn drop_versions(&mut self, now: Timestamp) {
        let old: Vec<_> = self.versions.iter().filter(|(_, v)| v.at < before(now, VERSIONS_KEPT)).map(|(h, _)| h.clone()).collect();
        if old.is_empty() {
            return;
        }
        let pinned: BTreeSet<_> = self.conversations.values().flat_map(|c| c.pinned.iter()).collect();
        for hash in old {
            if self.versions.get(&hash).is_some_and(|v| !v.hashes.iter().any(|h| pinned.contains(h))) {
                self.versions.remove(&hash);
            }
        }
        let kept: BTreeSet<_> = self.versions.values().flat_map(|v| v.hashes.iter()).collect();
        self.texts.retain(|hash, _| kept.contains(hash));
    }

    fn erase_user(&mut self, tenant: &str, user: &str, digest: &DigestText) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        let all = self.conversations.iter();
        let theirs = all.filter(|(k, c)| &*k.tenant == tenant && &*c.owner.user == user && c.life != Life::Erased);
        let mut keys: Vec<_> = theirs.map(|(k, _)| k.clone()).collect();
        // INVARIANT: each is erased once, so this ends.
        while let Some(key) = keys.pop() {
            let Some(conversation) = self.conversations.get(&key).filter(|c| c.life != Life::Erased) else { continue };
            let mut lines = Lines::default();
            for row in self.audit(conversation)? {
                erased.audit += u64::from(!row.erased);
                let text = if row.erased { row.text.clone() } else { digest(&row.text) };
                lines.push(Kind::Audit, |out| write_row(&AuditRow { text, erased: true, ..row }, out))?;
            }
            let Some(conversation) = self.conversations.get_mut(&key) else { continue };
            let (version, audit) = (conversation.version(), std::mem::take(&mut conversation.audit));
            let owner = Owner { agent: conversation.owner.agent.clone(), user: "".into() };
            if let Some(at) = conversation.wake_at {
                self.timers.remove(&(at, key.clone()));
            }
            **conversation = Conversation { life: Life::Erased, gone: version, audit, ..Conversation::new(owner, conversation.updated) };
            conversation.log.append(&mut self.dictionary, &lines)?;
            conversation.log.pack(&self.dictionary);
            self.holds.retain(|_, held| held.key != key);
            let runs = self.records.forget(&key.tenant, &key.id);
            keys.extend(runs.into_iter().map(|id| ConversationKey::new(key.tenant.clone(), id)));
            self.executions.retain(|_, executed| executed.key != key);
            if let Some(ledger) = self.ledgers.get_mut(&key.tenant) {
                ledger.forget(&key.id);
            }
            erased.conversations += 1;
        }
        Ok(erased)
    }

    fn conversations(&self, tenant: &str, agent: &str, user: Option<&str>, after: Option<&str>, limit: usize) -> Vec<Listed> {
        let start = ConversationKey::new(tenant, after.unwrap_or(""));
        self.conversations
            .range((Bound::Excluded(start), Bound::Unbounded))
            .take_while(|(k, _)| &*k.tenant == tenant)
            .filter(|(_, c)| c.life != Life::Erased && &*c.owner.agent == agent && user.is_none_or(|u| &*c.owner.user == u))
            .take(limit)
            .map(|(key, c)| Listed { key: key.clone(), owner: c.owner.clone(), version: c.version(), updated: c.updated })
            .collect()
    }
}

impl Store for MemoryStore {
    fn load(&self, key: &ConversationKey, known: u64) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        ready(self.inner().load(&self.seals, key, known))
    }

    fn events(
        &self,
        key: &ConversationKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(u64, Event)>, StoreError>> + Send {
        let inner = self.inner();
        ready(inner.conversations.get(key).map_or_else(|| Ok(Vec::new()), |c| inner.events(&self.seals, key, c, after, limit)))
    }

    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send {
        ready(self.committed(commit))
    }

    fn reply(
        &self,
        key: &ConversationKey,
        message_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send {
        ready(self.inner().reply(&self.seals, key, message_id, now))
    }

    fn holder(
        &self,
        tenant: &str,
        kind: &str,
        key: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<ConversationKey>, StoreError>> + Send {
        let inner = self.inner();
        let id = inner.ledgers.get(tenant).and_then(|l| l.holder(kind, key, now)).cloned();
        ready(Ok(id.map(|id| ConversationKey::new(tenant, id))))
    }

    fn put_texts(&self, version: Version) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut inner = self.inner();
        let Version { hash, at, texts } = version;
        let kept = Kept { at, hashes: texts.iter().map(|(h, _)| h.clone()).collect() };
        for (hash, text) in texts {
            inner.texts.entry(hash).or_insert(text);
        }
        inner.versions.insert(hash, kept);
        inner.drop_versions(at);
        ready(Ok(()))
    }

    fn text(&self, hash: &ContentHash) -> impl Future<Output = Result<Option<Arc<str>>, StoreError>> + Send {
        ready(Ok(self.inner().texts.get(hash).cloned()))
    }

    fn conversations(
        &self,
        tenant: &str,
        agent: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send {
        ready(Ok(self.inner().conversations(tenant, agent, user, after, limit)))
    }

    fn due(&self, by: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<(Timestamp, ConversationKey)>, StoreError>> + Send {
        let due = self.inner().timers.iter().take_while(|(at, _)| *at <= by).take(limit).cloned().collect();
        ready(Ok(due))
    }

    fn audit(&self, key: &ConversationKey, from: u64, limit: usize) -> impl Future<Output = Result<Vec<AuditRow>, StoreError>> + Send {
        let inner = self.inner();
        let rows = inner.conversations.get(key).map_or(Ok(Vec::new()), |c| inner.audit(c));
        ready(rows.map(|rows| rows.into_iter().filter(|r| r.seq >= from).take(limit).collect()))
    }

    fn heads(
        &self,
        after: Option<&ConversationKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(ConversationKey, AuditHead)>, StoreError>> + Send {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let inner = self.inner();
        let heads = inner.conversations.range((from, Bound::Unbounded)).take(limit);
        ready(Ok(heads.map(|(k, c)| (k.clone(), c.audit.clone())).collect()))
    }

    fn holds(
        &self,
        tenant: &str,
        agent: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Held>, StoreError>> + Send {
        let start = (Arc::from(tenant), Arc::from(after.unwrap_or("")));
        let inner = self.inner();
        let held = inner.holds.range((Bound::Excluded(start), Bound::Unbounded)).take_while(|((t, _), _)| &**t == tenant);
        ready(Ok(held.map(|(_, h)| h).filter(|h| &*h.row.agent == agent).take(limit).cloned().collect()))
    }

    fn executions(&self, tenant: &str, sought: Sought<'_>, limit: usize) -> impl Future<Output = Result<Vec<Executed>, StoreError>> + Send {
        let inner = self.inner();
        let of_user = |key: &ConversationKey, user: &str| inner.conversations.get(key).is_some_and(|c| *c.owner.user == *user);
        let is = |e: &&Executed| {
            sought.conversation.is_none_or(|id| *e.key.id == *id)
                && sought.user.is_none_or(|user| of_user(&e.key, user))
                && sought.action.is_none_or(|action| *e.row.action == *action)
                && sought.status.is_none_or(|status| e.row.status == status)
                && sought.before.is_none_or(|id| *e.row.id < *id)
        };
        let found = inner.executions.iter().rev().filter(|((t, _), _)| **t == *tenant).map(|(_, e)| e).filter(is);
        ready(Ok(found.take(limit).cloned().collect()))
    }

    fn hold(&self, tenant: &str, id: &str) -> impl Future<Output = Result<Option<Held>, StoreError>> + Send {
        ready(Ok(self.inner().holds.get(&(tenant.into(), id.into())).cloned()))
    }

    fn secret(&self, name: &str, fresh: [u8; 32]) -> impl Future<Output = Result<[u8; 32], StoreError>> + Send {
        ready(Ok(*self.inner().secrets.entry(name.into()).or_insert(fresh)))
    }

    fn stat(&self) -> impl Future<Output = Result<Stat, StoreError>> + Send {
        let inner = self.inner();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        ready(Ok(Stat {
            kind: "memory",
            schema: 0,
            conversations: count(inner.conversations.len()),
            unfinished: count(inner.conversations.values().filter(|c| c.life == Life::Open).count()),
            audit: inner.conversations.values().map(|c| c.audit.seq).sum(),
            holds: count(inner.holds.len()),
            timers: count(inner.timers.len()),
            versions: count(inner.versions.len()),
            bytes: inner.conversations.values().map(|c| c.log.bytes()).sum(),
            commits: inner.commits,
            transactions: inner.commits,
        }))
    }

    fn erase_user(&self, tenant: &str, user: &str, digest: DigestText) -> impl Future<Output = Result<Erased, StoreError>> + Send {
        ready(self.inner().erase_user(tenant, user, &digest))
    }
}

/// A commit as the lines of its log.
fn written(seals: &Seals, commit: &Commit) -> Result<Lines, StoreError> {
    let mut lines = Lines::default();
    for event in commit.events.iter() {
        lines.push(Kind::Event, |out| seals.write_event(&commit.key, event, out))?;
    }
    write_beside(seals, &commit.key, &commit.audit, commit.reply.as_ref(), &mut lines)?;
    Ok(lines)
}

/// The lines beside its events: the rows of its audit, and, as the last, a reply.
fn write_beside(
    seals: &Seals,
    key: &ConversationKey,
    audit: &[AuditRow],
    reply: Option<&Reply>,
    lines: &mut Lines,
) -> Result<(), StoreError> {
    for row in audit {
        lines.push(Kind::Audit, |out| write_row(row, out))?;
    }
    if let Some(reply) = reply {
        lines.push(Kind::Beside, |out| {
            let head: ReplyHead = (reply.message_id.clone(), reply.digest.clone());
            serde_json::to_writer(&mut *out, &head).map_err(corrupt)?;
            seals.write_answer(key, &reply.answer, out)
        })?;
    }
    Ok(())
}

/// A row of an audit: its text, which is JSON itself, stands last and as it is.
fn write_row(row: &AuditRow, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let AuditRow { seq, at, text, mac, erased } = row;
    let is_plain = !text.contains('\n') && !mac.contains(['\n', ' ']);
    let written = if is_plain {
        write!(out, "{seq} {} {} {mac} ", at.as_nanosecond(), u8::from(*erased)).and_then(|()| out.write_all(text.as_bytes()))
    } else {
        serde_json::to_writer(out, row).map_err(std::io::Error::from)
    };
    written.map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn read_row(line: &[u8]) -> Result<AuditRow, StoreError> {
    if line.starts_with(b"{") {
        return serde_json::from_slice(line).map_err(corrupt);
    }
    let row = || {
        let mut parts = std::str::from_utf8(line).ok()?.splitn(5, ' ');
        let (seq, at, erased) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()? == "1");
        let (mac, text) = (parts.next()?.into(), parts.next()?.into());
        Some(AuditRow { seq, at: Timestamp::from_nanosecond(at).ok()?, text, mac, erased })
    };
    row().ok_or_else(|| StoreError::Corrupt("a row of an audit is broken".into()))
}

fn before(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

fn second(at: Timestamp) -> u32 {
    u32::try_from(at.as_second()).unwrap_or(0)
}

impl Message {
    fn is_outdated(&self, now: Timestamp) -> bool {
        i64::from(second(now)) - i64::from(self.second) >= MESSAGE_IDS_KEPT.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_an_audit_is_read_as_it_was_written() {
        for (text, mac, erased) in [
            (r#"{"v":1,"who":"user","lines":[{"kind":"step","what":"a \"b\""}]}"#, "0a1b", false),
            ("0a1b 2c3d", "4e5f", true),
            ("", "", false),
            ("two\nlines", "0a1b", false),
            ("text", "a b", true),
        ] {
            let row =
                AuditRow { seq: 7, at: Timestamp::new(1_795_482_928, 399_000_001).unwrap(), text: text.into(), mac: mac.into(), erased };
            let mut line = Vec::new();
            write_row(&row, &mut line).unwrap();
            assert!(!line.contains(&b'\n'), "it is one line");
            assert_eq!(read_row(&line).unwrap(), row);
        }
        assert!(read_row(b"7 1 0").is_err());
    }
}
