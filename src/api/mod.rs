//! The HTTP surface: routes, wire types, problem documents, streams of events, and the document that describes them.
//!
//! Knows how things are written on the wire and what a status means; what they mean is `service`'s. The routes stand in one table
//! (`routes`), of which the router and the document are both made.

mod actions;
mod admission;
mod body;
mod capabilities;
mod conditions;
mod conversations;
mod converse;
mod definitions;
mod executions;
mod guard;
mod health;
mod listen;
mod openapi;
mod page;
mod patient;
mod problem;
mod routes;
mod stream;
mod wire;

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use admission::Admission;

pub use actions::Delivery;
pub use guard::Front;
pub use listen::{Limits, serve};
pub use openapi::document;

/// What every request is handled with.
#[derive(Debug, Clone)]
struct App(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    service: Service,
    admission: Arc<Admission>,
    closing: CancellationToken,
}

/// The service over HTTP; `beside`: what other surfaces add, behind the same guard. Streams end when `closing` is cancelled.
pub fn front(service: Service, limits: Limits, beside: Router, closing: CancellationToken) -> Front {
    let app = App(Arc::new(Parts { service, admission: Arc::new(Admission::new(limits)), closing }));
    Front::new(app.clone(), routes::router(app, beside))
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
