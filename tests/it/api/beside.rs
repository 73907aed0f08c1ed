//! What a host says of its user beside a turn: it is taken with the turn, or neither is.

use serde_json::{Value as Json, json};

use super::served::{Answered, As, Plan, Served, files};

const JOURNEY: &str = "
name: Leave
trigger: {goal: leave, examples: [leave]}
journey:
  - collect: [city]
  - confirm: {fields: [city], message: 'Leave {{ variables.city }}, {{ user.user_name }}?'}
  - choice: {Stay: done, Go: done}
";
const KEYS: &str = "secrets: [K1, JWT]
server: {keys: [{name: app, key: '${K1}', role: runtime, scopes: [context, identity]}]}
identity: {jwt: {issuer: host, audience: waypost, algorithms: [HS256], keys: ['${JWT}']}}";
const SHARED: &str = "a key that host and service share, and nobody else";

fn host() -> As {
    As::key("k-app")
}

fn named(name: &str) -> Json {
    json!({"identity": {"user_id": "u-1", "user_name": name}})
}

/// A conversation that asks Ann whether she leaves Graz.
async fn asked() -> (Served, String) {
    let written = [("journeys/leave.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}"), ("waypost.yaml", KEYS)];
    let served = Plan::of(files(&written)).secret("K1", "k-app").secret("JWT", SHARED).serve().await;
    let begun = served.turn(&host(), json!({"command": {"type": "start", "journey": "leave"}, "context": named("Ann")})).await;
    let id = begun.conversation();
    let asked = served.turn(&host(), json!({"conversation_id": id, "message": "Graz"})).await;
    assert_eq!(question(&asked), "Leave Graz, Ann?");
    (served, id)
}

fn question(answer: &Answered) -> &str {
    answer.body["response"]["question"]["text"].as_str().unwrap_or_default()
}

async fn looked(served: &Served, id: &str) -> (Json, String) {
    let stands = served.turn(&host(), json!({"conversation_id": id, "context": {}})).await;
    (stands.body["at"].clone(), question(&stands).to_owned())
}

#[tokio::test]
async fn a_turn_that_is_not_taken_brings_no_context_either() {
    let (served, id) = asked().await;
    let before = looked(&served, &id).await;
    let turns = [
        json!({"at": 1, "command": {"type": "cancel"}}),
        json!({"at": 1, "message": "yes"}),
        json!({"at": 1}),
        json!({"command": {"type": "next"}}),
        json!({"command": {"type": "choose", "option": "stay"}}),
        json!({"command": {"type": "confirm", "question": "q-0"}, "actor": "user"}),
        json!({"said": {"text": "yes", "message_id": "m-1", "question": "q-0"}}),
    ];
    for (n, mut turn) in turns.into_iter().enumerate() {
        (turn["conversation_id"], turn["context"], turn["id"]) = (json!(id), named("Eve"), json!(format!("t-{n}")));
        for _ in 0..2 {
            let refused = served.turn(&host(), turn.clone()).await;
            assert_eq!(refused.status, 409, "{turn}: {refused:?}");
            assert_eq!(looked(&served, &id).await, before, "{turn} moved it: {refused:?}");
        }
    }
    let at = before.0.as_u64().unwrap();
    let taken =
        json!({"conversation_id": id, "at": at, "context": named("Eve"), "command": {"type": "correct", "values": {"city": "Linz"}}});
    let taken = served.turn(&host(), taken).await;
    assert_eq!((taken.status, question(&taken)), (200, "Leave Linz, Eve?"), "{taken:?}");
}

#[tokio::test]
async fn a_yes_beside_a_context_that_changes_its_question_is_asked_again_and_is_the_same_turn_twice() {
    let (served, id) = asked().await;
    let yes = json!({"conversation_id": id, "context": named("Eve"), "message": "yes", "id": "t-1"});
    let first = served.turn(&host(), yes.clone()).await;
    assert_eq!((first.status, question(&first)), (200, "Leave Graz, Eve?"), "{first:?}");
    let second = served.turn(&host(), yes).await;
    assert_eq!((second.status, &second.body["at"], question(&second)), (200, &first.body["at"], question(&first)));
    let other = json!({"conversation_id": id, "context": named("Ida"), "message": "yes", "id": "t-1"});
    assert_eq!(served.turn(&host(), other).await.status, 422);
    let gone = served.turn(&host(), json!({"conversation_id": id, "message": "yes"})).await;
    assert_eq!(gone.body["response"]["phase"], json!("phase_choice"), "{gone:?}");
}

/// A host's word that this is somebody.
fn token(id: &str, subject: &str) -> String {
    let exp = waypost::driver::Clock::System.now().as_second() + 60;
    let claims = json!({"iss": "host", "aud": "waypost", "sub": subject, "exp": exp, "nonce": id, "level": 2});
    let key = jsonwebtoken::EncodingKey::from_secret(SHARED.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).unwrap()
}

#[tokio::test]
async fn a_context_beside_a_token_that_is_not_taken_is_not_either() {
    let (served, id) = asked().await;
    let first = json!({"conversation_id": id, "identity_token": token(&id, "C-1")});
    assert_eq!(served.turn(&host(), first).await.status, 200);
    let before = looked(&served, &id).await;
    for turn in [json!({}), json!({"message": "yes"}), json!({"command": {"type": "cancel"}})] {
        let mut turn = turn;
        (turn["conversation_id"], turn["context"], turn["identity_token"]) = (json!(id), named("Eve"), json!(token(&id, "C-2")));
        let refused = served.turn(&host(), turn.clone()).await;
        assert_eq!((refused.status, refused.code()), (422, "token"), "{turn}: {refused:?}");
        assert_eq!(looked(&served, &id).await, before, "{turn} moved it");
    }
    let both = json!({"conversation_id": id, "context": named("Eve"), "identity_token": token(&id, "C-1"), "message": "yes"});
    assert_eq!(question(&served.turn(&host(), both).await), "Leave Graz, Eve?");
}
