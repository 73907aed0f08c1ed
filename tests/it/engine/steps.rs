//! Step kinds and runs.

use serde_json::json;
use waypost::engine::{Actor, Command, InputBody, Phase, Principal, Status};
use waypost::value::Name;

use super::harness::{Talk, answered, machine, start, values};

const API: &str = r"
name: Api
type: rest_api
config: {base_url: 'http://api.test', auth_type: none}
actions:
  - name: Look
    type: read
    invocation: {method: GET, endpoint: '/{order_id}'}
    input_schema: {order_id: {type: string}}
    outcomes: [{name: found, condition: response.status == 200}, {name: missing, condition: response.status == 404}]
  - name: Keep
    type: write
    invocation: {method: POST, endpoint: /keep}
    input_schema: {order_id: {type: string}}
";

const FIELDS: &str = r"
- {name: Order id, slug: order_id, type: string, validation: {pattern: 'A[0-9]+'}}
- {name: Email, slug: email, type: email}
- {name: Phone, slug: phone, type: phone}
- {name: Amount, slug: amount, type: number}
- {name: Note, slug: note, type: string}
";

fn talk(steps: &str) -> Talk {
    talk_with(steps, &[])
}

fn talk_with(steps: &str, others: &[&str]) -> Talk {
    let journey = format!("name: Go\ntrigger: {{goal: go on a journey, examples: [take me there]}}\njourney:\n{steps}");
    let mut files = vec![("integrations/api.yaml", API), ("datapoints/d.yaml", FIELDS), ("journeys/go.yaml", journey.as_str())];
    let names = ["journeys/x.yaml", "journeys/y.yaml"];
    files.extend(names.iter().copied().zip(others.iter().copied()));
    Talk::new(machine(&files))
}

fn fill(pairs: &[(&str, serde_json::Value)]) -> Command {
    Command::Fill(values(pairs))
}

#[test]
fn a_message_starts_a_journey_and_fills_what_it_holds() {
    let mut talk = talk("  - collect: [order_id]\n  - done: \"Got {{ variables.order_id }}\"\n");
    let done = talk.user("take me there with A12");
    assert_eq!(done.messages, ["Got A12".into()]);
    assert!(talk.trace().contains("route go (score "), "{}", talk.trace());
}

#[test]
fn what_is_far_from_every_journey_gets_an_offer() {
    let mut talk = talk("  - collect: [order_id]\n  - done: Fine.\n");
    let offered = talk.user("xyzzy");
    assert_eq!(offered.phase, Phase::Choice);
    assert_eq!(&*offered.options[0].id, "go");
    assert_eq!(talk.user("1").phase, Phase::Collect);
}

#[test]
fn a_collect_asks_for_what_is_missing_one_at_a_time() {
    let mut talk = talk("  - collect: {fields: [order_id, email], optional: [note]}\n  - done: {outcome: end}\n");
    let asked = talk.agent(start("go"));
    assert_eq!(asked.phase, Phase::Collect);
    let both = talk.user("A7 and my mail is Ada@EXAMPLE.com");
    assert_eq!(talk.variable("email"), json!("Ada@example.com"));
    assert!(both.text().contains("skip"), "{both:?}");
    assert_eq!(talk.user("skip").outcome.as_deref(), Some("end"));
}

#[test]
fn an_invalid_value_of_an_agent_is_no_attempt_and_valid_ones_are_kept() {
    let mut talk = talk("  - collect: [order_id, email]\n  - done: {outcome: end}\n");
    talk.agent(start("go"));
    for _ in 0..5 {
        let told = talk.agent(fill(&[("order_id", json!("A1")), ("email", json!("nonsense"))]));
        assert_eq!(told.errors[0].field, Name::new("email"));
        assert_eq!(told.status, Status::Active);
    }
    assert_eq!(talk.variable("order_id"), json!("A1"));
    let refused = talk.agent(fill(&[("email", json!("a@b.de")), ("total", json!(1))]));
    assert_eq!(&*refused.refused.unwrap().code, "not_fillable");
    assert_eq!(talk.variable("email"), json!(null));
}

#[test]
fn a_user_has_so_many_attempts() {
    let mut talk = talk("  - collect: {fields: [email], retry: {max: 2, message: Try again.}}\n  - done: {outcome: end}\n");
    talk.agent(start("go"));
    let told = talk.user("banana");
    assert_eq!(&*told.messages[0], "Try again.");
    let given_up = talk.user("apple");
    assert_eq!(given_up.status, Status::Escalated);
    assert_eq!(&*talk.state.escalation().unwrap().to, "support");
}

