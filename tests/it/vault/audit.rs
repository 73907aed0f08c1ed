//! The audit: who did what and why, without values, chained so that whoever touches it is found out.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::driver::audit::{Chain, Chains, Head, Verified, verify};
use waypost::driver::{Clock, Entropy, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, AuditEntry, CallEffect, CallResult, Command, Keys, Principal};
use waypost::store::{AuditHead, AuditRow, Commit, Committed, ConversationKey, MemoryStore, Owner, Store};

const SHOP: &str = "
name: Shop
type: rest_api
config: {base_url: 'https://shop.example.com', auth_type: none}
actions:
  - name: Cancel
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/cancel'}
    input_schema: {order_id: {type: string}, card: {type: string}}
    outcomes: [{name: cancelled, condition: response.status == 200}]
    safety: {requires_confirmation: true, audit_level: detailed, redact_fields: [inputs.card, response.iban]}
";

const CANCEL: &str = "
name: Cancel order
trigger: {goal: Cancel an order, examples: [cancel my order]}
journey:
  - collect: [order_id, card]
  - confirm: {fields: [order_id], message: 'Cancel {{ variables.order_id }}, refund to {{ variables.card | mask }}?'}
  - action: shop.cancel
    outcomes: {cancelled: [{done: Cancelled.}]}
";

const FIELDS: &str = "
{name: Order ID, type: string, validation: {pattern: '^[A-Z]\\d+$'}}
---
{name: Card, type: string, sensitive: true, validation: {pattern: '^\\d{16}$'}}
";

const CARD: &str = "4111222233334444";

fn chain(key: &str) -> Chain {
    Chain::new(Keys::derive(key.as_bytes()))
}

fn chains() -> Chains {
    Chains { configured: vec![chain("key")], stored: chain("stored") }
}

/// A conversation up to its end, in a store of its own.
async fn talked(keys: &str) -> (MemoryStore, ConversationKey) {
    talked_at(keys, "2026-11-22T09:00:00Z").await
}

async fn talked_at(keys: &str, now: &str) -> (MemoryStore, ConversationKey) {
    let files = [("integrations/shop.yaml", SHOP), ("journeys/cancel.yaml", CANCEL), ("datapoints/fields.yaml", FIELDS)];
    let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
    let loaded = checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let shop = async |call: CallEffect| CallResult::answered(200, json!({"cancelled": call.inputs["order_id"], "iban": "AT61"}));
    let shop = move |call: CallEffect| shop(call);
    let clock = Clock::manual(now.parse().unwrap());
    let store = MemoryStore::new();
    let runtime = Runtime::with(loaded, store.clone(), shop, clock, Entropy::seeded(1), Keys::derive(keys.as_bytes())).unwrap();
    let open =
        Open { conversation: "c-1".into(), tenant: "acme".into(), agent: "a".into(), user_id: "u".into(), user: Arc::new(json!({})) };
    let key = runtime.open(open).await.unwrap();
    for text in ["cancel my order A7", CARD] {
        runtime.turn(&key, Actor::User, Principal::default(), None, Turn::Message(text.into())).await.unwrap();
    }
    let confirm = Turn::Command(Command::Confirm { question: None });
    runtime.turn(&key, Actor::Agent, Principal { id: "model".into(), roles: Vec::new(), scopes: Vec::new() }, None, confirm).await.unwrap();
    runtime.turn(&key, Actor::User, Principal::default(), Some("m-9".into()), Turn::Message("yes".into())).await.unwrap();
    (store, key)
}

async fn rows(store: &MemoryStore, key: &ConversationKey) -> Vec<AuditRow> {
    store.audit(key, 0, 1_000).await.unwrap()
}

