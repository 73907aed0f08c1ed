//! Understanding without a model: labelled replies and utterances, normalisation, values in messages.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use waypost::model::datapoint::Pattern;
use waypost::model::{Datapoint, DatapointType, Settings};
use waypost::source::{FileId, Span};
use waypost::syntax::yaml;
use waypost::understand::{FieldProblem, Locale, Reply, Words, classify, extract, is_word, normalise, pick, question_for, stands_in};
use waypost::value::Slug;

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
        let words = serde_json::from_value(case["words"].clone()).unwrap_or_default();
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
    // What the page for authors publishes is what was found.
    let page = include_str!("../../grammar/understanding.md");
    for (kind, tally) in &tallies {
        let row = format!("| {} | {} | {} |", if *kind == "other" { "anything else" } else { kind }, tally.all, tally.right);
        assert!(page.contains(&row), "grammar/understanding.md lacks {row:?}");
    }
    assert!(page.contains(&format!("holds {} labelled replies", tallies.values().map(|t| t.all).sum::<usize>())));
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
        &[
            "cancel my order",
            "cancel order H1042",
            "I want to cancel the subscription",
            "stop sending mails",
            "where can I cancel?",
            "don't stop",
            "",
        ],
    );
    is(
        Words::Person,
        &[
            "agent",
            "a human please",
            "I want to talk to a person",
            "speak to an agent",
            "can I talk to someone?",
            "connect me to a representative",
            "I need a human",
            "give me a real person",
            "let me speak with your manager",
            "I'd like to talk to customer service",
        ],
        &[
            "the agent told me it has shipped",
            "I spoke to an agent yesterday",
            "I need someone to fix my grinder",
            "is it for one person?",
            "don't connect me to a person",
            "a person took my parcel",
            "I want it for a person of 80 kg",
            "what does customer service cost?",
        ],
    );
    is(Words::Skip, &["skip", "Skip it please", "no", "none", "no thanks"], &["skip the cup", "no, H1042", "skip?", "nothing works"]);
    is(
        Words::Next,
        &["next", "done", "ok", "yes", "I did", "ok, done", "what's next"],
        &["next week", "done?", "not done", "it is not ok"],
    );
    is(Words::Back, &["back", "go back please", "previous step"], &["give me my money back", "back door"]);
    is(Words::Stuck, &["stuck", "I am stuck", "it doesn't work", "help"], &["the lid is stuck to the base", "help me cancel my order"]);
    assert!(is_word(Words::Cancel, "abbrechen bitte", &locale("de-AT")));
    assert!(is_word(Words::Person, "ich möchte mit einem Mitarbeiter sprechen", &locale("de")));
    assert!(!is_word(Words::Cancel, "abbrechen", &en));
}

