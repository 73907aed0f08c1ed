//! The chain of a conversation's audit: each row is bound to the one before it, and its end is sealed by itself.
//!
//! A row's code is keyed over the code before it, its number, its time and a keyed digest of its text, so that a text can be erased
//! and the chain still holds. The code of the end can be made only with the key: rows cut off with their end cannot be passed over.

use std::sync::Arc;

use jiff::Timestamp;

use super::DriverError;
use crate::engine::{Event, Keys, audit};
use crate::store::{AuditHead, AuditRow, ConversationKey, Store, StoreError};

/// Conversations and rows that are read at a time.
const PAGE: usize = 1_000;
/// How far from its place a row is looked for.
const NEAR: u64 = 8;
/// Rows of one conversation that are looked for elsewhere.
const SOUGHT: usize = 64;

/// Bytes that most entries fit in.
const ENTRY: usize = 1024;

/// Makes and checks the codes of audits.
#[derive(Debug, Clone)]
pub struct Chain {
    keys: Keys,
}

impl Chain {
    /// The chain that these keys make.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self { keys }
    }

    /// The row of these events, after `head`, and the end that it makes.
    pub(super) fn append(
        &self,
        of: &ConversationKey,
        head: &AuditHead,
        at: Timestamp,
        events: &[Event],
    ) -> Result<(Vec<AuditRow>, Option<AuditHead>), DriverError> {
        let Some(entry) = audit(events) else { return Ok((Vec::new(), None)) };
        let corrupt = |e: &dyn std::error::Error| StoreError::Corrupt(e.to_string());
        let mut text = Vec::with_capacity(ENTRY);
        serde_json::to_writer(&mut text, &entry).map_err(|e| corrupt(&e))?;
        let text: Arc<str> = String::from_utf8(text).map_err(|e| corrupt(&e))?.into();
        let (seq, before) = (head.seq + 1, code_of(head));
        // Stores keep times to the millisecond.
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let mac = self.code(of, before, seq, at, &self.digest(&text));
        let end = AuditHead { seq, mac: format!("{mac}.{}", self.end(of, seq, &mac)).into() };
        Ok((vec![AuditRow { seq, at, text, mac, erased: false }], Some(end)))
    }

    /// What stands in the chain for a text.
    #[must_use]
    pub fn digest(&self, text: &str) -> Arc<str> {
        self.keys.audit_code(&[b"text", text.as_bytes()]).into()
    }

    fn code(&self, of: &ConversationKey, before: &str, seq: u64, at: Timestamp, digest: &str) -> Arc<str> {
        let (seq, at) = (seq.to_be_bytes(), at.as_millisecond().to_be_bytes());
        let parts: [&[u8]; 7] = [b"row", of.tenant.as_bytes(), of.id.as_bytes(), before.as_bytes(), &seq, &at, digest.as_bytes()];
        self.keys.audit_code(&parts).into()
    }

    fn end(&self, of: &ConversationKey, seq: u64, mac: &str) -> String {
        self.keys.audit_code(&[b"end", of.tenant.as_bytes(), of.id.as_bytes(), &seq.to_be_bytes(), mac.as_bytes()])
    }

    fn holds(&self, of: &ConversationKey, before: &str, row: &AuditRow) -> bool {
        self.stands_at(of, before, row.seq, row)
    }

    fn stands_at(&self, of: &ConversationKey, before: &str, seq: u64, row: &AuditRow) -> bool {
        let holds = |digest: &str| *self.code(of, before, seq, row.at, digest) == *row.mac;
        if row.erased { row.text.split(' ').any(holds) } else { holds(&self.digest(&row.text)) }
    }
}

/// The code of the last row, of the two that an end has.
fn code_of(head: &AuditHead) -> &str {
    head.mac.split_once('.').map_or(&*head.mac, |(row, _)| row)
}

/// An end of an audit as it was exported, to be kept where whoever writes the store cannot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// The conversation.
    #[serde(flatten)]
    pub key: ConversationKey,
    /// Its end.
    #[serde(flatten)]
    pub head: AuditHead,
}

