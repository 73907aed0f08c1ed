//! A store in memory, for `chat`, `demo`, `test` and for trying things: small for each conversation, gone with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::claims::Ledger;
use super::log::{Dictionary, Kind, Lines, Log, Packed};
use super::{Commit, Committed, ConversationKey, Listed, MESSAGE_IDS_KEPT, Owner, Reply, Store, StoreError, Stored};
use crate::engine::{Answer, Claim, Event, Refused};
use crate::model::workspace::ContentHash;

/// A store in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    names: BTreeSet<Arc<str>>,
    dictionary: Dictionary,
    // Boxed: the nodes of the map are half empty.
    conversations: BTreeMap<ConversationKey, Box<Conversation>>,
    ledgers: BTreeMap<Arc<str>, Ledger>,
    timers: BTreeSet<(Timestamp, ConversationKey)>,
    texts: BTreeMap<ContentHash, Arc<str>>,
}

#[derive(Debug)]
struct Conversation {
    owner: Owner,
    updated: Timestamp,
    wake_at: Option<Timestamp>,
    // Replies stand beside the events that say the same words, which makes them small.
    log: Log,
    snapshot: Option<(u64, Packed)>,
    messages: Vec<Message>,
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

/// A reply as it lies in the log.
#[derive(serde::Serialize, serde::Deserialize)]
struct ReplyLine {
    id: Arc<str>,
    digest: Arc<str>,
    answer: Answer,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // INVARIANT: `commit` changes nothing before all that can fail is done, so a poisoned lock holds whole data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn load(&self, key: &ConversationKey, known: u64) -> Result<Option<Stored>, StoreError> {
        let Some(conversation) = self.conversations.get(key) else { return Ok(None) };
        let mut from = known;
        let mut snapshot = None;
        if let Some((version, packed)) = &conversation.snapshot
            && *version > known
        {
            let raw = self.dictionary.unpack(packed)?;
            snapshot = Some(serde_json::from_slice(&raw).map_err(corrupt)?);
            from = *version;
        }
        let events = conversation.log.read_events(&self.dictionary, from, usize::MAX, parse_event)?;
        Ok(Some(Stored { owner: conversation.owner.clone(), version: conversation.log.events(), snapshot, events }))
    }