#[test]
fn options_are_picked() {
    let options = [
        ("original-payment-method", "Original payment method"),
        ("store-credit", "Store credit"),
        ("store-pickup", "Store pickup"),
        ("no", "No, thanks"),
    ];
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

fn field(name: &str, kind: DatapointType) -> Datapoint {
    Datapoint {
        name: name.into(),
        slug: Slug::from_title(name),
        description: None,
        kind,
        unread: false,
        required: true,
        min_length: None,
        max_length: None,
        pattern: None,
        min: None,
        max: None,
        integer: false,
        prompt: None,
        placeholder: None,
        examples: Vec::new(),
        sensitive: false,
        declared: true,
        span: Span::default(),
    }
}

fn patterned(name: &str, pattern: &str) -> Datapoint {
    Datapoint { pattern: Pattern::new(pattern).ok(), ..field(name, DatapointType::String) }
}

fn listed(name: &str, values: &[&str]) -> Datapoint {
    field(name, DatapointType::Enum(values.iter().map(|v| (*v).into()).collect()))
}

/// Monday.
fn now() -> jiff::Timestamp {
    "2026-01-05T09:00:00Z".parse().unwrap_or_default()
}

#[test]
fn values_are_brought_into_one_form() {
    let en = Locale::new(&Settings { phone_region: "GB".into(), timezone: "Pacific/Auckland".into(), ..Settings::default() });
    let us = locale("en-US");
    let de = Locale::new(&Settings { locale: "de".into(), phone_region: "DE".into(), ..Settings::default() });
    let is = |dp: &Datapoint, locale: &Locale, raw: Json, expected: Json| {
        assert_eq!(normalise(dp, &raw, locale, now()), Ok(expected.clone()), "{raw}");
        assert_eq!(normalise(dp, &expected, locale, now()), Ok(expected), "{raw} again");
    };
    let email = field("Email", DatapointType::Email);
    is(&email, &en, json!("  Nora.Falk@EXAMPLE.Com "), json!("Nora.Falk@example.com"));
    is(&email, &en, json!("<a+b@x.org>"), json!("a+b@x.org"));
    let phone = field("Phone", DatapointType::Phone);
    is(&phone, &en, json!("020 7946 0018"), json!("+442079460018"));
    is(&phone, &us, json!("(415) 555-2671"), json!("+14155552671"));
    is(&phone, &en, json!("+49 (0)30 901820"), json!("+4930901820"));
    is(&phone, &de, json!("030/901820"), json!("+4930901820"));
    let number = field("Amount", DatapointType::Number);
    for (locale, raw, expected) in [
        (&en, "1,234.56", json!(1234.56)),
        (&en, "$50", json!(50)),
        (&en, "-3", json!(-3)),
        (&en, "1 000 000", json!(1_000_000)),
        (&en, "1,50", json!(1.5)),
        (&en, "1,500", json!(1500)),
        (&de, "1.234,56", json!(1234.56)),
        (&de, "1.500", json!(1500)),
        (&de, "1,5", json!(1.5)),
        (&de, "12,50 €", json!(12.5)),
        (&en, ".5", json!(0.5)),
        (&en, "5.0", json!(5)),
        (&de, "0.125", json!(0.125)),
    ] {
        is(&number, locale, json!(raw), expected);
    }
    is(&number, &en, json!(5.0), json!(5));
    let truth = field("Insured", DatapointType::Boolean);
    is(&truth, &en, json!("Yes, please"), json!(true));
    is(&truth, &en, json!("nope"), json!(false));
    is(&truth, &de, json!("ja"), json!(true));
    is(&truth, &en, json!("TRUE"), json!(true));
    let day = field("Day", DatapointType::Date);
    // In Auckland it is still the 5th, at ten in the evening.
    for (locale, raw, expected) in [
        (&en, "today", "2026-01-05"),
        (&en, "Tomorrow", "2026-01-06"),
        (&en, "yesterday", "2026-01-04"),
        (&en, "day after tomorrow", "2026-01-07"),
        (&en, "in 3 days", "2026-01-08"),
        (&en, "two weeks ago", "2025-12-22"),
        (&en, "a week ago", "2025-12-29"),
        (&en, "next week", "2026-01-12"),
        (&en, "friday", "2026-01-09"),
        (&en, "5 March 2027", "2027-03-05"),
        (&en, "March 5th, 2027", "2027-03-05"),
        (&en, "5 Feb", "2026-02-05"),
        (&en, "the 3rd of April", "2026-04-03"),
        (&us, "3/4/2026", "2026-03-04"),
        (&de, "4.3.2026", "2026-03-04"),
        (&de, "morgen", "2026-01-06"),
        (&de, "5. März 2026", "2026-03-05"),
        (&de, "vor 3 Tagen", "2026-01-02"),
        (&en, "2026-01-31T23:30:00Z", "2026-02-01"),
        (&en, "31/12/25", "2025-12-31"),
        (&en, "2026/2/3", "2026-02-03"),
        (&locale("fr"), "après-demain", "2026-01-07"),
        (&locale("es"), "mañana", "2026-01-06"),
    ] {
        is(&day, locale, json!(raw), json!(expected));
    }
    let reason = listed("Reason", &["changed my mind", "too-slow", "Other"]);
    is(&reason, &en, json!("Changed my mind"), json!("changed my mind"));
    is(&reason, &en, json!("too slow"), json!("too-slow"));
    is(&reason, &en, json!("other"), json!("Other"));
    let emails = field("Emails", DatapointType::List(Box::new(DatapointType::Email)));
    is(&emails, &en, json!("a@X.com, b@y.com and c@z.com"), json!(["a@x.com", "b@y.com", "c@z.com"]));
    is(&emails, &en, json!(["A@X.com"]), json!(["A@x.com"]));
    is(&patterned("Order", "#W[0-9]{3}"), &en, json!(" #W123 "), json!("#W123"));
}

#[test]
fn what_is_wrong_is_said_without_the_value() {
    let en = locale("en");
    let wrong = |dp: &Datapoint, raw: Json, code: &str, help: &str| {
        let FieldProblem { code: got, help: said } = normalise(dp, &raw, &en, now()).expect_err("a problem");
        assert_eq!((got, said.as_str()), (code, help), "{raw}");
    };
    let number = Datapoint { min: Some(json!(1)), max: Some(json!(5)), integer: true, ..field("Count", DatapointType::Number) };
    wrong(&number, json!("five hundred"), "invalid", "Please give a number, such as 12.");
    wrong(&number, json!("5x"), "invalid", "Please give a number, such as 12.");
    wrong(&number, json!(9), "too_big", "Please give at most 5.");
    wrong(&number, json!("0"), "too_small", "Please give at least 1.");
    wrong(&number, json!(1.5), "not_integer", "Please give a whole number.");
    let street = Datapoint { min_length: Some(3), max_length: Some(5), ..field("Street", DatapointType::String) };
    wrong(&street, json!("ab"), "too_short", "Please give at least 3 characters.");
    wrong(&street, json!("abcdef"), "too_long", "Please give at most 5 characters.");
    wrong(&street, json!(" "), "too_short", "Please give at least 3 characters.");
    wrong(&field("Name", DatapointType::String), json!("  "), "required", "Please give a value.");
    let order = Datapoint { examples: vec![json!("H1042")], ..patterned("order number", "H[0-9]{4}") };
    wrong(&order, json!("1042"), "pattern", "That does not look like an order number, such as H1042.");
    wrong(&Datapoint { sensitive: true, ..order }, json!("1042"), "pattern", "That does not look like an order number.");
    for bad in ["nora", "nora@", "@x.com", "a b@x.com", "a@localhost", "a@x..com", "a@b@c.com"] {
        wrong(&field("Email", DatapointType::Email), json!(bad), "invalid", "Please give an e-mail address, such as name@example.com.");
    }
    for bad in ["12", "hello", "+1 555", "999999999999999999999", ""] {
        assert_eq!(normalise(&field("Phone", DatapointType::Phone), &json!(bad), &en, now()).expect_err(bad).code, "invalid");
    }
    let day = Datapoint { min: Some(json!("today")), ..field("Day", DatapointType::Date) };
    wrong(&day, json!("yesterday"), "too_small", "Please give a date that is not before 2026-01-05.");
    for bad in
        ["soon", "5", "2026-02-30", "13/13/2026", "january", "monkey", "may I", "12:30", "99999", "next", "ago", "", "in 99999999 years"]
    {
        wrong(&day, json!(bad), "invalid", "Please give a date, such as 2026-01-31.");
    }
    wrong(&listed("Size", &["s", "m", "l"]), json!("xl"), "not_listed", "Please say s, m or l.");
    wrong(&field("Insured", DatapointType::Boolean), json!("maybe"), "invalid", "Please say yes or no.");
    wrong(&field("Email", DatapointType::Email), Json::Null, "required", "Please give a value.");
}

fn found(fields: &[&Datapoint], asked: &[&Datapoint], message: &str) -> Vec<(String, Result<Json, &'static str>)> {
    let results = extract(fields, asked, message, true, &locale("en"), now());
    results.into_iter().map(|(name, r)| (name.to_string(), r.map_err(|p| p.code))).collect()
}

#[test]
fn values_are_found_in_messages() {
    let order = patterned("Order ID", "^#W[0-9]{7}$");
    let short = patterned("Short", r"^[A-Z]\d{1,4}$");
    let code = patterned("Code", r"^\d{6}$");
    let email = field("Email", DatapointType::Email);
    let amount = field("Amount", DatapointType::Number);
    let day = field("Day", DatapointType::Date);
    let reason = listed("Reason", &["changed my mind", "ordered by mistake", "too late"]);
    let name = field("Name", DatapointType::String);
    let insured = field("Insured", DatapointType::Boolean);
    let all = [&order, &short, &code, &email, &amount, &day, &reason, &name, &insured];
    let is = |asked: &[&Datapoint], message: &str, expected: &[(&str, Result<Json, &'static str>)]| {
        let expected: Vec<_> = expected.iter().map(|(n, r)| ((*n).to_owned(), r.clone())).collect();
        assert_eq!(found(&all, asked, message), expected, "{message}");
    };
    // Identifiers, anywhere, also in a question.
    is(&[&order], "where is my order #W2611340?", &[("order_id", Ok(json!("#W2611340")))]);
    is(&[&short], "where is my order A1?", &[("short", Ok(json!("A1")))]);
    is(&[&short], "is it A1?", &[("short", Ok(json!("A1")))]);
    is(
        &[&name],
        "#W2611340, nora@Example.com",
        &[
            ("order_id", Ok(json!("#W2611340"))),
            ("email", Ok(json!("nora@example.com"))),
            ("name", Ok(json!("#W2611340, nora@Example.com"))),
        ],
    );
    is(&[&code], "my code is 482913.", &[("code", Ok(json!("482913")))]);
    is(&[&order], "x#W26113401 and A1-B2 and a.A1.b", &[]);
    is(&[&email], "Write to (nora@example.com), please", &[("email", Ok(json!("nora@example.com")))]);
    // Two for one field ask; the same twice does not.
    is(&[&email], "a@x.com or b@x.com", &[("email", Err("ambiguous"))]);
    is(&[&email], "a@x.com, I repeat: a@x.com", &[("email", Ok(json!("a@x.com")))]);
    is(&[&name], "A1 A2", &[("name", Ok(json!("A1 A2")))]);
    // Quantities, dates and listed values, but not in a question.
    is(&[&amount], "I want 50 back", &[("amount", Ok(json!(50)))]);
    is(&[&amount], "can I have 50?", &[]);
    is(&[&amount], "A1", &[("short", Ok(json!("A1")))]);
    is(&[&email], "refund 50 for A1", &[("short", Ok(json!("A1")))]);
    is(&[&day], "on Friday please, the 9th of January", &[("day", Ok(json!("2026-01-09")))]);
    is(&[&day], "tomorrow would be good", &[("day", Ok(json!("2026-01-06")))]);
    is(&[&day], "is tomorrow possible?", &[]);
    is(&[&reason], "I ordered by mistake", &[("reason", Ok(json!("ordered by mistake")))]);
    is(&[&reason], "because it comes too late and I changed my mind", &[("reason", Err("ambiguous"))]);
    is(&[&insured], "yes please", &[("insured", Ok(json!(true)))]);
    is(&[&insured], "no", &[("insured", Ok(json!(false)))]);
    is(&[&insured], "yes?", &[]);
    is(&[&email], "yes", &[]);
    // Plain text: the whole message, if it alone is asked and the message is nothing else.
    is(&[&name], "Nora Falk", &[("name", Ok(json!("Nora Falk")))]);
    for other in ["what do you mean?", "why is that", "yes", "no", "cancel", "skip", "talk to a person", ""] {
        is(&[&name], other, &[]);
    }
    is(&[&name, &email], "Nora Falk", &[]);
    assert!(extract(&all, &[&name], "Nora", false, &locale("en"), now()).is_empty());
    // An attempt that fails says so; anything else may be another wish.
    is(&[&email], "nora@example", &[("email", Err("invalid"))]);
    is(&[&order], "2611340", &[("order_id", Err("pattern"))]);
    is(&[&order], "W26", &[("short", Ok(json!("W26")))]);
    is(&[&order], "I do not have it", &[]);
    is(&[&day], "2026-02-30", &[("day", Err("invalid"))]);
    // A pattern that takes any word says nothing about where a value ends: it is plain text with a rule.
    let free = patterned("Nickname", "[A-Za-z ]{2,20}");
    assert_eq!(found(&[&free], &[], "where is my order"), []);
    assert_eq!(found(&[&free], &[&free], "Nora F"), [("nickname".to_owned(), Ok(json!("Nora F")))]);
    assert_eq!(found(&[&free], &[&free], "Nora 7"), [("nickname".to_owned(), Err("pattern"))]);
    // Two fields of one form.
    let (from, to) = (field("From", DatapointType::Date), field("To", DatapointType::Date));
    assert_eq!(
        found(&[&from, &to], &[&from, &to], "2026-02-01 to 2026-02-03"),
        [("from".to_owned(), Ok(json!("2026-02-01"))), ("to".to_owned(), Ok(json!("2026-02-03")))]
    );
    assert_eq!(found(&[&from, &to], &[&from], "2026-02-01"), [("from".to_owned(), Ok(json!("2026-02-01")))]);
    assert_eq!(found(&[&from, &to], &[&from, &to], "2026-02-01"), [("from".to_owned(), Err("ambiguous"))]);
    let items = field("Items", DatapointType::List(Box::new(DatapointType::Email)));
    assert_eq!(found(&[&items], &[&items], "send it to a@x.com and b@x.com"), [("items".to_owned(), Ok(json!(["a@x.com", "b@x.com"])))]);
    // At a confirm nothing is asked: a number is a correction.
    assert_eq!(found(&[&amount], &[], "make it 3"), [("amount".to_owned(), Ok(json!(3)))]);
}

#[test]
fn what_was_heard_and_what_is_asked() {
    assert!(stands_in("it is 482913, I think", "482913") && stands_in("Order #W26!", "#w26"));
    assert!(!stands_in("4829134", "482913") && !stands_in("", "x") && !stands_in("x", ""));
    let order = Datapoint { description: Some("The number on the parcel.".into()), ..field("Order ID", DatapointType::String) };
    assert_eq!(question_for(&order, false), "What is the order ID (the number on the parcel)?");
    assert_eq!(question_for(&listed("Size", &["s", "m"]), true), "What is the size: s or m? Say \"skip\" to leave it out.");
    assert_eq!(question_for(&field("Gift wrap", DatapointType::Boolean), false), "Gift wrap: yes or no?");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_message_is_bounded_and_every_value_round_trips(message in "[ a-zA-Z0-9#@.,:+/'?!€é😊()_\\-]{0,60}", seed in 0usize..9) {
        let kinds = [DatapointType::String, DatapointType::Email, DatapointType::Phone, DatapointType::Number, DatapointType::Boolean, DatapointType::Date,
            DatapointType::Enum(vec!["a".into(), "b c".into()]), DatapointType::List(Box::new(DatapointType::Number)), DatapointType::List(Box::new(DatapointType::Date))];
        let dp = field("Thing", kinds[seed].clone());
        let locale = locale(["en", "de", "fr"][message.len() % 3]);
        if let Ok(value) = normalise(&dp, &json!(message), &locale, now()) {
            proptest::prop_assert_eq!(normalise(&dp, &value, &locale, now()), Ok(value));
        }
        let _ = extract(&[&dp], &[&dp], &message, true, &locale, now());
        let _ = classify(&message, &message, &locale);
    }
}