/// Something that is wrong with an audit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The conversation.
    #[serde(flatten)]
    pub key: ConversationKey,
    /// The entry, if it is about one.
    pub entry: Option<u64>,
    /// A stable code: `changed moved missing cut added end gone rewritten weak_key`.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

/// What a verification came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Verified {
    /// Conversations that were looked at.
    pub conversations: u64,
    /// Entries that were looked at.
    pub entries: u64,
    /// Entries whose texts were erased.
    pub erased: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks every audit of a store against the keys, and against ends that were exported before.
pub async fn verify<S: Store>(store: &S, chains: &Chains, exported: &[Head]) -> Result<Verified, DriverError> {
    let mut verified = Verified::default();
    let mut after = None;
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let page = store.heads(after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, head) in page {
            let mut conversation = Conversation { chains, key: &key, findings: Vec::new() };
            let told = exported.iter().filter(|h| h.key == key).map(|h| &h.head).collect();
            conversation.check(store, &head, told, &mut verified).await?;
            verified.findings.append(&mut conversation.findings);
            verified.conversations += 1;
            seen.insert(key);
        }
    }
    for head in exported.iter().filter(|h| !seen.contains(&h.key)) {
        let text = format!("the conversation had {} entries when its end was exported, and is not in the store any more", head.head.seq);
        verified.findings.push(Finding { key: head.key.clone(), entry: None, code: "gone", text });
    }
    Ok(verified)
}

/// The keys that audits may be made with: those that are configured, and the one that lies in the store itself.
#[derive(Debug, Clone)]
pub struct Chains {
    /// The newest first.
    pub configured: Vec<Chain>,
    /// Whoever can write the store has this one too: good for audits only where no other is configured.
    pub stored: Chain,
}

impl Chains {
    /// What is left of an entry's text that is erased: its digest under each of the keys, for its own may be any of them.
    #[must_use]
    pub fn digest(&self, text: &str) -> Arc<str> {
        let all: std::collections::BTreeSet<_> = self.configured.iter().chain([&self.stored]).map(|c| c.digest(text)).collect();
        all.into_iter().collect::<Vec<_>>().join(" ").into()
    }

    fn trusted(&self) -> &[Chain] {
        if self.configured.is_empty() { std::slice::from_ref(&self.stored) } else { &self.configured }
    }
}

struct Conversation<'a> {
    chains: &'a Chains,
    key: &'a ConversationKey,
    findings: Vec<Finding>,
}

