//! The table of routes: the router and the document that describes them are made of it, and of nothing else.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post, put};
use schemars::{Schema, SchemaGenerator};

use super::problem::Problem;
use super::{App, actions, capabilities, conditions, conversations, converse, definitions, executions, guard, health, page, stream, wire};

/// What everything but the health stands under.
pub(super) const BASE: &str = "/api/v1";

/// One operation.
pub(super) struct Route {
    pub(super) method: Method,
    /// Under [`BASE`].
    pub(super) path: &'static str,
    /// Its name in the document.
    pub(super) name: &'static str,
    /// What it does, in a line.
    pub(super) does: &'static str,
    pub(super) access: Access,
    pub(super) takes: &'static [Param],
    /// Its body.
    pub(super) body: Option<Form>,
    /// What a success answers.
    pub(super) gives: Gives,
    /// Statuses of problems beside those that every route has.
    pub(super) problems: &'static [u16],
    handler: fn() -> MethodRouter<App>,
}

/// A method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody, also outside of the base.
    Anybody,
    /// Whoever has a key.
    Keys,
}

/// Something that a route takes beside its path and body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    Limit,
    Cursor,
    Trace,
    After,
    LastEventId,
    IdempotencyKey,
    DrawnAs,
    ElevatedKey,
    Dead,
    Namespace,
    Version,
    /// That must be there.
    OfEntity,
    Entity,
    ConditionId,
    Timestamp,
    Conversation,
    Action,
    ExecutionStatus,
}

/// A form, for the document.
pub(super) type Form = fn(&mut SchemaGenerator) -> Schema;

/// What a success answers.
pub(super) enum Gives {
    Json(Form),
    Events(Form),
    Text(&'static [&'static str]),
    Any,
}

fn form<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const PAGES: &[Param] = &[Param::Limit, Param::Cursor];

