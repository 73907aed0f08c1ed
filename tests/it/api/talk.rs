//! What people say in the middle of something else, over the wire; and each conversation as a test that passes at once.

use std::sync::Arc;

use serde_json::json;
use waypost::source::SourceMap;
use waypost::transcript::{self, Options, Runner};

use super::served::{Answered, As, Plan, Served, files};

const BOOK: &str = "{name: Book a table, trigger: {goal: book a table, examples: [book a table, reserve a table for tonight]}, journey: [
  {collect: [city]}, {collect: [guests]},
  {confirm: {fields: [city, guests], message: 'A table for {{ variables.guests }} in {{ variables.city }}?', on_reject: [{done: {message: No table then., outcome: none}}]}},
  {done: Booked.}]}";
const HOURS: &str =
    "{name: Opening hours, trigger: {goal: say when the restaurant is open, examples: [when are you open, what are your opening hours]},
  journey: [{done: Noon to midnight.}]}";
const LOST: &str = "{name: Lost coat, trigger: {goal: find a coat that was left, examples: [I left my coat]}, journey: [{collect: [city]},
  {investigate: {goal: Find the coat., using: [desk.find], findings: {there: [{done: It is there.}], gone: [{done: It is gone.}]}}}]}";
const REFUND: &str = "{name: Refund, trigger: {goal: give the deposit back, examples: [I want my deposit back]}, journey: [
  {action: desk.refund, inputs: {guests: 2}, outcomes: {paid: continue}}, {done: Paid.}]}";
const DESK: &str = "{name: desk, type: rest_api, config: {base_url: '${DESK}', auth_type: none}, actions: [
  {name: find, type: read, invocation: {method: GET, endpoint: '/coats/{city}'}, input_schema: {city: {type: string}}, outcomes: [{name: found, condition: response.status == 200}]},
  {name: refund, type: write, invocation: {method: POST, endpoint: /refunds}, input_schema: {guests: {type: number}}, outcomes: [{name: paid, condition: response.status == 200}],
   safety: {requires_approval: {role: owner}}}]}";
const FIELDS: &str = "- {name: City, type: string}\n- {name: Guests, type: number, ui: {prompt: How many are you?}}";
const SETTINGS: &str = "secrets: [DESK, K1, K2, K3]
server: {keys: [{name: app, key: '${K1}', role: runtime}, {name: bot, key: '${K2}', role: agent}, {name: olga, key: '${K3}', role: operator, scopes: [owner]}]}";

fn written() -> Vec<(String, Arc<str>)> {
    files(&[
        ("integrations/desk.yaml", DESK),
        ("datapoints/all.yaml", FIELDS),
        ("journeys/book.yaml", BOOK),
        ("journeys/hours.yaml", HOURS),
        ("journeys/lost.yaml", LOST),
        ("journeys/refund.yaml", REFUND),
        ("waypost.yaml", SETTINGS),
    ])
}

async fn restaurant() -> (crate::outbound::server::Server, Served) {
    let desk = crate::outbound::server::Server::start(|_| crate::outbound::server::json("{\"hook\": 7}")).await;
    let plan = Plan::of(written()).secret("DESK", desk.url()).secret("K1", "k-app").secret("K2", "k-bot").secret("K3", "k-olga");
    let served = plan.serve().await;
    (desk, served)
}

/// A conversation's transcript, which has to pass as it is.
pub async fn plays_again(served: &Served, who: &As, id: &str, files: Vec<(String, Arc<str>)>) -> String {
    let text = served.look(who, id, "/transcript").await.body.as_str().unwrap().to_owned();
    let loaded = waypost::check::load(files).loaded().unwrap();
    let mut sources = SourceMap::default();
    let file = sources.add("recorded.yaml", text.as_str());
    let runner = Runner::new(loaded.clone(), Options { strict: true, ..Options::default() });
    for document in transcript::read(file, &text, Some(&loaded)) {
        let script = document.script.unwrap_or_else(|| panic!("{text}\n{:?}", document.diagnostics));
        let failures = runner.run(&script).await;
        assert!(failures.is_empty(), "{text}\n{failures:#?}");
    }
    text
}