impl Conversation<'_> {
    fn find(&mut self, entry: Option<u64>, code: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { key: self.key.clone(), entry, code, text: text.into() });
    }

    async fn check<S: Store>(
        &mut self,
        store: &S,
        head: &AuditHead,
        exported: Vec<&AuditHead>,
        verified: &mut Verified,
    ) -> Result<(), DriverError> {
        let mut rows: Vec<AuditRow> = Vec::new();
        let mut from = 0;
        loop {
            let page = store.audit(self.key, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.seq.saturating_add(1);
            rows.extend(page);
        }
        verified.entries += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        verified.erased += rows.iter().map(|r| u64::from(r.erased)).sum::<u64>();
        self.rows(&rows);
        self.end(&rows, head);
        for exported in exported {
            self.exported(&rows, exported);
        }
        Ok(())
    }

    /// Every row follows on the one before it. After one that does not, its own code is believed, so that each fault is told once.
    fn rows(&mut self, rows: &[AuditRow]) {
        let mut before: &str = "";
        let mut expected = 1;
        let mut sought = 0;
        let mut weak = None;
        for row in rows {
            if row.seq > expected {
                self.find(Some(expected), "missing", missing(expected, row.seq - 1));
            }
            let gap = row.seq != expected;
            let holds = |chain: &Chain| chain.holds(self.key, before, row);
            if !gap && !self.chains.trusted().iter().any(holds) {
                if holds(&self.chains.stored) {
                    weak = weak.or(Some(row.seq));
                } else if let Some(seq) = (sought < SOUGHT).then(|| self.place_of(rows, row)).flatten() {
                    sought += 1;
                    self.find(Some(row.seq), "moved", format!("entry {} holds what was written as entry {seq}", row.seq));
                } else if !self.follows_fault(rows, row) {
                    sought += 1;
                    self.find(Some(row.seq), "changed", format!("entry {} is not as it was written", row.seq));
                }
            }
            before = &row.mac;
            expected = row.seq.saturating_add(1);
        }
        if let Some(first) = weak {
            let text = format!(
                "from entry {first} on it is made with the key that lies in the store, not with `seal_key`: whoever can write the store could have written it"
            );
            self.find(Some(first), "weak_key", text);
        }
    }

    /// Whether the row is as it was, and only the one before it is not.
    fn follows_fault(&self, rows: &[AuditRow], row: &AuditRow) -> bool {
        let faulty = self.findings.last().and_then(|f| f.entry).is_some_and(|entry| entry + 1 == row.seq);
        let next = rows.iter().find(|r| r.seq == row.seq + 1);
        let holds = |next: &AuditRow| self.chains.trusted().iter().any(|c| c.holds(self.key, &row.mac, next));
        faulty && next.is_none_or(holds)
    }

    /// The number under which a row near by was written, if it was written under another.
    fn place_of(&self, rows: &[AuditRow], row: &AuditRow) -> Option<u64> {
        let near = |seq: u64| seq.abs_diff(row.seq) <= NEAR;
        let before = rows.iter().filter(|r| near(r.seq)).map(|r| &*r.mac).chain([""]);
        let places = (row.seq.saturating_sub(NEAR).max(1)..=row.seq.saturating_add(NEAR)).filter(|seq| *seq != row.seq);
        let mut pairs = before.flat_map(|before| places.clone().map(move |seq| (before, seq)));
        pairs.find(|(before, seq)| self.chains.trusted().iter().any(|c| c.stands_at(self.key, before, *seq, row))).map(|(_, seq)| seq)
    }

    fn end(&mut self, rows: &[AuditRow], head: &AuditHead) {
        let last = rows.last().map_or(0, |r| r.seq);
        if head.seq == 0 && last == 0 {
            return self.find(None, "missing", "the audit is missing from its first entry on");
        }
        if last < head.seq {
            return self.find(Some(last + 1), "cut", format!("{}: the end was cut off", missing(last + 1, head.seq)));
        }
        if last > head.seq {
            return self.find(Some(head.seq + 1), "added", format!("the audit ends with entry {}, and there are more", head.seq));
        }
        let sealed = head.mac.split_once('.').is_some_and(|(row, end)| {
            let known = std::iter::once(&self.chains.stored).chain(&self.chains.configured);
            rows.last().is_some_and(|r| *r.mac == *row) && known.into_iter().any(|c| c.end(self.key, head.seq, row) == end)
        });
        if !sealed {
            self.find(
                Some(head.seq),
                "end",
                format!("entry {} is not the end that was written: later entries may have been cut off", head.seq),
            );
        }
    }

    fn exported(&mut self, rows: &[AuditRow], exported: &AuditHead) {
        match rows.iter().find(|r| r.seq == exported.seq) {
            Some(row) if *row.mac == *code_of(exported) => {}
            Some(_) => {
                let text = format!("entry {} is another than when the end was exported: the chain was rewritten", exported.seq);
                self.find(Some(exported.seq), "rewritten", text);
            }
            None => {
                let text = format!("entry {} was there when the end was exported, and is not any more: the end was cut off", exported.seq);
                self.find(Some(exported.seq), "cut", text);
            }
        }
    }
}

fn missing(from: u64, to: u64) -> String {
    if from == to { format!("entry {from} is missing") } else { format!("entries {from} to {to} are missing") }
}
