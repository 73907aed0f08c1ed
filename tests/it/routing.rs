//! Which journey a message means, on labelled utterances; the page publishes what is counted here.

use serde_json::{Value as Json, json};
use waypost::expr::{Node, Root, Scope};
use waypost::source::FileId;
use waypost::syntax::yaml;
use waypost::understand::{Meant, Router, Thresholds};
use waypost::value::Value;

/// A scope in which nothing is known of the user.
struct Nobody;

impl Scope for Nobody {
    fn member(&self, _: Root, _: &str) -> Option<Node<'_>> {
        None
    }
    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}

fn router(texts: &[(&str, String)]) -> Router {
    let files = texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
    let (workspace, diagnostics) = waypost::model::build(files);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    Router::new(&workspace)
}

#[test]
fn utterances_find_their_journey() {
    let path = |file: &str| format!("{}/tests/corpus/routing/{file}", env!("CARGO_MANIFEST_DIR"));
    let workspace = std::fs::read_to_string(path("workspace.yaml")).unwrap_or_default();
    let router = router(&[("journeys/all.yaml", workspace)]);
    let text = std::fs::read_to_string(path("utterances.yaml")).unwrap_or_default();
    let parsed = yaml::parse(FileId(0), &text);
    let (mut all, mut right, mut wrong, mut digressions) = (0, 0, 0, 0);
    for entry in parsed.documents[0].entries() {
        for said in entry.value.items() {
            let message = said.json().as_str().map_or_else(|| said.json().to_string(), str::to_owned);
            let chosen = router.choose(&message, &Nobody, Thresholds::DEFAULT.first);
            let name = chosen.as_ref().map_or("none".to_owned(), |m| m.journey.to_string().replace('_', "-"));
            all += 1;
            if name == entry.key {
                right += 1;
            } else {
                wrong += usize::from(name != "none");
                let best = router.route(&message, &Nobody);
                println!(
                    "{}: {message:?} -> {name} {:?}",
                    entry.key,
                    best.iter().take(2).map(|m| format!("{} {:.2}", m.journey, m.score)).collect::<Vec<_>>()
                );
            }
            digressions += usize::from(entry.key == "none" && router.choose(&message, &Nobody, Thresholds::DEFAULT.digression).is_some());
        }
    }
    let counted = format!("{right} of {all} are right, {wrong} wrong");
    assert_eq!(digressions, 0);
    assert!(include_str!("../../grammar/understanding.md").contains(&counted), "{counted}");
    assert!(right * 100 >= all * 85, "{right} of {all}");
    assert!(wrong * 100 <= all * 3, "{wrong} of {all}");
}

#[test]
fn a_thousand_journeys_are_told_apart_and_requirements_and_priority_count() {
    let nouns = ["lamp", "chair", "kettle", "bicycle", "phone", "window", "garden", "ticket", "engine", "mirror"];
    let verbs = ["repair", "sell", "paint", "insure", "rent", "deliver", "inspect", "polish", "assemble", "exchange"];
    let places = ["office", "school", "harbour", "kitchen", "museum", "station", "hospital", "market", "theatre", "airport"];
    let mut text = String::new();
    for i in 0..1_000 {
        let (noun, verb, place) = (nouns[i / 100], verbs[i / 10 % 10], places[i % 10]);
        let trigger = format!(
            "{{goal: {verb} a {noun} at the {place}, examples: [I want to {verb} my {noun} in the {place}, please {verb} the {noun} near our {place}]}}"
        );
        text.extend(["---\nname: j", &i.to_string(), "\ntrigger: ", &trigger, "\njourney: [{done: Ok.}]\n"]);
    }
    let many = router(&[("journeys/many.yaml", text)]);
    let chosen = |message: &str| many.choose(message, &Nobody, Thresholds::DEFAULT.first).map(|m| m.journey.to_string());
    assert_eq!(chosen("could you polish the mirror of the airport"), Some("j979".to_owned()));
    assert_eq!(chosen("repair my lamp at the office"), Some("j0".to_owned()));
    assert_eq!(chosen("repair the lamp"), None, "ten places tie");
    let tied = "
name: One
trigger: {goal: Buy a lamp, examples: [buy a lamp]}
journey: [{done: Ok.}]
---
name: Two
trigger: {goal: Buy a lamp, examples: [buy a lamp], priority: 5}
journey: [{done: Ok.}]
---
name: Three
trigger: {goal: Buy a lamp, examples: [buy a lamp], priority: 9, requires: [entitlements.gold]}
journey: [{done: Ok.}]
";
    let tied = router(&[("journeys/tied.yaml", tied.to_owned())]);
    assert_eq!(tied.choose("buy a lamp", &Nobody, 0.5).map(|m| m.journey.to_string()), Some("two".to_owned()));
    assert_eq!(tied.route("buy a lamp", &Nobody).len(), 2);
    assert_eq!(tied.choose("buy a lamp", &Gold, 0.5).map(|m| m.journey.to_string()), Some("three".to_owned()));
}