fn stands(answer: &Answered) -> (&str, Option<&str>) {
    (answer.phase(), answer.body["state"]["capability"].as_str())
}

#[tokio::test]
async fn another_wish_in_the_middle_is_heard_and_the_first_comes_back() {
    let (_desk, served) = restaurant().await;
    let app = As::key("k-app").user("u-1");
    let first = served.turn(&app, json!({"message": "book a table"})).await;
    let id = first.conversation();
    assert_eq!(stands(&first), ("phase_collect", Some("book-a-table")));
    let aside = served.say(&app, &id, "when are you open?").await;
    assert!(aside.says().starts_with("Noon to midnight."), "{aside:?}");
    assert_eq!(stands(&aside), ("phase_collect", Some("book-a-table")), "{aside:?}");
    served.say(&app, &id, "Vienna").await;
    let asked = served.say(&app, &id, "4").await;
    assert_eq!(asked.phase(), "phase_confirm", "{asked:?}");
    let question = |a: &Answered| a.body["response"]["question"]["id"].clone();
    // At a question too: it is put again, under another id, and the old one is void.
    let aside = served.say(&app, &id, "what are your opening hours?").await;
    assert!(aside.says().starts_with("Noon to midnight.") && aside.says().contains("A table for 4 in Vienna?"), "{aside:?}");
    assert_ne!(question(&aside), question(&asked));
    let late =
        served.turn(&app, json!({"conversation_id": id, "said": {"text": "yes", "message_id": "m-1", "question": question(&asked)}})).await;
    assert_eq!((late.status, late.code()), (409, "stale"));
    let done = served.say(&app, &id, "yes please").await;
    assert_eq!((done.says(), done.phase()), ("Booked.", "phase_done"));
    let text = plays_again(&served, &app, &id, written()).await;
    assert!(text.contains("when are you open?"), "{text}");
}

#[tokio::test]
async fn a_field_is_corrected_and_what_showed_it_is_asked_again() {
    let (_desk, served) = restaurant().await;
    let (app, bot) = (As::key("k-app").user("u-1"), As::key("k-bot").user("u-1"));
    let begun = served.turn(&bot, json!({"command": {"type": "start", "journey": "book-a-table", "variables": {"city": "Vienna"}}})).await;
    let id = begun.conversation();
    let asked = served.command(&bot, &id, json!({"type": "fill", "values": {"guests": 4}})).await;
    assert_eq!(asked.phase(), "phase_confirm", "{asked:?}");
    let corrected = served.command(&bot, &id, json!({"type": "correct", "values": {"city": "Graz"}})).await;
    assert!(corrected.says().contains("A table for 4 in Graz?"), "{corrected:?}");
    let wrong = served.command(&bot, &id, json!({"type": "correct", "values": {"guests": "many"}})).await;
    assert_eq!((wrong.status, &wrong.body["response"]["errors"][0]["field"]), (200, &json!("guests")), "{wrong:?}");
    let other = served.command(&bot, &id, json!({"type": "correct", "values": {"price": 1}})).await;
    assert_eq!((other.status, other.code()), (409, "not_fillable"), "{other:?}");
    // A yes by the user's own channel, which was not shown it, is none, and does not stand in the transcript.
    assert_eq!(served.say(&app, &id, "yes").await.phase(), "phase_confirm");
    // In the user's own words, too. What the agent was given, the user's channel was not: it is shown there first.
    let words = served.say(&app, &id, "no, make it 5 people").await;
    assert!(words.says().contains("A table for 5 in Graz?") || words.phase() == "phase_collect", "{words:?}");
    let words = if words.phase() == "phase_collect" { served.say(&app, &id, "5").await } else { words };
    assert!(words.says().contains("A table for 5 in Graz?"), "{words:?}");
    assert_eq!(served.say(&app, &id, "yes").await.says(), "Booked.");
    plays_again(&served, &app, &id, written()).await;
}

