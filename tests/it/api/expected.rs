//! `expects` tells the truth: what it lists is taken, whatever body its schema allows, and what it does not list is refused and changes
//! nothing. Over every shipped journey, by random walks.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};
use waypost::cli::demo::backend::Backend;
use waypost::engine::{Actor, may_send};

use super::served::{As, Served, shop};

/// Turns of a walk.
const TURNS: usize = 9;

/// Bodies that are sent where they are not listed.
fn every_command() -> Vec<Json> {
    vec![
        json!({"type": "start", "journey": "order-status"}),
        json!({"type": "fill", "values": {"order_id": "H1017"}}),
        json!({"type": "choose", "option": "kettle"}),
        json!({"type": "confirm"}),
        json!({"type": "reject"}),
        json!({"type": "change"}),
        json!({"type": "next"}),
        json!({"type": "back"}),
        json!({"type": "stuck"}),
        json!({"type": "read", "action": "shop.get-order", "inputs": {}}),
        json!({"type": "finding", "name": "none"}),
        json!({"type": "correct", "values": {"order_id": "H1017"}}),
        json!({"type": "cancel"}),
        json!({"type": "handoff"}),
        json!({"type": "resume"}),
        json!({"type": "approve", "hold": "h"}),
        json!({"type": "refuse", "hold": "h"}),
        json!({"type": "take_over"}),
        json!({"type": "say", "text": "x"}),
        json!({"type": "hand_back"}),
    ]
}

struct Dice(TestRunner);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        (0..n).new_tree(&mut self.0).unwrap().current()
    }

    /// A value that a schema allows.
    fn of(&mut self, schema: &Json) -> Json {
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        for key in ["enum", "oneOf", "anyOf", "examples"] {
            let Some(all) = schema.get(key).and_then(Json::as_array).filter(|a| !a.is_empty()) else { continue };
            let one = all[self.below(all.len())].clone();
            match key {
                "enum" => return one,
                "examples" if self.below(2) == 0 => return one,
                "examples" => {}
                _ => return self.of(&one),
            }
        }
        let kind = match schema.get("type") {
            Some(Json::Array(kinds)) => kinds[self.below(kinds.len())].as_str().unwrap().to_owned(),
            Some(kind) => kind.as_str().unwrap().to_owned(),
            None => "string".into(),
        };
        match &*kind {
            "object" => self.object(schema),
            "array" => (0..self.below(3)).map(|_| self.of(&schema["items"])).collect(),
            "integer" | "number" => json!(self.below(2_000)),
            "boolean" => json!(self.below(2) == 0),
            "null" => Json::Null,
            _ => Json::from(self.text(schema)),
        }
    }

    fn object(&mut self, schema: &Json) -> Json {
        let mut out = serde_json::Map::new();
        let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return json!({}) };
        let required = |key: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|k| k == key));
        let least = schema.get("minProperties").and_then(Json::as_u64).unwrap_or(0);
        let lucky = self.below(properties.len().max(1));
        for (index, (key, inner)) in properties.iter().enumerate() {
            if required(key) || self.below(2) == 0 || (least > 0 && index == lucky) {
                out.insert(key.clone(), self.of(inner));
            }
        }
        Json::Object(out)
    }

    fn text(&mut self, schema: &Json) -> String {
        if schema["format"] == json!("email") {
            return ["nora.falk@example.com", "a.b+c@mail.example", "x@y.z"][self.below(3)].into();
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let inner = pattern.trim_start_matches("^(?:").trim_end_matches(")$").trim_start_matches('^').trim_end_matches('$');
            let inner = inner.replace("\\d", "[0-9]");
            return proptest::string::string_regex(&inner).unwrap().new_tree(&mut self.0).unwrap().current();
        }
        let least = schema.get("minLength").and_then(Json::as_u64).unwrap_or(0);
        let most = schema.get("maxLength").and_then(Json::as_u64).unwrap_or(30).min(40);
        let pattern = format!(".{{{least},{most}}}");
        proptest::string::string_regex(&pattern).unwrap().new_tree(&mut self.0).unwrap().current()
    }
}

/// Where a conversation stands, but for what a look at it says of the one who looks.
async fn standing(served: &Served, id: &str) -> Json {
    served.look(&As::nobody(), id, "").await.body
}