#[test]
fn the_first_complete_set_wins() {
    let steps = "  - collect:\n      any_of:\n        - {fields: [email, order_id], then: [{done: {outcome: by_mail}}]}\n        - {fields: [phone], then: [{done: {outcome: by_phone}}]}\n";
    let mut talk = talk(steps);
    talk.agent(start("go"));
    assert_eq!(talk.agent(fill(&[("email", json!("a@b.de"))])).phase, Phase::Collect);
    assert_eq!(talk.agent(fill(&[("phone", json!("+49 30 901820"))])).outcome.as_deref(), Some("by_phone"));
}

#[test]
fn a_choice_takes_id_number_and_prefix_and_asks_again() {
    let steps = "  - choice: {prompt: 'Which?', options: {Store credit: [{done: {outcome: credit}}], Money back: [{done: {outcome: money}}]}, as: how}\n";
    for (reply, outcome) in [("2", "money"), ("store", "credit"), ("money-back", "money"), (" Store Credit ", "credit")] {
        let mut talk = talk(steps);
        talk.agent(start("go"));
        assert_eq!(talk.user(reply).outcome.as_deref(), Some(outcome), "{reply}");
    }
    let mut talk = talk(steps);
    talk.agent(start("go"));
    assert_eq!(talk.user("bananas").phase, Phase::Choice);
    let refused = talk.agent(Command::Choose("bananas".into()));
    assert_eq!(&*refused.refused.unwrap().code, "unknown_option");
    assert_eq!(talk.agent(Command::Choose("money_back".into())).outcome.as_deref(), Some("money"));
}

#[test]
fn an_option_is_an_answer_before_its_words_cancel_or_ask_for_a_person() {
    let steps = "  - choice: {Stop: [{done: {outcome: stopped}}], A person: [{done: {outcome: person}}]}\n";
    for (reply, outcome) in [("stop", "stopped"), ("a person", "person"), ("cancel", "cancelled")] {
        let mut talk = talk(steps);
        talk.agent(start("go"));
        assert_eq!(talk.user(reply).outcome.as_deref(), Some(outcome), "{reply}");
    }
}

#[test]
fn a_message_that_cannot_be_said_brings_a_person() {
    for step in ["done", "say"] {
        let mut talk = talk(&format!("  - collect: [order_id]\n  - {step}: '{{{{ variables.order_id | money }}}}'\n"));
        talk.agent(start("go"));
        let answer = talk.user("A1");
        assert_eq!(answer.phase, Phase::Escalated, "{}", talk.trace());
        assert!(!answer.messages.is_empty());
    }
}

#[test]
fn a_choice_may_take_any_text_or_options_of_a_list() {
    let steps = "  - choice: {prompt: 'Why?', options: {Broken: continue}, freeform: true, freeform_handler: [{done: 'You said {{ variables.freeform }}'}]}\n";
    let mut talk = talk(steps);
    talk.agent(start("go"));
    assert_eq!(talk.user("it smells").messages, ["You said it smells".into()]);

    let steps = "  - choice: {prompt: 'Which?', from: \"[{'id': 'p1', 'label': 'First'}, {'id': 'p2', 'label': 'Second'}]\", as: pick, on_pick: [{done: '{{ variables.pick }}'}]}\n";
    let mut talk = talk_with(steps, &[]);
    assert_eq!(talk.agent(start("go")).options.len(), 2);
    assert_eq!(talk.user("second").messages, ["p2".into()]);
}

const TWO: &str = "
  - collect: [order_id]
    name: first
  - action: api.look -> order
    outcomes: {found: continue, missing: [{goto: first}]}
  - collect: [email]
  - confirm: {message: 'Send {{ variables.order_id }} to {{ variables.email }}?'}
  - done: 'Sent {{ variables.order_id }}.'
";

#[test]
fn a_correction_goes_back_keeps_fields_and_does_later_steps_again() {
    let mut talk = talk(TWO);
    talk.agent(start("go"));
    talk.stub(200, json!({}));
    talk.user("A1");
    assert_eq!(talk.user("a@b.de").phase, Phase::Confirm);
    talk.stub(200, json!({}));
    let asked = talk.user("no wait, A2 please");
    assert_eq!(asked.messages, ["Send A2 to a@b.de?".into()], "{}", talk.trace());
    assert_eq!(talk.calls.len(), 2);
    assert_eq!(talk.user("yes").messages, ["Sent A2.".into()]);
}