/// A user with an entitlement.
struct Gold;

impl Scope for Gold {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        static GOLD: std::sync::LazyLock<(Json, waypost::value::Taint)> =
            std::sync::LazyLock::new(|| (json!({"gold": true}), waypost::value::Taint::default()));
        (root == Root::User && key == "entitlements").then(|| Node { json: &GOLD.0, taint: &GOLD.1 })
    }
    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}

fn shipped() -> Router {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(format!("{root}/journeys")).expect("journeys").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        files.push((format!("journeys/{}", entry.file_name().to_string_lossy()), text.into()));
    }
    let (workspace, _) = waypost::model::build(files);
    Router::new(&workspace)
}

/// An utterance: its kind, what it says, and the journeys that it means.
type Labelled = (String, String, Vec<String>);

fn labelled(file: &str) -> Vec<Labelled> {
    let text = std::fs::read_to_string(format!("{}/tests/corpus/routing/{file}", env!("CARGO_MANIFEST_DIR"))).expect("a corpus");
    let parsed = yaml::parse(FileId(0), &text);
    let word = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    let mut all = Vec::new();
    for kind in parsed.documents[0].json().as_object().expect("kinds") {
        for (means, said) in match kind.1 {
            Json::Object(by_journey) => by_journey.iter().map(|(journey, said)| (vec![journey.clone()], said.clone())).collect(),
            said => vec![(Vec::new(), said.clone())],
        } {
            for one in said.as_array().expect("utterances") {
                let said = one.get("says").unwrap_or(one);
                let both = one.get("means").and_then(Json::as_array).map(|m| m.iter().map(word).collect());
                all.push((kind.0.clone(), word(said), both.unwrap_or_else(|| means.clone())));
            }
        }
    }
    all
}

/// Right, only asked about (nothing chosen, or too much offered), and wrong.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    right: usize,
    asked: usize,
    wrong: usize,
}

impl Tally {
    fn of<'l>(all: impl Iterator<Item = &'l Labelled>, chosen: impl Fn(&str) -> Vec<String>) -> Self {
        let mut tally = Self::default();
        for (kind, said, means) in all {
            let got = chosen(said);
            if got.len() == means.len() && means.iter().all(|m| got.contains(m)) {
                tally.right += 1;
            } else if got.is_empty() || (!means.is_empty() && got.len() > 1 && means.iter().all(|m| got.contains(m))) {
                tally.asked += 1;
                println!("asked {kind}: {said:?} means {means:?}: {got:?}");
            } else {
                tally.wrong += 1;
                println!("wrong {kind}: {said:?} means {means:?}: {got:?}");
            }
        }
        tally
    }
    fn row(self, name: &str) -> String {
        format!("| {name} | {} | {} | {} | {} |", self.right + self.asked + self.wrong, self.right, self.asked, self.wrong)
    }
}

/// Whole words in common with the nearest name, goal or example, as a share of the words of both: what is to be beaten.
fn by_overlap(said: &str, least: f64) -> Vec<String> {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let said = words(said);
    let mut best = (least, Vec::new());
    for (journey, texts) in triggers() {
        for text in texts {
            let text = words(text);
            let share = count(said.intersection(&text).count()) / count(said.union(&text).count());
            if share > best.0 {
                best = (share, vec![journey.clone()]);
            }
        }
    }
    best.1
}

fn count(words: usize) -> f64 {
    f64::from(u32::try_from(words).expect("few words"))
}

fn triggers() -> &'static [(String, Vec<String>)] {
    static ALL: std::sync::LazyLock<Vec<(String, Vec<String>)>> = std::sync::LazyLock::new(|| {
        let root = format!("{}/journeys", env!("CARGO_MANIFEST_DIR"));
        let mut all = Vec::new();
        for entry in std::fs::read_dir(root).expect("journeys").flatten() {
            let json = yaml::parse(FileId(0), &std::fs::read_to_string(entry.path()).expect("a journey")).documents[0].json();
            let texts = |v: Option<&Json>| v.and_then(Json::as_array).cloned().unwrap_or_default();
            let Some(trigger) = json.get("trigger") else { continue };
            let said = texts(trigger.get("examples")).into_iter().chain(trigger.get("goal").cloned()).chain(json.get("name").cloned());
            let slug = entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
            all.push((slug, said.filter_map(|t| t.as_str().map(str::to_owned)).collect()));
        }
        all.sort();
        all
    });
    &ALL
}

