//! How what a store keeps is written and read: the one codec of every store, at its edge, and where sensitive values are sealed.
//!
//! At rest an event is what may be shown of it and, beside that, what was taken out, sealed for its tenant and conversation. A
//! snapshot or an answer with anything sensitive in it is sealed whole. Knows what events, snapshots and answers look like, and
//! nothing of where the bytes go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ConversationKey, StoreError};
use crate::engine::{Answer, Event, EventBody, Recorded, State, Taken, derived, key_id};

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Writes and reads what a store keeps of a conversation. Without keys it seals nothing: for a store that is gone with its process.
#[derive(Clone, Default)]
pub struct Seals(Option<Arc<Sealing>>);

struct Sealing {
    first: SealKey,
    older: Vec<SealKey>,
    // Random, and a counter: no two nonces of an installation are the same.
    random: [u8; 16],
    drawn: AtomicU64,
}

struct SealKey {
    id: Arc<str>,
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.0.iter().flat_map(|s| std::iter::once(&s.first).chain(&s.older)).map(|k| &k.id);
        f.debug_list().entries(ids).finish()
    }
}

impl SealKey {
    fn new(master: &[u8]) -> Self {
        Self { id: key_id(master).into(), cipher: XChaCha20Poly1305::new(&derived(master, "seal").into()) }
    }
}

impl Seals {
    /// Seals with the key of `master`, and opens what it or any of `older` sealed. `random` is fresh for each process.
    #[must_use]
    pub fn new(master: &[u8], older: &[&[u8]], random: [u8; 16]) -> Self {
        let older = older.iter().map(|m| SealKey::new(m)).collect();
        Self(Some(Arc::new(Sealing { first: SealKey::new(master), older, random, drawn: AtomicU64::new(0) })))
    }

    /// An event as one line of JSON, at the end of `out`.
    pub fn write_event(&self, of: &ConversationKey, event: &Event, out: &mut Vec<u8>) -> Result<(), StoreError> {
        match &self.0 {
            Some(sealing) if event.is_sensitive() && !matches!(event.body, EventBody::Sealed { .. }) => {
                let mut shown = event.clone();
                let taken = shown.take_sensitive();
                let sealed = sealing.seal(of, Kind::Event, &json(&taken)?)?.into();
                shown.body = EventBody::Sealed { body: Box::new(shown.body), sealed };
                write(&shown, out)
            }
            _ => write(event, out),
        }
    }

    /// The event that was written; without what is sensitive in it, if no key opens that.
    pub fn read_event(&self, of: &ConversationKey, bytes: &[u8]) -> Result<Event, StoreError> {
        let event: Event = read(bytes)?;
        let EventBody::Sealed { body, sealed } = event.body else { return Ok(event) };
        let opened = self.0.as_ref().and_then(|s| s.open(of, Kind::Event, &sealed));
        let taken: Option<Taken> = opened.and_then(|raw| serde_json::from_slice(&raw).ok());
        let mut event = Event { body: *body, ..event };
        let shown = event.clone();
        if taken.is_some_and(|taken| event.put_back(taken)) {
            return Ok(event);
        }
        Ok(Event { body: EventBody::Sealed { body: Box::new(shown.body), sealed }, ..shown })
    }

    /// A snapshot.
    pub fn write_state(&self, of: &ConversationKey, state: &State, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.write_whole(of, Kind::State, state, state.is_sensitive(), out)
    }

    /// The snapshot that was written; `None` if no key opens it: the events before it tell the same.
    pub fn read_state(&self, of: &ConversationKey, bytes: &[u8]) -> Result<Option<State>, StoreError> {
        self.read_whole(of, Kind::State, bytes)
    }

    /// What a turn answered.
    pub fn write_answer(&self, of: &ConversationKey, answer: &Answer, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.write_whole(of, Kind::Answer, answer, answer.sensitive, out)
    }

    /// The answer that was written; `None` if no key opens it.
    pub fn read_answer(&self, of: &ConversationKey, bytes: &[u8]) -> Result<Option<Answer>, StoreError> {
        self.read_whole(of, Kind::Answer, bytes)
    }

    /// What came of the request of an idempotency key: `of` is the tenant and the key, for any conversation may ask for it.
    pub fn write_recorded(&self, of: &ConversationKey, recorded: &Recorded, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.write_whole(of, Kind::Recorded, recorded, recorded.is_sensitive(), out)
    }

    /// What was recorded under a key; `None` if no key of ours opens it.
    pub fn read_recorded(&self, of: &ConversationKey, bytes: &[u8]) -> Result<Option<Recorded>, StoreError> {
        self.read_whole(of, Kind::Recorded, bytes)
    }

    fn write_whole(
        &self,
        of: &ConversationKey,
        kind: Kind,
        value: &impl Serialize,
        sensitive: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        match &self.0 {
            Some(sealing) if sensitive => write(&sealing.seal(of, kind, &json(value)?)?, out),
            _ => write(value, out),
        }
    }

    /// What is sealed is a string, everything else a map.
    fn read_whole<T: DeserializeOwned>(&self, of: &ConversationKey, kind: Kind, bytes: &[u8]) -> Result<Option<T>, StoreError> {
        if !bytes.starts_with(b"\"") {
            return read(bytes).map(Some);
        }
        let sealed: String = read(bytes)?;
        self.0.as_ref().and_then(|s| s.open(of, kind, &sealed)).map(|raw| read(&raw)).transpose()
    }
}

/// What is sealed: one cannot be put in another's place.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Event,
    State,
    Answer,
    Recorded,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::State => "state",
            Self::Answer => "answer",
            Self::Recorded => "recorded",
        }
    }
}

impl Sealing {
    /// The id of the key and, after a dot, the nonce and what only that key opens.
    fn seal(&self, of: &ConversationKey, kind: Kind, raw: &[u8]) -> Result<String, StoreError> {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut nonce = [0; NONCE];
        for (to, from) in nonce.iter_mut().zip(self.random.iter().chain(&drawn)) {
            *to = *from;
        }
        let context = context(of, kind);
        let sealed = self.first.cipher.encrypt(&XNonce::from(nonce), Payload { msg: raw, aad: &context });
        let sealed = sealed.map_err(|_| StoreError::Corrupt("a sensitive value is too long to be sealed".into()))?;
        let mut out = format!("{}.", self.first.id);
        BASE64.encode_string([&nonce[..], &sealed].concat(), &mut out);
        Ok(out)
    }

    /// What was sealed, if its key is here and nobody has touched it.
    fn open(&self, of: &ConversationKey, kind: Kind, sealed: &str) -> Option<Vec<u8>> {
        let (id, rest) = sealed.split_once('.')?;
        let key = std::iter::once(&self.first).chain(&self.older).find(|k| *k.id == *id)?;
        let bytes = BASE64.decode(rest).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        key.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &context(of, kind) }).ok()
    }
}

/// What a sealed value is bound to.
fn context(of: &ConversationKey, kind: Kind) -> Vec<u8> {
    let mut out = Vec::new();
    for part in [kind.name(), &of.tenant, &of.id] {
        out.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend(part.as_bytes());
    }
    out
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    serde_json::to_writer(out, value).map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))
}