#[test]
fn a_goto_clears_the_collect_that_it_reaches() {
    let mut talk = talk(TWO);
    talk.agent(start("go"));
    talk.stub(404, json!({}));
    let again = talk.user("A1");
    assert_eq!(again.phase, Phase::Collect);
    assert_eq!(talk.variable("order_id"), json!(null));
}

#[test]
fn a_goto_asks_again_for_what_was_given_in_the_same_turn_and_used() {
    let steps = "
  - collect: [order_id]
    name: first
  - if: variables.order_id == 'A1'
    then: [{say: Not that one.}, {goto: first}]
  - done: 'Took {{ variables.order_id }}.'
";
    let mut talk = talk(steps);
    talk.agent(start("go"));
    let again = talk.user("A1");
    assert_eq!((again.phase, again.messages.len()), (Phase::Collect, 2), "{}", talk.trace());
    assert_eq!(talk.agent(fill(&[("order_id", json!("A1"))])).phase, Phase::Collect);
    assert_eq!(talk.user("A2").messages, ["Took A2.".into()]);
}

#[test]
fn what_a_started_write_has_read_cannot_be_corrected() {
    let steps = "  - collect: [order_id]\n  - action: api.keep\n  - collect: [email]\n  - done: Fine.\n";
    let mut talk = talk(steps);
    talk.agent(start("go"));
    talk.stub(200, json!({}));
    talk.user("A1");
    let refused = talk.agent(Command::Correct(values(&[("order_id", json!("A2"))])));
    assert_eq!(&*refused.refused.unwrap().code, "locked");
    assert_eq!(talk.variable("order_id"), json!("A1"));
}

#[test]
fn what_is_asked_anew_may_be_filled_though_a_write_has_read_what_was_there() {
    let steps = "  - collect: [order_id]\n    name: which\n  - action: api.keep\n  - choice: {Again: {goto: which}, Enough: done}\n";
    let mut talk = talk(steps);
    talk.agent(start("go"));
    talk.stub(200, json!({}));
    talk.user("A1");
    assert_eq!(talk.user("again").phase, Phase::Collect);
    talk.stub(200, json!({}));
    assert!(talk.agent(fill(&[("order_id", json!("A2"))])).refused.is_none(), "{}", talk.trace());
    assert_eq!(talk.variable("order_id"), json!("A2"));
}

#[test]
fn a_guide_goes_on_back_and_gets_stuck() {
    let steps = "  - guide:\n      steps: [One., {say: Two., unless: 'false'}, {say: Skipped., unless: 'true'}, {say: Three., on_stuck: [{done: {outcome: stuck}}]}]\n      on_complete: [{done: {outcome: complete}}]\n";
    let mut talk = talk(steps);
    assert_eq!(talk.agent(start("go")).messages, ["One.".into()]);
    assert_eq!(talk.user("next").messages, ["Two.".into()]);
    assert_eq!(talk.user("back").messages, ["One.".into()]);
    talk.user("ok");
    assert_eq!(talk.user("done").messages, ["Three.".into()]);
    let mut other = Talk::with(talk.machine.clone(), json!({}));
    assert_eq!(talk.user("stuck").outcome.as_deref(), Some("stuck"));
    other.agent(start("go"));
    for _ in 0..3 {
        other.agent(Command::Next);
    }
    assert_eq!(other.answer.outcome.as_deref(), Some("complete"));
}

const SEARCH: &str = "
  - investigate:
      goal: find out
      using: [api.look]
      timeout: 30
      max_calls: 2
      as: seen
      findings: {broken: [{done: {outcome: broken}}], fine: continue}
      fallback: [{done: {outcome: unclear}}]
";

#[test]
fn an_investigation_runs_listed_reads_only_and_takes_a_listed_finding() {
    let mut talk = talk(SEARCH);
    assert_eq!(talk.agent(start("go")).phase, Phase::Investigate);
    let read = |action: &str| Command::Read { action: action.into(), inputs: values(&[("order_id", json!("A1"))]) };
    assert_eq!(&*talk.agent(read("api.keep")).refused.unwrap().code, "not_allowed");
    assert_eq!(&*talk.command(Actor::User, read("api.look")).refused.unwrap().code, "forbidden");
    talk.stub(200, json!({"state": "bad"}));
    let told = talk.agent(read("api.look")).read.unwrap();
    assert_eq!((&*told.outcome, told.body), ("found", json!({"state": "bad"})));
    assert_eq!(talk.variable("seen"), json!({"api.look": {"state": "bad"}}));
    assert_eq!(&*talk.agent(Command::Finding(Name::new("odd"))).refused.unwrap().code, "unknown_finding");
    assert_eq!(talk.agent(Command::Finding(Name::new("broken"))).outcome.as_deref(), Some("broken"));
}