#[test]
fn what_customers_say_first_finds_its_journey() {
    let router = shipped();
    let ours = |said: &str| -> Vec<String> {
        match router.meant(said, &Nobody, Thresholds::DEFAULT.first) {
            Meant::Nothing => Vec::new(),
            Meant::One(found) => vec![found.journey.to_string().replace('_', "-")],
            Meant::Several(all) => all.iter().map(|m| m.journey.to_string().replace('_', "-")).collect(),
        }
    };
    let (all, aside) = (labelled("shop.yaml"), labelled("held-out.yaml"));
    let kind = |name: &'static str| all.iter().filter(move |(kind, ..)| kind == name);
    assert!(all.len() >= 200 && kind("none").count() >= 60 && kind("other").count() >= 40 && kind("double").count() >= 20);
    let mut rows = vec![Tally::of(all.iter(), ours).row("all")];
    for (name, shown) in
        [("plain", "one wish"), ("other", "typing errors, other words"), ("double", "two wishes"), ("none", "nothing that there is")]
    {
        rows.push(Tally::of(kind(name), ours).row(shown));
    }
    let least = (1..20).map(|n| f64::from(n) / 20.0).max_by_key(|l| Tally::of(all.iter(), |s| by_overlap(s, *l)).right).expect("one");
    let (baseline, held_out) = (Tally::of(all.iter(), |s| by_overlap(s, least)), Tally::of(aside.iter(), ours));
    rows.extend([baseline.row("all, by plain overlap of words"), held_out.row("kept aside")]);
    rows.push(Tally::of(aside.iter(), |s| by_overlap(s, least)).row("kept aside, by plain overlap of words"));
    println!("{}", rows.join("\n"));
    let page = include_str!("../../grammar/understanding.md");
    assert!(rows.iter().all(|row| page.contains(row)), "grammar/understanding.md publishes other numbers than\n{}", rows.join("\n"));
    let tally = Tally::of(all.iter(), ours);
    assert!(tally.right * 100 >= all.len() * 85 && tally.wrong * 100 <= all.len() * 3, "{tally:?}");
    assert!(tally.right > baseline.right && tally.wrong < baseline.wrong, "{tally:?} against {baseline:?}");
    let strays: Vec<&String> = all
        .iter()
        .chain(&aside)
        .filter(|(kind, said, _)| kind == "none" && router.choose(said, &Nobody, Thresholds::DEFAULT.digression).is_some())
        .map(|(_, said, _)| said)
        .collect();
    println!("in the middle of another journey these would start one: {strays:?}");
    assert!(strays.len() <= 3, "{strays:?}");
    // Said to a question, it is about that question.
    for said in ["yes, but what about the shipping costs?", "when will I have the money?", "is that the whole order?"] {
        assert_eq!(router.choose(said, &Nobody, Thresholds::DEFAULT.digression), None, "{said}");
    }
}

#[test]
fn a_number_may_tell_two_journeys_apart() {
    let tariffs = "
name: Small
trigger: {goal: Change to tariff 1, examples: [I want tariff 1]}
journey: [{done: Ok.}]
---
name: Large
trigger: {goal: Change to tariff 2, examples: [I want tariff 2]}
journey: [{done: Ok.}]
";
    let router = router(&[("journeys/tariffs.yaml", tariffs.to_owned())]);
    let chosen = |said: &str| router.choose(said, &Nobody, Thresholds::DEFAULT.first).map(|m| m.journey.to_string());
    assert_eq!(chosen("tariff 2 please"), Some("large".to_owned()));
    assert_eq!(chosen("I would like the tariff 1"), Some("small".to_owned()));
    assert_eq!(chosen("I would like another tariff"), None, "both are as near");
}

#[test]
fn every_example_of_the_shipped_journeys_finds_its_journey() {
    let router = shipped();
    for (journey, examples) in triggers() {
        for example in examples {
            let chosen = router.choose(example, &Nobody, Thresholds::DEFAULT.first);
            let name = chosen.map(|m| m.journey.to_string().replace('_', "-"));
            assert_eq!(name.as_ref(), Some(journey), "{example}: {:?}", router.route(example, &Nobody));
        }
    }
}