    fn commit(&mut self, commit: Commit) -> Result<Committed, StoreError> {
        let Commit { key, expected, now, owner, events, claims, wake_at, snapshot, reply } = commit;
        let version = self.conversations.get(&key).map_or(0, |c| c.log.events());
        if version != expected {
            return Ok(Committed::Conflict { version });
        }
        let refused = self.refuse(&key, &claims, now);
        if !refused.is_empty() {
            return Ok(Committed::ClaimRefused { refused });
        }
        let mut lines = Lines::default();
        for event in &events {
            lines.push(Kind::Event, event)?;
        }
        let replied = match reply {
            Some(r) => {
                lines.push(Kind::Beside, &ReplyLine { id: r.message_id.clone(), digest: r.digest, answer: r.answer })?;
                Some(digest(&r.message_id))
            }
            None => None,
        };
        let snapshot = match snapshot {
            Some(state) => Some(self.dictionary.pack(&serde_json::to_vec(&state).map_err(corrupt)?)),
            None => None,
        };

        let key = ConversationKey { tenant: self.name(&key.tenant), id: key.id };
        let owner = match owner {
            Some(o) => Some(Owner { agent: self.name(&o.agent), user: o.user }),
            None => None,
        };
        let conversation = match (self.conversations.get_mut(&key), owner) {
            (Some(c), _) => c,
            (None, Some(owner)) => self.conversations.entry(key.clone()).or_insert_with(|| {
                let (log, messages) = (Log::default(), Vec::new());
                Box::new(Conversation { owner, updated: now, wake_at: None, log, snapshot: None, messages })
            }),
            (None, None) => return Err(StoreError::Corrupt("a conversation begins without an owner".into())),
        };
        conversation.log.append(&mut self.dictionary, &lines)?;
        let version = conversation.log.events();
        conversation.updated = now;
        if let Some(packed) = snapshot {
            conversation.snapshot = Some((version, packed));
        }
        conversation.messages.retain(|m| !m.is_outdated(now));
        for claim in &claims {
            if let Claim::Message { id } = claim {
                conversation.messages.reserve_exact(1);
                conversation.messages.push(Message { id: digest(id), second: second(now), reply: NO_REPLY });
            }
        }
        let line = conversation.log.lines().saturating_sub(1);
        if let Some(message) = replied.and_then(|id| conversation.messages.iter_mut().find(|m| m.id == id)) {
            message.reply = line;
        }
        if conversation.wake_at != wake_at {
            if let Some(old) = conversation.wake_at.take() {
                self.timers.remove(&(old, key.clone()));
            }
            conversation.wake_at = wake_at;
            if let Some(at) = wake_at {
                self.timers.insert((at, key.clone()));
            }
        }
        if !claims.is_empty() {
            let ledger = self.ledgers.entry(key.tenant.clone()).or_default();
            for claim in claims {
                ledger.take(claim, &key.id, now);
            }
        }
        Ok(Committed::Done { version })
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
                return used(id).then(|| super::claims::refused(claim, "used"));
            }
            let before = claims.iter().take(i);
            let taken =
                before.filter(|c| matches!((c, claim), (Claim::Rate { bucket: a, .. }, Claim::Rate { bucket: b, .. }) if a == b)).count();
            ledger.check(claim, &key.id, now, taken).err()
        };
        claims.iter().enumerate().filter_map(refuse).collect()
    }

    fn reply(&self, key: &ConversationKey, message_id: &str) -> Result<Option<Reply>, StoreError> {
        let Some(conversation) = self.conversations.get(key) else { return Ok(None) };
        let id = digest(message_id);
        let Some(message) = conversation.messages.iter().find(|m| m.id == id && m.reply != NO_REPLY) else { return Ok(None) };
        let line =
            conversation.log.line(&self.dictionary, message.reply, |line| serde_json::from_slice::<ReplyLine>(line).map_err(corrupt))?;
        Ok(line.map(|l| Reply { message_id: l.id, digest: l.digest, answer: l.answer }))
    }

    fn conversations(&self, tenant: &str, agent: &str, user: Option<&str>, after: Option<&str>, limit: usize) -> Vec<Listed> {
        let start = ConversationKey::new(tenant, after.unwrap_or(""));
        self.conversations
            .range((Bound::Excluded(start), Bound::Unbounded))
            .take_while(|(k, _)| &*k.tenant == tenant)
            .filter(|(_, c)| &*c.owner.agent == agent && user.is_none_or(|u| &*c.owner.user == u))
            .take(limit)
            .map(|(key, c)| Listed { key: key.clone(), owner: c.owner.clone(), version: c.log.events(), updated: c.updated })
            .collect()
    }
}

impl Store for MemoryStore {
    fn load(&self, key: &ConversationKey, known: u64) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        ready(self.inner().load(key, known))
    }

    fn events(&self, key: &ConversationKey, from: u64, limit: usize) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send {
        let inner = self.inner();
        ready(match inner.conversations.get(key) {
            Some(c) => c.log.read_events(&inner.dictionary, from, limit, parse_event),
            None => Ok(Vec::new()),
        })
    }

    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send {
        ready(self.inner().commit(commit))
    }

    fn reply(&self, key: &ConversationKey, message_id: &str) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send {
        ready(self.inner().reply(key, message_id))
    }

    fn put_texts(&self, texts: Vec<(ContentHash, Arc<str>)>) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut inner = self.inner();
        for (hash, text) in texts {
            inner.texts.entry(hash).or_insert(text);
        }
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
}

fn parse_event(line: &[u8]) -> Result<Event, StoreError> {
    serde_json::from_slice(line).map_err(corrupt)
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

fn digest(id: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(Sha256::digest(id.as_bytes())) {
        *to = from;
    }
    out
}