#[tokio::test]
async fn it_says_who_did_what_and_why() {
    let (store, key) = talked("key").await;
    let rows = rows(&store, &key).await;
    let entries: Vec<AuditEntry> = rows.iter().map(|r| serde_json::from_str(&r.text).unwrap()).collect();
    let told: Vec<String> = entries.iter().map(|e| format!("{} {}", e.who, e.what)).collect();
    assert_eq!(told, ["system open", "user message", "user message", "agent:model command:confirm", "user message", "user result"]);
    for (entry, words) in [
        (1, "route cancel_order"),
        (1, "fill order_id"),
        (2, "fill card"),
        (2, "question q"),
        (3, "refused forbidden"),
        (4, "grant q"),
        (4, "verdict shop.cancel allow"),
        (4, "call shop.cancel"),
        (5, "result shop.cancel applied"),
        (5, "outcome cancelled"),
        (5, "run 1 done"),
    ] {
        assert!(entries[entry].texts().any(|t| t.starts_with(words)), "{words}: {:#?}", entries[entry]);
    }
    assert_eq!(entries[4].id.as_deref(), Some("m-9"));
    let data = |kind: &str| entries.iter().flat_map(|e| &e.lines).find(|l| &*l.kind == kind).unwrap().data.clone();
    assert_eq!(data("verdict"), json!({"order_id": "A7", "card": "[redacted]"}));
    assert_eq!(data("result"), json!({"cancelled": "A7", "iban": "[redacted]"}));
    let text: String = rows.iter().map(|r| &*r.text).collect();
    assert!(!text.contains(CARD) && !text.contains("AT61"), "{text}");
    let sound = verify(&store, &chains(), &[]).await.unwrap();
    assert_eq!((sound.conversations, sound.entries, sound.findings.len()), (1, 6, 0), "{sound:#?}");
}

/// Rows and an end as somebody who can write the store left them.
async fn left(rows: Vec<AuditRow>, head: AuditHead) -> MemoryStore {
    let store = MemoryStore::new();
    let owner = Some(Owner { agent: "a".into(), user: "u".into() });
    let key = ConversationKey::new("acme", "c-1");
    let commit = Commit { owner, audit: rows, audit_head: Some(head), ..Commit::new(key, 0, Timestamp::UNIX_EPOCH) };
    assert!(matches!(store.commit(commit).await.unwrap(), Committed::Done { .. }));
    store
}

async fn ends(store: &MemoryStore) -> Vec<Head> {
    store.heads(None, 10).await.unwrap().into_iter().map(|(key, head)| Head { key, head }).collect()
}

fn found(verified: &Verified) -> Vec<(Option<u64>, &'static str)> {
    verified.findings.iter().map(|f| (f.entry, f.code)).collect()
}

#[tokio::test]
async fn whoever_touches_it_is_found_out() {
    let (store, key) = talked("key").await;
    let (rows, ends) = (rows(&store, &key).await, ends(&store).await);
    let head = ends[0].head.clone();
    assert_eq!(found(&verify(&left(rows.clone(), head.clone()).await, &chains(), &ends).await.unwrap()), []);

    let flipped = |at: usize, change: fn(&mut AuditRow)| {
        let mut rows = rows.clone();
        change(&mut rows[at]);
        rows
    };
    let text = |r: &mut AuditRow| r.text = r.text.replacen("\"v\":1", "\"v\":2", 1).into();
    let time = |r: &mut AuditRow| r.at += jiff::SignedDuration::from_secs(1);
    let mut removed = rows.clone();
    removed.remove(3);
    let mut swapped = rows.clone();
    swapped.swap(2, 3);
    (swapped[2].seq, swapped[3].seq) = (3, 4);
    let erased = flipped(3, |r| {
        r.erased = true;
        r.text = "0".repeat(64).into();
    });
    for (touched, expected) in [
        (flipped(2, text), vec![(Some(3), "changed")]),
        (flipped(2, time), vec![(Some(3), "changed")]),
        (flipped(2, |r| r.mac = "0".repeat(64).into()), vec![(Some(3), "changed")]),
        (flipped(0, text), vec![(Some(1), "changed")]),
        (flipped(5, text), vec![(Some(6), "changed")]),
        (erased, vec![(Some(4), "changed")]),
        (removed, vec![(Some(4), "missing")]),
        (swapped, vec![(Some(3), "moved"), (Some(4), "moved")]),
        (rows[..4].to_vec(), vec![(Some(5), "cut")]),
        (Vec::new(), vec![(Some(1), "cut")]),
        (rows[1..].to_vec(), vec![(Some(1), "missing")]),
    ] {
        let verified = verify(&left(touched, head.clone()).await, &chains(), &[]).await.unwrap();
        assert_eq!(found(&verified), expected, "{verified:#?}");
    }

    // An entry of the same number, rightly made, of a store that was put back and went another way.
    let (fork, _) = talked_at("key", "2026-11-23T09:00:00Z").await;
    let mut spliced = rows.clone();
    spliced[2] = self::rows(&fork, &key).await.swap_remove(2);
    let verified = verify(&left(spliced, head.clone()).await, &chains(), &[]).await.unwrap();
    assert_eq!(found(&verified), [(Some(3), "changed")], "{verified:#?}");

    // The end is cut off, and the store's own end is made to fit as far as it can be without the key.
    let cut = AuditHead { seq: 4, mac: format!("{}.{}", rows[3].mac, "0".repeat(64)).into() };
    let bare = AuditHead { seq: 4, mac: rows[3].mac.clone() };
    let borrowed = AuditHead { seq: 4, mac: format!("{}.{}", rows[3].mac, head.mac.split_once('.').unwrap().1).into() };
    for head in [cut, bare, borrowed] {
        let verified = verify(&left(rows[..4].to_vec(), head).await, &chains(), &ends).await.unwrap();
        assert_eq!(found(&verified), [(Some(4), "end"), (Some(6), "cut")], "{verified:#?}");
    }
    assert_eq!(found(&verify(&left(Vec::new(), AuditHead::default()).await, &chains(), &[]).await.unwrap()), [(None, "missing")]);
    assert_eq!(found(&verify(&MemoryStore::new(), &chains(), &ends).await.unwrap()), [(None, "gone")]);
}