/// All operations.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/agents/{agent}/converse",
        name: "converse",
        does: "One turn: what the user says, or a command; begins a conversation where none is named",
        access: Access::Keys,
        takes: &[Param::IdempotencyKey, Param::Trace],
        body: Some(form::<wire::Converse>),
        gives: Gives::Json(form::<wire::Answer>),
        problems: &[404, 408, 409, 413, 415, 422],
        handler: || post(converse::converse),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations",
        name: "list_conversations",
        does: "Conversations that the caller may see",
        access: Access::Keys,
        takes: PAGES,
        body: None,
        gives: Gives::Json(form::<wire::Page<wire::Conversation>>),
        problems: &[404],
        handler: || get(conversations::list),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations/{conversation}",
        name: "get_conversation",
        does: "How a conversation stands",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<wire::Answer>),
        problems: &[404],
        handler: || get(conversations::one),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations/{conversation}/history",
        name: "get_history",
        does: "Who said what, and what became of the journeys",
        access: Access::Keys,
        takes: PAGES,
        body: None,
        gives: Gives::Json(form::<wire::Page<wire::Line>>),
        problems: &[404],
        handler: || get(conversations::history),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations/{conversation}/audit-logs",
        name: "get_audit_logs",
        does: "The audit: every turn, verdict, call and effect, for hosts and people of the company",
        access: Access::Keys,
        takes: PAGES,
        body: None,
        gives: Gives::Json(form::<wire::Page<wire::AuditRow>>),
        problems: &[404],
        handler: || get(conversations::audit),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations/{conversation}/events",
        name: "stream_events",
        does: "What happens, as server-sent events: from the beginning, or after `Last-Event-ID`",
        access: Access::Keys,
        takes: &[Param::After, Param::LastEventId],
        body: None,
        gives: Gives::Events(form::<wire::Line>),
        problems: &[404],
        handler: || get(stream::events),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations/{conversation}/transcript",
        name: "get_transcript",
        does: "The conversation as a test file; how services answered, for hosts and people of the company",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Text(&["application/yaml"]),
        problems: &[404],
        handler: || get(conversations::transcript),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/holds",
        name: "list_holds",
        does: "Actions that wait for an approval, for hosts and people of the company",
        access: Access::Keys,
        takes: PAGES,
        body: None,
        gives: Gives::Json(form::<wire::Page<wire::Hold>>),
        problems: &[404],
        handler: || get(conversations::holds),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/holds/{hold}",
        name: "get_hold",
        does: "One action that waits for an approval, with its inputs",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<wire::Hold>),
        problems: &[404],
        handler: || get(conversations::hold),
    },
    Route {
        method: Method::Get,
        path: "/agents/{agent}/conversations/{conversation}/actions",
        name: "list_offers",
        does: "What providers offer for a conversation, to whoever may run it",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<executions::Actions>),
        problems: &[404, 409],
        handler: || get(executions::offered),
    },
    Route {
        method: Method::Post,
        path: "/agents/{agent}/conversations/{conversation}/actions/{action}",
        name: "run_offer",
        does: "Runs an action that a provider offers; for people of the company and hosts. A 409 `working`: its provider is still asked what it \
               offers, and `/executions` says what comes of it",
        access: Access::Keys,
        takes: &[Param::IdempotencyKey],
        body: Some(form::<executions::Execute>),
        gives: Gives::Json(form::<executions::Execution>),
        problems: &[404, 408, 409, 413, 415, 422],
        handler: || post(executions::run),
    },
    Route {
        method: Method::Get,
        path: "/conversations/{conversation}/actions",
        name: "list_offers_here",
        does: "What providers offer for a conversation, to whoever may run it; of the one agent of the workspace",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<executions::Actions>),
        problems: &[404, 409],
        handler: || get(executions::offered_here),
    },
    Route {
        method: Method::Post,
        path: "/conversations/{conversation}/actions/{action}",
        name: "run_offer_here",
        does: "Runs an action that a provider offers; for people of the company and hosts; of the one agent of the workspace. A 409 `working`: \
               its provider is still asked what it offers, and `/executions` says what comes of it",
        access: Access::Keys,
        takes: &[Param::IdempotencyKey],
        body: Some(form::<executions::Execute>),
        gives: Gives::Json(form::<executions::Execution>),
        problems: &[404, 408, 409, 413, 415, 422],
        handler: || post(executions::run_here),
    },
    Route {
        method: Method::Get,
        path: "/executions",
        name: "list_executions",
        does: "Every attempt to run an action of a provider, the newest first, for hosts and people of the company",
        access: Access::Keys,
        takes: &[Param::Conversation, Param::Action, Param::ExecutionStatus, Param::Limit, Param::Cursor],
        body: None,
        gives: Gives::Json(form::<wire::Page<executions::Execution>>),
        problems: &[404],
        handler: || get(executions::list),
    },
    Route {
        method: Method::Get,
        path: "/capabilities",
        name: "list_capabilities",
        does: "The journeys of the workspace",
        access: Access::Keys,
        takes: PAGES,
        body: None,
        gives: Gives::Json(form::<wire::Page<capabilities::Capability>>),
        problems: &[404],
        handler: || get(capabilities::list),
    },
    Route {
        method: Method::Post,
        path: "/capabilities/validate",
        name: "validate_capability",
        does: "What is wrong with a journey, if it were taken into the workspace; for hosts and people of the company",
        access: Access::Keys,
        takes: &[],
        body: Some(form::<capabilities::Proposed>),
        gives: Gives::Json(form::<capabilities::Findings>),
        problems: &[408, 413, 415, 422],
        handler: || post(capabilities::validate),
    },
    Route {
        method: Method::Get,
        path: "/capabilities/{slug}",
        name: "get_capability",
        does: "A journey, with its text",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<capabilities::Whole>),
        problems: &[404],
        handler: || get(capabilities::one),
    },
    Route {
        method: Method::Get,
        path: "/capabilities/{slug}/graph",
        name: "draw_capability",
        does: "A journey as a picture, or as text that others draw",
        access: Access::Keys,
        takes: &[Param::DrawnAs],
        body: None,
        gives: Gives::Text(&["text/vnd.mermaid", "text/vnd.graphviz", "image/svg+xml"]),
        problems: &[404, 422],
        handler: || get(capabilities::graph),
    },
    Route {
        method: Method::Post,
        path: "/actions",
        name: "register_action",
        does: "Registers a version of a triggered action, which never changes; for elevated keys",
        access: Access::Keys,
        takes: &[Param::ElevatedKey],
        body: Some(form::<actions::NewAction>),
        gives: Gives::Json(form::<actions::Action>),
        problems: &[408, 409, 413, 415],
        handler: || post(actions::register),
    },
    Route {
        method: Method::Get,
        path: "/actions",
        name: "list_actions",
        does: "Triggered actions, newest first; the pages stay as they are while others register",
        access: Access::Keys,
        takes: &[Param::Namespace, Param::Limit, Param::Cursor],
        body: None,
        gives: Gives::Json(form::<definitions::Registered<actions::Action>>),
        problems: &[404],
        handler: || get(definitions::list::<actions::Action>),
    },
    Route {
        method: Method::Get,
        path: "/actions/{action}",
        name: "get_action",
        does: "A triggered action: of that version, or the one that was registered last",
        access: Access::Keys,
        takes: &[Param::Version, Param::Namespace],
        body: None,
        gives: Gives::Json(form::<actions::Action>),
        problems: &[404],
        handler: || get(definitions::one::<actions::Action>),
    },
    Route {
        method: Method::Post,
        path: "/actions/{action}/trigger",
        name: "trigger_action",
        does: "Does an action by itself, as on a decision that holds; for elevated keys, a dry run for any",
        access: Access::Keys,
        takes: &[Param::ElevatedKey],
        body: Some(form::<actions::TriggerBody>),
        gives: Gives::Json(form::<conditions::ActionResult>),
        problems: &[404, 408, 413, 415],
        handler: || post(actions::trigger),
    },
    Route {
        method: Method::Get,
        path: "/deliveries",
        name: "list_deliveries",
        does: "Actions that are still tried, or those that were given up, newest first, for hosts and people of the company",
        access: Access::Keys,
        takes: &[Param::Dead, Param::Limit, Param::Cursor],
        body: None,
        gives: Gives::Json(form::<wire::Page<actions::Delivery>>),
        problems: &[404],
        handler: || get(actions::deliveries),
    },
    Route {
        method: Method::Get,
        path: "/deliveries/{delivery}",
        name: "get_delivery",
        does: "An action that is still tried, or was given up, for hosts and people of the company",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<actions::Delivery>),
        problems: &[404],
        handler: || get(actions::delivery),
    },
    Route {
        method: Method::Post,
        path: "/deliveries/{delivery}/retry",
        name: "retry_delivery",
        does: "Sends an action that was given up once more, with all its tries before it; for elevated keys",
        access: Access::Keys,
        takes: &[Param::ElevatedKey],
        body: None,
        gives: Gives::Json(form::<actions::Delivery>),
        problems: &[404, 409],
        handler: || post(actions::retry),
    },
    Route {
        method: Method::Post,
        path: "/conditions",
        name: "register_condition",
        does: "Registers a version of a condition, which never changes; for elevated keys",
        access: Access::Keys,
        takes: &[Param::ElevatedKey],
        body: Some(form::<conditions::NewCondition>),
        gives: Gives::Json(form::<conditions::Condition>),
        problems: &[408, 409, 413, 415],
        handler: || post(conditions::register),
    },
    Route {
        method: Method::Get,
        path: "/conditions",
        name: "list_conditions",
        does: "Conditions, newest first; the pages stay as they are while others register",
        access: Access::Keys,
        takes: &[Param::Namespace, Param::Limit, Param::Cursor],
        body: None,
        gives: Gives::Json(form::<definitions::Registered<conditions::Condition>>),
        problems: &[404],
        handler: || get(definitions::list::<conditions::Condition>),
    },
    Route {
        method: Method::Get,
        path: "/conditions/{condition}",
        name: "get_condition",
        does: "A condition: of that version, or the one that was registered last",
        access: Access::Keys,
        takes: &[Param::Version, Param::Namespace],
        body: None,
        gives: Gives::Json(form::<conditions::Condition>),
        problems: &[404],
        handler: || get(definitions::one::<conditions::Condition>),
    },
    Route {
        method: Method::Post,
        path: "/conditions/{condition}/evaluate",
        name: "evaluate_condition",
        does: "Evaluates a condition, records the decision and does what is bound to it; for elevated keys, a dry run for any",
        access: Access::Keys,
        takes: &[Param::ElevatedKey],
        body: Some(form::<conditions::EvaluateBody>),
        gives: Gives::Json(form::<conditions::Decision>),
        problems: &[404, 408, 413, 415],
        handler: || post(conditions::evaluate),
    },
    Route {
        method: Method::Get,
        path: "/decisions",
        name: "list_decisions",
        does: "Decisions, newest first, for hosts and people of the company",
        access: Access::Keys,
        takes: &[Param::Entity, Param::ConditionId, Param::Limit, Param::Cursor],
        body: None,
        gives: Gives::Json(form::<wire::Page<conditions::Decision>>),
        problems: &[404],
        handler: || get(conditions::decisions),
    },
    Route {
        method: Method::Get,
        path: "/decisions/{decision}",
        name: "get_decision",
        does: "A decision, with what its actions came to, for hosts and people of the company",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<conditions::Decision>),
        problems: &[404],
        handler: || get(conditions::decision),
    },
    Route {
        method: Method::Post,
        path: "/decisions/{decision}/explain",
        name: "explain_decision",
        does: "Why a decision came out as it did, and which actions fired or not, for hosts and people of the company",
        access: Access::Keys,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<conditions::Explanation>),
        problems: &[404],
        handler: || post(conditions::explain),
    },
    Route {
        method: Method::Get,
        path: "/primitives/{primitive}",
        name: "get_primitive",
        does: "What is known of an entity, now or as of a time, for hosts and people of the company",
        access: Access::Keys,
        takes: &[Param::OfEntity, Param::Timestamp],
        body: None,
        gives: Gives::Json(form::<conditions::Primitive>),
        problems: &[404],
        handler: || get(conditions::primitive),
    },
    Route {
        method: Method::Put,
        path: "/primitives/{primitive}",
        name: "put_primitive",
        does: "Says what is known of an entity, from now on or from a time on; for elevated keys",
        access: Access::Keys,
        takes: &[Param::OfEntity, Param::Timestamp, Param::ElevatedKey],
        body: Some(form::<conditions::PrimitiveBody>),
        gives: Gives::Json(form::<conditions::Primitive>),
        problems: &[408, 413, 415],
        handler: || put(conditions::put_primitive),
    },
    Route {
        method: Method::Get,
        path: "/healthz",
        name: "health",
        does: "Whether the process lives",
        access: Access::Anybody,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<wire::Health>),
        problems: &[],
        handler: || get(health::live),
    },
    Route {
        method: Method::Get,
        path: "/readyz",
        name: "readiness",
        does: "Whether it may be sent turns: the store answers, and it is not stopping",
        access: Access::Anybody,
        takes: &[],
        body: None,
        gives: Gives::Json(form::<wire::Health>),
        problems: &[503],
        handler: || get(health::ready),
    },
    Route {
        method: Method::Get,
        path: "/metrics",
        name: "metrics",
        does: "What was counted and timed, for Prometheus; where there are keys, for those of hosts and people of the company",
        access: Access::Anybody,
        takes: &[],
        body: None,
        gives: Gives::Text(&[health::METRICS]),
        problems: &[401],
        handler: || get(health::metrics),
    },
    Route {
        method: Method::Get,
        path: "/openapi.json",
        name: "openapi",
        does: "This document",
        access: Access::Anybody,
        takes: &[],
        body: None,
        gives: Gives::Any,
        problems: &[],
        handler: || get(health::described),
    },
];

/// The router of the table; what stands beside it is behind the same guard.
pub(super) fn router(app: App, beside: Router) -> Router {
    // Each under its whole path: a router in a router makes every request's path anew.
    let of = |access: Access, base: &str| {
        let chosen = ROUTES.iter().filter(move |r| r.access == access);
        chosen.fold(Router::new(), |router, route| router.route(&format!("{base}{}", route.path), (route.handler)()))
    };
    let known = from_fn_with_state(app.clone(), guard::known);
    Router::new()
        .merge(of(Access::Keys, BASE).layer(known.clone()))
        .merge(of(Access::Anybody, BASE))
        .merge(of(Access::Anybody, ""))
        .merge(page::router())
        .with_state(app)
        .merge(beside.layer(known))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "no_route", "there is nothing here") })
}