#[test]
fn an_investigation_ends_in_time_and_after_its_calls() {
    let mut first = talk(SEARCH);
    first.agent(start("go"));
    assert_eq!(first.wait(30).outcome.as_deref(), Some("unclear"));
    let mut talk = talk(SEARCH);
    talk.agent(start("go"));
    let read = || Command::Read { action: "api.look".into(), inputs: values(&[("order_id", json!("A1"))]) };
    talk.stub(200, json!({})).stub(200, json!({}));
    talk.agent(read());
    talk.agent(read());
    assert_eq!(talk.agent(read()).outcome.as_deref(), Some("unclear"));
}

const SUB: &str = "
name: Sub
callable: true
inputs: {order_id: {required: true}}
journey:
  - collect: [email]
  - if: $variables.email == 'no@no.no'
    then: [{done: {outcome: refused}}]
  - confirm: {message: 'Sure, {{ variables.email }}?'}
  - done: {outcome: agreed, result: {mail: $variables.email, order: $variables.order_id}}
";

#[test]
fn a_run_passes_only_what_it_says_and_gives_only_its_result() {
    let steps = "  - set: {order_id: '{{ \"A1\" }}', hidden: 1}\n  - run: {journey: sub, with: {order_id: $variables.order_id}, as: got, outcomes: {refused: [{done: {outcome: no}}], agreed: continue}}\n  - done: '{{ variables.got.mail }} {{ variables.got.order }}'\n";
    let mut talk = talk_with(steps, &[SUB]);
    talk.agent(start("go"));
    assert_eq!(talk.variable("hidden"), json!(null));
    talk.user("a@b.de");
    assert_eq!(talk.user("yes").messages, ["a@b.de A1".into()]);

    let mut other = Talk::with(talk.machine.clone(), json!({}));
    other.agent(start("go"));
    assert_eq!(other.user("no@no.no").outcome.as_deref(), Some("no"));
    // An outcome of the engine that is not listed ends the caller the same way.
    let mut third = Talk::with(talk.machine.clone(), json!({}));
    third.agent(start("go"));
    third.user("a@b.de");
    assert_eq!(third.user("no").outcome.as_deref(), Some("declined"));
    assert_eq!(third.answer.status, Status::Completed);
}

const OTHER: &str = "
name: Opening hours
trigger: {goal: opening hours of the shop, examples: [when are you open]}
journey:
  - collect: [phone]
  - done: We are open.
";

#[test]
fn another_wish_suspends_a_journey_which_comes_back() {
    let mut talk = talk_with("  - collect: [email]\n  - done: Fine.\n", &[OTHER]);
    talk.agent(start("go"));
    let other = talk.user("when are you open");
    assert_eq!(other.journey.as_deref(), Some("opening-hours"));
    let back = talk.user("+49 30 901820");
    assert_eq!(&*back.messages[0], "We are open.");
    assert_eq!((back.phase, back.journey.as_deref()), (Phase::Collect, Some("go")));
    assert_eq!(back.messages.len(), 2, "{back:?}");
    talk.user("when are you open");
    let back = talk.user("cancel");
    assert_eq!((back.phase, back.journey.as_deref()), (Phase::Collect, Some("go")));
    assert_eq!(talk.user("never mind").outcome.as_deref(), Some("cancelled"));
}

#[test]
fn a_pause_waits_for_the_next_message() {
    let steps = "  - done: {message: 'Bye?', pause_for_resume: true, resume: [{done: {message: Again., outcome: again}}]}\n";
    let mut talk = talk(steps);
    assert_eq!(talk.agent(start("go")).status, Status::Paused);
    let resumed = talk.user("hello");
    assert_eq!((resumed.outcome.as_deref(), resumed.status), (Some("again"), Status::Completed));
}

#[test]
fn steps_without_a_wait_have_a_budget() {
    let steps = "  - set: {n: 0}\n  - if: 'true'\n    name: top\n    then:\n      - set: {n: $variables.n + 1}\n      - if: $variables.n > 100000\n        then: [{done: {outcome: end}}]\n      - choice: {prompt: 'On?', from: \"[{'id': 'x', 'label': 'x'}]\", on_pick: {goto: top}}\n";
    let mut talk = talk(steps);
    talk.agent(start("go"));
    for _ in 0..200 {
        assert_eq!(talk.user("x").phase, Phase::Choice);
    }
    assert!(talk.events.len() > 200);
}