#[tokio::test]
async fn a_chain_that_somebody_else_wrote_is_found_out() {
    let (store, key) = talked("key").await;
    let ends = ends(&store).await;
    // With a key of their own, with the one that lies in the store, and even with the right one.
    for (keys, codes) in [("forged", "changed"), ("stored", "weak_key")] {
        let verified = verify(&talked(keys).await.0, &chains(), &[]).await.unwrap();
        assert_eq!(verified.findings[0].code, codes, "{verified:#?}");
        assert_eq!(verified.findings[0].entry, Some(1));
    }
    let mut rewritten = rows(&talked("key").await.0, &key).await;
    rewritten.truncate(5);
    let other = left(rewritten, ends[0].head.clone()).await;
    assert!(!verify(&other, &chains(), &ends).await.unwrap().findings.is_empty());
    let only_stored = Chains { configured: Vec::new(), stored: chain("stored") };
    assert_eq!(found(&verify(&talked("stored").await.0, &only_stored, &[]).await.unwrap()), []);
}

#[tokio::test]
async fn rows_of_one_conversation_are_none_of_another() {
    let (store, key) = talked("key").await;
    let rows = rows(&store, &key).await;
    let head = ends(&store).await[0].head.clone();
    let elsewhere = MemoryStore::new();
    let owner = Some(Owner { agent: "a".into(), user: "u".into() });
    let commit =
        Commit { owner, audit: rows, audit_head: Some(head), ..Commit::new(ConversationKey::new("acme", "c-2"), 0, Timestamp::UNIX_EPOCH) };
    assert!(matches!(elsewhere.commit(commit).await.unwrap(), Committed::Done { .. }));
    assert_eq!(verify(&elsewhere, &chains(), &[]).await.unwrap().findings[0].code, "changed");
}

#[tokio::test]
async fn it_holds_after_its_texts_are_erased() {
    let (store, key) = talked("key").await;
    // By the key that made it, and by one that came after: whoever erases has both.
    let rotated = || Chains { configured: vec![chain("newer"), chain("key")], stored: chain("stored") };
    let before = talked("key").await.0;
    for (store, made) in [(&store, chains()), (&before, rotated())] {
        let digests = made.clone();
        let erased = store.erase_user("acme", "u", Arc::new(move |text: &str| digests.digest(text))).await.unwrap();
        assert_eq!(erased.audit, 6);
        let verified = verify(store, &made, &[]).await.unwrap();
        assert_eq!((verified.erased, found(&verified)), (6, Vec::new()));
        assert!(rows(store, &key).await.iter().all(|r| r.erased && serde_json::from_str::<Json>(&r.text).is_err()));
    }
    assert_eq!(found(&verify(&store, &rotated(), &[]).await.unwrap()), Vec::new(), "a key that comes later changes nothing");
    let without = Chains { configured: vec![chain("newer")], stored: chain("stored") };
    assert!(!verify(&before, &without, &[]).await.unwrap().findings.is_empty());
}
