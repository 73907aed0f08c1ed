//! Understanding without a model: labelled replies and utterances, normalisation, values in messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::model::Settings;
use waypost::source::FileId;
use waypost::syntax::yaml;
use waypost::understand::{Locale, Reply, Words, classify, is_word, pick};

fn locale(language: &str) -> Locale {
    Locale::new(&Settings { locale: language.into(), ..Settings::default() })
}

/// The entries of a corpus file, as JSON.
fn corpus(file: &str) -> Vec<Json> {
    let path = format!("{}/tests/corpus/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let parsed = yaml::parse(FileId(0), &text);
    assert!(!parsed.broken && !parsed.documents.is_empty(), "{path}: {:?}", parsed.diagnostics);
    parsed.documents.iter().flat_map(|d| d.items().iter().map(yaml::Node::json)).collect()
}

fn texts(case: &Json, key: &str) -> Vec<String> {
    case[key].as_array().into_iter().flatten().map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned)).collect()
}

/// How many replies of a kind there are, and how many were taken for it.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    all: usize,
    right: usize,
}

#[test]
fn no_reply_is_wrongly_a_yes() {
    let kinds = [("yes", Reply::Yes), ("no", Reply::No), ("change", Reply::Change), ("other", Reply::Other)];
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut false_yes = Vec::new();
    let mut missed = Vec::new();
    for case in corpus("replies/en.yaml").into_iter().chain(corpus("replies/other_languages.yaml")) {
        let words: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<Arc<str>>>> = serde_json::from_value(case["words"].clone()).unwrap_or_default();
        let settings = Settings { locale: case["locale"].as_str().unwrap_or("en").into(), words, ..Settings::default() };
        let locale = Locale::new(&settings);
        let question = case["question"].as_str().unwrap_or("");
        for (kind, expected) in kinds {
            for reply in texts(&case, kind) {
                let tally = tallies.entry(kind).or_default();
                let got = classify(&reply, question, &locale);
                tally.all += 1;
                tally.right += usize::from(got == expected);
                if got == Reply::Yes && expected != Reply::Yes {
                    false_yes.push(reply.clone());
                }
                if got != expected {
                    missed.push(format!("{kind}: {reply:?} taken for {got:?}"));
                }
            }
        }
    }
    println!("{tallies:?}\n{}", missed.join("\n"));
    assert_eq!(false_yes, Vec::<String>::new());
    assert!(tallies.values().map(|t| t.all).sum::<usize>() >= 150);
    for (kind, floor) in [("yes", 97), ("no", 95), ("change", 90)] {
        let tally = &tallies[kind];
        assert!(tally.right * 100 >= tally.all * floor, "{kind}: {tally:?}");
    }
}

#[test]
fn bare_words_are_told_from_sentences() {
    let en = locale("en");
    let is = |words: Words, yes: &[&str], no: &[&str]| {
        for text in yes {
            assert!(is_word(words, text, &en), "{words:?}: {text}");
        }
        for text in no {
            assert!(!is_word(words, text, &en), "{words:?}: {text}");
        }
    };
    is(
        Words::Cancel,
        &["cancel", "Cancel.", "please cancel", "stop", "never mind", "Forget it!", "abort", "quit please", "thanks, stop here"],
        &["cancel my order", "cancel order H1042", "I want to cancel the subscription", "stop sending mails", "where can I cancel?", "don't stop", ""],
    );
    is(
        Words::Person,
        &[
            "agent", "a human please", "I want to talk to a person", "speak to an agent", "can I talk to someone?", "connect me to a representative",
            "I need a human", "give me a real person", "let me speak with your manager", "I'd like to talk to customer service",
        ],
        &["the agent told me it has shipped", "I spoke to an agent yesterday", "I need someone to fix my grinder", "is it for one person?",
          "don't connect me to a person", "a person took my parcel", "I want it for a person of 80 kg", "what does customer service cost?"],
    );
    is(Words::Skip, &["skip", "Skip it please", "no", "none", "no thanks"], &["skip the cup", "no, H1042", "skip?", "nothing works"]);
    is(Words::Next, &["next", "done", "ok", "yes", "I did", "ok, done", "what's next"], &["next week", "done?", "not done", "it is not ok"]);
    is(Words::Back, &["back", "go back please", "previous step"], &["give me my money back", "back door"]);
    is(Words::Stuck, &["stuck", "I am stuck", "it doesn't work", "help"], &["the lid is stuck to the base", "help me cancel my order"]);
    assert!(is_word(Words::Cancel, "abbrechen bitte", &locale("de-AT")));
    assert!(is_word(Words::Person, "ich möchte mit einem Mitarbeiter sprechen", &locale("de")));
    assert!(!is_word(Words::Cancel, "abbrechen", &en));
}

#[test]
fn options_are_picked() {
    let options = [("original-payment-method", "Original payment method"), ("store-credit", "Store credit"), ("store-pickup", "Store pickup"), ("no", "No, thanks")];
    let picks = |text: &str| pick(text, options);
    assert_eq!(picks("store-credit"), Some(1));
    assert_eq!(picks(" STORE_CREDIT "), Some(1));
    assert_eq!(picks("store credit"), Some(1));
    assert_eq!(picks("Store credit."), Some(1));
    assert_eq!(picks("2"), Some(1));
    assert_eq!(picks("#2"), Some(1));
    assert_eq!(picks("no thanks"), Some(3));
    assert_eq!(picks("orig"), Some(0));
    assert_eq!(picks("store c"), Some(1));
    for none in ["store", "0", "5", "", "credit card", "12", "-1", "no way"] {
        assert_eq!(picks(none), None, "{none}");
    }
}