#[test]
fn messages_wait_for_an_action_and_ids_make_one_turn() {
    let mut talk = talk(
        "  - collect: [order_id]\n  - action: api.look\n    outcomes: {found: continue, missing: continue}\n  - collect: [email]\n  - done: {outcome: end}\n",
    );
    talk.agent(start("go"));
    talk.held = true;
    talk.user("A1");
    for i in 0..9 {
        let answer = talk.user(if i == 0 { "a@b.de" } else { "hm" });
        assert_eq!(answer.refused.is_some(), i == 8);
        assert_eq!(answer.phase, Phase::Working);
    }
    assert_eq!(&*talk.agent(Command::Cancel).refused.unwrap().code, "working");
    let after = talk.land(answered(200, json!({})));
    assert_eq!(after.outcome.as_deref(), Some("end"), "{}", talk.trace());

    let mut talk = Talk::with(talk.machine.clone(), json!({}));
    talk.agent(start("go"));
    talk.held = true;
    let say = |talk: &mut Talk| talk.input(Actor::User, "", Some("m-1"), InputBody::Message("A1".into()));
    say(&mut talk);
    let (events, calls) = (talk.events.len(), talk.calls.len());
    say(&mut talk);
    assert_eq!((talk.events.len(), talk.calls.len()), (events, calls));
}

#[test]
fn an_idle_conversation_is_given_up_for_good() {
    let mut talk = talk("  - collect: [email]\n  - done: Fine.\n");
    talk.agent(start("go"));
    assert_eq!(talk.wait(86_400).status, Status::Abandoned);
    assert_eq!(&*talk.user("hello").refused.unwrap().code, "abandoned");
}

#[test]
fn an_operator_takes_over_and_the_run_goes_on_after() {
    let mut talk = talk("  - collect: [email]\n  - done: {outcome: end}\n");
    talk.agent(start("go"));
    assert_eq!(talk.command(Actor::Operator, Command::TakeOver).status, Status::Escalated);
    talk.user("a@b.de");
    assert_eq!(talk.variable("email"), json!(null));
    let back = talk.command(Actor::Operator, Command::HandBack);
    assert_eq!((back.status, back.phase), (Status::Active, Phase::Collect));
    assert_eq!(talk.user("a@b.de").outcome.as_deref(), Some("end"));
}

#[test]
fn what_may_come_next_is_narrowed_to_the_step() {
    let mut talk =
        talk("  - collect: [order_id, email]\n  - choice: {prompt: 'Which?', options: {One: continue, Two: continue}}\n  - done: Fine.\n");
    talk.agent(start("go"));
    talk.user("A1");
    let expects = talk.machine.expects(&talk.state, Actor::Agent, &Principal::default());
    let of = |name: &str, e: &waypost::engine::Expects| e.commands.iter().find(|(n, _)| &**n == name).map(|(_, s)| s.clone());
    let fill = of("fill", &expects).unwrap();
    let keys: Vec<&String> = fill["properties"]["values"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["email"]);
    assert!(of("confirm", &expects).is_none());
    talk.user("a@b.de");
    let choose = of("choose", &talk.machine.expects(&talk.state, Actor::Agent, &Principal::default())).unwrap();
    assert_eq!(choose["properties"]["option"]["enum"], json!(["one", "two"]));
}

#[test]
fn what_a_prompt_lacks_is_noted_in_the_trace() {
    let collect = "name: Go\ntrigger: {goal: g, examples: [e]}\njourney:\n  - set: {m: $user.extra}\n  - collect: {fields: [a], prompt: 'Dear {{ variables.m.x }}?'}\n";
    let choice = "name: Go\ntrigger: {goal: g, examples: [e]}\njourney:\n  - set: {m: $user.extra}\n  - choice: {prompt: 'Dear {{ variables.m.x }}?', options: {One: continue}}\n";
    let confirm = "name: Go\ntrigger: {goal: g, examples: [e]}\njourney:\n  - set: {m: $user.extra}\n  - confirm: {message: 'Dear {{ variables.m.x }}?'}\n";
    for journey in [collect, choice, confirm] {
        let mut talk = Talk::new(machine(&[("journeys/j.yaml", journey), ("datapoints/d.yaml", "{name: A, slug: a, type: string}")]));
        assert_eq!(&*talk.agent(start("go")).messages[0], "Dear ?");
        assert!(talk.trace().contains("is not set and was shown as nothing"), "{}", talk.trace());
    }
}