/// A user who wants it done, up to where a yes is asked for: chance alone hardly comes there.
async fn led(served: &Served, backend: &Backend, journey: &str, id: &str, dice: &mut Dice) {
    for _ in 0..TURNS {
        let look = served.turn(&As::nobody(), json!({"conversation_id": id, "context": {}, "actor": "user"})).await;
        let names = look.commands();
        let schemas = &look.body["expects"]["schemas"];
        let Some(next) = ["confirm", "choose", "fill"].into_iter().find(|n| names.iter().any(|name| name == n)) else { return };
        if next == "confirm" {
            return;
        }
        let mut body = dice.of(&schemas[next]);
        let order = if journey == "refund" { "H0988" } else { "H1042" };
        let code = backend.mails().last().map_or_else(|| "000000".into(), |mail| mail.code.clone());
        for (key, value) in [("order_id", order), ("email", "nora.falk@example.com"), ("code", &code)] {
            if let Some(of) = body.get_mut("values").and_then(|values| values.get_mut(key)) {
                *of = value.into();
            }
        }
        served.turn(&As::nobody(), json!({"conversation_id": id, "command": body, "actor": "user"})).await;
    }
}

/// What was listed and sent, and how much was sent that was not.
async fn walk(served: &Served, backend: &Backend, journey: &str, leads: bool, dice: &mut Dice) -> (Vec<String>, usize) {
    let begun = served.turn(&As::nobody().user("u-1"), json!({"command": {"type": "start", "journey": journey}})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let id = begun.conversation();
    let (mut listed, mut unlisted) = (Vec::new(), 0);
    if leads {
        led(served, backend, journey, &id, dice).await;
    }
    for _ in 0..TURNS {
        let (actor, name) = [(Actor::Agent, "agent"), (Actor::User, "user")][dice.below(2)];
        // Who speaks is told what it may say: by a message that the host sends for it, or by what was answered last.
        let look = served.turn(&As::nobody(), json!({"conversation_id": id, "context": {}, "actor": name})).await;
        assert_eq!(look.status, 200, "{look:?}");
        let names = look.commands();
        let before = standing(served, &id).await;
        for command in every_command() {
            let kind = command["type"].as_str().unwrap().to_owned();
            if names.contains(&kind) || dice.below(3) > 0 {
                continue;
            }
            unlisted += 1;
            let answer = served.turn(&As::nobody(), json!({"conversation_id": id, "command": command, "actor": name})).await;
            let refused = if may_send(actor, &kind) { 409 } else { 403 };
            assert_eq!(answer.status, refused, "{kind} of {name} is not listed in {names:?} at {before}: {answer:?}");
            assert_eq!(standing(served, &id).await, before, "{kind} was refused");
        }
        if names.is_empty() {
            break;
        }
        let mut chosen = names[dice.below(names.len())].clone();
        // A walk that ends at once sees little.
        if matches!(&*chosen, "handoff" | "cancel") && dice.below(4) > 0 {
            chosen = names[0].clone();
        }
        // A yes is one of many that are listed, and does the most.
        if names.iter().any(|name| name == "confirm") && dice.below(2) == 0 {
            chosen = "confirm".into();
        }
        let mut body = dice.of(&look.body["expects"]["schemas"][&chosen]);
        if let (Some(code), Some(values)) =
            (backend.mails().last().map(|m| m.code.clone()), body.get_mut("values").and_then(Json::as_object_mut))
            && values.contains_key("code")
        {
            values.insert("code".into(), Json::from(code));
        }
        listed.push(format!("{chosen} of {name}"));
        let answer = served.turn(&As::nobody(), json!({"conversation_id": id, "command": body, "actor": name})).await;
        assert_eq!(answer.status, 200, "{body} of {name} at {before}: {answer:?}");
    }
    (listed, unlisted)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
async fn what_is_listed_is_taken_and_nothing_else() {
    let (_, served) = shop("").await;
    let walks: u8 = std::env::var("WALKS").ok().and_then(|w| w.parse().ok()).unwrap_or(3);
    let journeys: Vec<String> = served
        .service
        .workspace()
        .journeys
        .values()
        .filter(|j| j.trigger.is_some() && !j.callable)
        .map(|j| j.slug.shown.to_string())
        .collect();
    let (mut listed, mut unlisted) = (BTreeMap::<String, usize>::new(), 0);
    for journey in &journeys {
        for seed in 0..walks {
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
            let mut dice = Dice(TestRunner::new_with_rng(Config::default(), rng));
            // A shop of its own: an order is cancelled once, and a user gets only so many codes.
            let (backend, served) = shop("").await;
            let (taken, refused) = walk(&served, &backend, journey, seed % 2 == 0, &mut dice).await;
            unlisted += refused;
            for command in taken {
                *listed.entry(command).or_default() += 1;
            }
        }
    }
    let sent: usize = listed.values().sum();
    assert!(sent > 50 && unlisted > 100, "{listed:?} were listed, and {unlisted} unlisted commands were sent");
    for command in ["confirm of user", "reject of user", "fill of agent"] {
        assert!(listed.contains_key(command), "no walk came to `{command}`: {listed:?}");
    }
}