#[tokio::test]
async fn words_that_cancel_or_want_a_person_work_everywhere() {
    let (_desk, served) = restaurant().await;
    let app = As::key("k-app").user("u-1");
    for told in [&[][..], &["Vienna"], &["Vienna", "4"]] {
        let id = served.turn(&app, json!({"message": "book a table"})).await.conversation();
        for message in told {
            served.say(&app, &id, message).await;
        }
        let cancelled = served.say(&app, &id, "cancel").await;
        assert_eq!((cancelled.phase(), &cancelled.body["state"]["outcome"]), ("phase_done", &json!("cancelled")), "{told:?} {cancelled:?}");
        assert!(!cancelled.commands().contains(&"cancel".to_owned()), "{cancelled:?}");
        plays_again(&served, &app, &id, written()).await;
        let id = served.turn(&app, json!({"message": "book a table"})).await.conversation();
        for message in told {
            served.say(&app, &id, message).await;
        }
        let person = served.say(&app, &id, "I want to talk to a person").await;
        assert_eq!((person.phase(), &person.body["state"]["status"]), ("phase_escalated", &json!("escalated")), "{told:?} {person:?}");
        let waits = served.say(&app, &id, "yes").await;
        assert_eq!(waits.phase(), "phase_escalated", "{waits:?}");
        let command = served.command(&app, &id, json!({"type": "fill", "values": {"city": "Graz"}})).await;
        assert_eq!((command.status, command.code()), (409, "escalated"));
        plays_again(&served, &app, &id, written()).await;
    }
    // In the middle of another wish, cancel ends that one; what it interrupted comes back.
    let id = served.turn(&app, json!({"message": "book a table"})).await.conversation();
    let aside = served.say(&app, &id, "I left my coat").await;
    assert_eq!(stands(&aside), ("phase_collect", Some("lost-coat")), "{aside:?}");
    let back = served.say(&app, &id, "cancel").await;
    assert_eq!(stands(&back), ("phase_collect", Some("book-a-table")), "{back:?}");
    plays_again(&served, &app, &id, written()).await;
}

#[tokio::test]
async fn what_a_command_was_sent_with_stands_in_the_transcript() {
    let (desk, served) = restaurant().await;
    let (app, bot, olga) = (As::key("k-app").user("u-1"), As::key("k-bot").user("u-1"), As::key("k-olga"));
    let start = |journey: &str, variables| json!({"command": {"type": "start", "journey": journey, "variables": variables}});
    let id = served.turn(&bot, start("lost-coat", json!({"city": "Vienna"}))).await.conversation();
    let read = json!({"type": "read", "action": "desk.find", "inputs": {"city": "Vienna"}});
    assert_eq!(served.command(&bot, &id, read).await.status, 200);
    // What was refused is left out, whatever it was sent with.
    assert_eq!(served.command(&bot, &id, json!({"type": "finding", "name": "nowhere"})).await.status, 422);
    assert_eq!(served.command(&bot, &id, json!({"type": "choose", "option": "x"})).await.status, 409);
    assert_eq!(served.command(&bot, &id, json!({"type": "finding", "name": "there"})).await.says(), "It is there.");
    let handed = served.command(&bot, &id, json!({"type": "handoff", "reason": "a second coat"})).await;
    assert_eq!(handed.phase(), "phase_escalated", "{handed:?}");
    for command in [json!({"type": "say", "text": "Olga here: which colour?"}), json!({"type": "hand_back"})] {
        assert_eq!(served.command(&olga, &id, command).await.status, 200);
    }
    let text = plays_again(&served, &app, &id, written()).await;
    for part in ["{\"desk.find\":{\"city\":\"Vienna\"}}", "\"a second coat\"", "\"Olga here: which colour?\"", "\"id\":\"olga\""] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    for (command, note, calls) in [("approve", json!("she paid"), 1), ("refuse", json!("too late"), 0)] {
        let before = desk.seen().len();
        let held = served.turn(&bot, start("refund", json!({}))).await;
        assert_eq!(held.phase(), "phase_hold", "{held:?}");
        let id = held.conversation();
        let holds = served.get(&olga, "/agents/default/holds").await;
        let hold = holds.body["items"][0]["hold_id"].clone();
        let decided = served.command(&olga, &id, json!({"type": command, "hold": hold, "note": note})).await;
        assert_eq!((decided.status, desk.seen().len() - before), (200, calls), "{decided:?}");
        let text = plays_again(&served, &app, &id, written()).await;
        assert!(text.contains(&format!("\"{command}\":{note}")), "{text}");
    }
}
