//! A verdict: with ten policies against bare Cedar on the same values, and without any against the digests of its request.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "what a benchmark is made of must be sound")]

#[expect(dead_code, reason = "no workspace is generated here")]
mod common;

use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision as Ruled, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request, RestrictedExpression,
};
use common::{Report, repeat, show, timed};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use waypost::check::{self, Loaded};
use waypost::model::StepKey;
use waypost::policy::{Scene, Speaker, Who};
use waypost::supervise::{
    Approval, Decision, Grant, Identity, Intent, KeyStanding, Ledger, Origin, RateStanding, Source, Today, Variable, Variables, decide,
};
use waypost::value::{Name, Value};

/// Verdicts in one measurement.
const VERDICTS: u32 = 500;

const SHOP: &str = "\
name: Shop
type: rest_api
config: {base_url: 'https://shop.example', auth_type: none}
actions:
  - name: Pay back
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/refunds'}
    input_schema: {order_id: {type: string}, amount: {type: number}, items: {type: array}, urgent: {type: boolean}, days: {type: integer}}
    safety: {requires_confirmation: true, requires_identity_verification: true}
";

const POLICIES: &str = r#"
permit(principal is User, action in Action::"writes", resource) when { context.confirmed };
permit(principal in Role::"support", action in Action::"reads", resource);
permit(principal in Role::"clerk", action in Action::"shop.*", resource) when { context.identity.level >= 1 };
forbid(principal, action == Action::"shop.pay-back", resource) when { context.inputs.amount.greaterThan(decimal("500.0")) };
forbid(principal, action in Action::"writes", resource) unless { context.local.hour >= 8 && context.local.hour < 18 };
forbid(principal, action, resource in Tenant::"sandbox");
forbid(principal, action == Action::"shop.pay-back", resource) when { context.inputs.items.contains("gift-card") };
forbid(principal, action == Action::"shop.pay-back", resource) when { context.inputs.days > 30 && !context.inputs.urgent };
forbid(principal is Agent, action in Action::"writes", resource);
forbid(principal, action in Action::"writes", resource)
  unless { resource.user.hasTag("customAttributes.tier") && resource.user.getTag("customAttributes.tier").contains("gold") };
"#;

