//! Workspaces of any size, made by rule: every step kind, valid and free of warnings.

use std::sync::Arc;

/// Files as the model takes them.
pub type Files = Vec<(String, Arc<str>)>;

/// The integration and datapoints that generated journeys use.
pub fn base() -> Files {
    let integration = "\
name: Desk
type: rest_api
config: {base_url: 'https://desk.example', auth_type: bearer, credentials: {api_key: '${DESK_KEY}'}}
actions:
  - name: Find case
    type: read
    invocation: {method: GET, endpoint: '/cases/{case_id}'}
    input_schema: {case_id: {type: string}}
    outcomes:
      - {name: found, condition: \"response.status == 200 && response.body.state in ['open', 'waiting']\"}
      - {name: closed, condition: 'response.status == 200'}
      - {name: missing, condition: 'response.status == 404'}
  - name: Close case
    type: write
    invocation: {method: POST, endpoint: '/cases/{case_id}/close'}
    input_schema: {case_id: {type: string}, reason: {type: string}}
    settings: {idempotency: key}
    safety: {requires_confirmation: true}
    outcomes:
      - {name: closed, condition: 'response.status == 200'}
      - {name: refused, condition: 'response.status == 409'}
  - name: Check code
    type: read
    invocation: {method: POST, endpoint: /codes/check}
    input_schema: {code: {type: string}}
    outcomes:
      - {name: right, condition: 'response.status == 200 && response.body.ok'}
      - {name: wrong, condition: 'response.status == 200'}
    safety: {redact_fields: [inputs.code]}
";
    let datapoints = "\
- {name: Case id, type: string, validation: {pattern: 'C-[0-9]+'}, ui: {prompt: 'Which case is it?'}}
- {name: Reason, type: string, ui: {prompt: 'Why?'}}
- {name: Code, type: string, sensitive: true, validation: {pattern: '[0-9]{6}'}, ui: {prompt: 'Which code did you get?'}}
";
    vec![("integrations/desk.yaml".into(), integration.into()), ("datapoints/all.yaml".into(), datapoints.into())]
}

/// One journey of twenty steps with every step kind, three expressions and two templates.
fn journey(n: usize) -> String {
    format!(
        "\
name: Journey {n}
description: Closes a case of kind {n} when the customer asks for it and the desk agrees.
trigger:
  goal: close a case of kind {n}
  examples: [close my case of kind {n}, I am done with case kind {n}]
journey:
  - collect: {{fields: [case_id], retry: {{max: 2, message: That is no case number.}}}}
    name: ask
  - action: desk.find-case -> case
    outcomes:
      found: continue
      closed: continue
      missing:
        - say: There is no such case.
        - goto: ask
  - if: $variables.case.priority > {n} && $variables.case.state == 'open'
    then:
      - set: {{note: \"'urgent ' + string($variables.case.priority)\"}}
      - escalate: {{to: support, reason: 'priority {{{{ variables.note }}}}', include: [variables.case]}}
  - choice:
      prompt: What is to be done?
      options:
        Close it: continue
        Fix it:
          - guide:
              steps: [Turn it off., Turn it on.]
              on_stuck: continue
              on_complete: continue
          - run: {{journey: helper}}
        Find out why:
          - investigate:
              goal: why it fails
              using: [desk.find-case]
              findings:
                known: [done: We know why.]
                unknown: escalate
              fallback: continue
  - collect: [code]
    name: code
  - verify: {{call: desk.check-code, verified: [right], subject: $variables.case_id, on_failed: escalate}}
  - collect: [reason]
  - confirm: {{fields: [case_id, reason], message: 'Close case {{{{ variables.case_id }}}} because of {{{{ variables.reason }}}}?'}}
  - action: desk.close-case
    outcomes:
      closed: [done: Case closed.]
      refused: continue
"
    )
}

const HELPER: &str = "\
name: Helper
callable: true
journey:
  - say: That is how it works.
  - done: {outcome: helped}
";

/// A workspace of so many journeys of twenty steps.
pub fn workspace(journeys: usize) -> Files {
    let mut files = base();
    files.push(("journeys/helper.yaml".into(), HELPER.into()));
    for n in 0..journeys {
        files.push((format!("journeys/j{n}.yaml"), journey(n).into()));
    }
    files
}