fn load(policies: &str) -> Loaded {
    let mut files = vec![("integrations/shop.yaml".to_owned(), Arc::from(SHOP))];
    if !policies.is_empty() {
        files.push(("policies/all.cedar".to_owned(), policies.into()));
    }
    let checked = check::load(files);
    checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

/// Everything that a verdict looks at.
struct Case {
    variables: Variables,
    sources: Vec<Source>,
    grants: Vec<Arc<Grant>>,
    identity: Identity,
    inputs: Json,
    user: Json,
    now: Timestamp,
    step: StepKey,
}

fn case() -> Case {
    let now: Timestamp = "2026-01-05T09:00:00Z".parse().expect("a time");
    let inputs = json!({"order_id": "A-1", "amount": 120.5, "items": ["book", "lamp"], "urgent": false, "days": 12});
    let mut variables = Variables::default();
    let mut sources = Vec::new();
    for (seq, (name, value)) in (1..).zip(inputs.as_object().expect("a map")) {
        let name = Name::new(name);
        sources.push(Source { path: Arc::new([name.shared()]), seq });
        let variable = Variable { value: Value::from(value.clone()), seq, origin: Origin::Said, from: Vec::new(), step: "ask".into() };
        variables.set.insert(name, Arc::new(variable));
    }
    let grant = Grant {
        question: "q-1".into(),
        step: StepKey("sure".into()),
        shown: sources.clone().into(),
        actions: Vec::new(),
        at: now,
        seq: 10,
        by: "u-1".into(),
        version: None,
        used: Vec::new(),
    };
    let expires = now + jiff::SignedDuration::from_secs(900);
    Case {
        variables,
        sources,
        grants: vec![Arc::new(grant)],
        identity: Identity { subject: "c-9".into(), level: 1, at: now, expires },
        inputs,
        user: json!({"identity": {"user_id": "u-1", "user_name": "Ada", "user_email": "ada@example.org"},
            "customAttributes": {"tier": "gold", "since": 2019}, "entitlements": ["refunds"]}),
        now,
        step: StepKey("pay".into()),
    }
}

fn verdict(loaded: &Loaded, case: &Case) -> Decision {
    let action = loaded.action("shop.pay-back").expect("the action");
    let scene = Scene {
        speaker: Speaker { who: Who::User, id: "app", roles: &[] },
        conversation: "c-1",
        tenant: "acme",
        agent: "default",
        user_id: "u-1",
        user: &case.user,
        journey: "refund",
        inputs: &case.inputs,
    };
    let intent = Intent {
        action,
        today: Today::Same,
        step: &case.step,
        placed: true,
        sources: &case.sources,
        owners: &[],
        approval: Approval::Unneeded,
        until: case.now,
    };
    let ledger = Ledger {
        variables: &case.variables,
        grants: &case.grants,
        identity: Some(&case.identity),
        policies: loaded.policies().map(|p| (&**p, scene)),
        in_doubt: false,
        grant_ttl_s: 900,
        rate: RateStanding::Free,
        key: KeyStanding::Free,
        version: None,
    };
    decide(&intent, &ledger, case.now).0.decision
}

/// The same question put to Cedar by hand: its names parsed and its policies read beforehand.
struct Bare {
    set: PolicySet,
    authorizer: Authorizer,
    names: Vec<EntityTypeName>,
    zone: TimeZone,
}

impl Bare {
    fn new() -> Self {
        let names = ["User", "Tenant", "Conversation", "Action"].map(|n| EntityTypeName::from_str(n).expect("a name")).to_vec();
        Self { set: PolicySet::from_str(POLICIES).expect("policies"), authorizer: Authorizer::new(), names, zone: TimeZone::UTC }
    }

    fn decide(&self, case: &Case) -> Ruled {
        let text = |s: &str| RestrictedExpression::new_string(s.to_owned());
        let [user, tenant, conversation, action] = &*self.names else { panic!("four names") };
        let uid = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let (principal, what, place) = (uid(user, "u-1"), uid(action, "shop.pay-back"), uid(conversation, "c-1"));
        let set = |items: &[&str]| RestrictedExpression::new_set(items.iter().map(|i| text(i)).collect::<Vec<_>>());
        let claimed = |path: &[&str]| path.iter().fold(&case.user, |j, k| &j[*k]).as_str().expect("text").to_owned();
        let attributes = [
            ("id".to_owned(), text("u-1")),
            ("name".to_owned(), text(&claimed(&["identity", "user_name"]))),
            ("email".to_owned(), text(&claimed(&["identity", "user_email"]))),
        ];
        let tags = [
            ("identity.user_id".to_owned(), set(&["u-1"])),
            ("identity.user_name".to_owned(), set(&[&claimed(&["identity", "user_name"])])),
            ("identity.user_email".to_owned(), set(&[&claimed(&["identity", "user_email"])])),
            ("customAttributes.tier".to_owned(), set(&[&claimed(&["customAttributes", "tier"])])),
            ("customAttributes.since".to_owned(), set(&[&case.user["customAttributes"]["since"].to_string()])),
            ("entitlements".to_owned(), set(&["refunds"])),
        ];
        let of_place =
            [("agent".to_owned(), text("default")), ("user".to_owned(), RestrictedExpression::new_entity_uid(principal.clone()))];
        let entities = [
            Entity::new_no_attrs(what.clone(), [uid(action, "writes"), uid(action, "shop.*")].into()),
            Entity::new_with_tags(place.clone(), of_place, [uid(tenant, "acme")], []).expect("an entity"),
            Entity::new_with_tags(principal.clone(), attributes, [], tags).expect("an entity"),
        ];
        let entities = Entities::from_entities(entities, None).expect("entities");
        let at = case.now.to_zoned(self.zone.clone());
        let record = |pairs: Vec<(&str, RestrictedExpression)>| {
            RestrictedExpression::new_record(pairs.into_iter().map(|(k, v)| (k.to_owned(), v))).expect("a record")
        };
        let items: Vec<&str> = case.inputs["items"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
        let context = [
            ("confirmed".to_owned(), RestrictedExpression::new_bool(true)),
            (
                "local".to_owned(),
                record(vec![
                    ("date", text(&at.date().to_string())),
                    ("weekday", text(&at.strftime("%A").to_string().to_lowercase())),
                    ("hour", RestrictedExpression::new_long(at.hour().into())),
                    ("minute", RestrictedExpression::new_long(at.minute().into())),
                ]),
            ),
            (
                "identity".to_owned(),
                record(vec![
                    ("verified", RestrictedExpression::new_bool(true)),
                    ("level", RestrictedExpression::new_long(case.identity.level.into())),
                    ("subject", text(&case.identity.subject)),
                ]),
            ),
            (
                "inputs".to_owned(),
                record(vec![
                    ("amount", RestrictedExpression::new_decimal(case.inputs["amount"].to_string())),
                    ("items", set(&items)),
                    ("urgent", RestrictedExpression::new_bool(case.inputs["urgent"].as_bool().expect("a truth"))),
                    ("days", RestrictedExpression::new_long(case.inputs["days"].as_i64().expect("a number"))),
                ]),
            ),
        ];
        let context = Context::from_pairs(context).expect("a context");
        let request = Request::new(principal, what, place, context, None).expect("a request");
        self.authorizer.is_authorized(&request, &self.set, &entities).decision()
    }
}

fn main() {
    let mut report = Report::default();
    let case = case();
    let (with, without) = (load(POLICIES), load(""));
    let bare = Bare::new();
    assert_eq!((verdict(&with, &case), verdict(&without, &case)), (Decision::Allow, Decision::Allow));
    assert_eq!(bare.decide(&case), Ruled::Allow);

    let ours = || verdict(&with, &case);
    report.pair("a verdict with ten policies / bare Cedar", 1.3, repeat(VERDICTS, || bare.decide(&case)), repeat(VERDICTS, ours));
    println!("a verdict with ten policies: {}", show(timed(9, repeat(VERDICTS, ours)) / f64::from(VERDICTS)));

    // Without policies: what is decided about is known by two digests, of the request and of its idempotency key.
    let request = serde_json::to_string(&json!({"method": "POST", "path": "/orders/A-1/refunds", "body": case.inputs})).expect("JSON");
    let digest = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a key of an installation").expect("any length");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()
    };
    let digests = || (digest(&request), digest("acme shop.pay-back c-9 c-1 0123456789abcdef0123456789abcdef 0"));
    let ours = || (digests(), verdict(&without, &case));
    report.pair("a verdict without policies / its digests", 3.0, repeat(VERDICTS * 10, digests), repeat(VERDICTS * 10, ours));
    report.finish();
}
