//! The resolved, immutable workspace: journeys as step graphs, integrations, actions, datapoints, settings.
//!
//! Knows nothing of files: it is built from `(name, text)` pairs. A workspace with mistakes is still built as far as it goes, so
//! that the checker can say everything at once; what could not be resolved is `None` or broken, and such a workspace never runs.

pub mod action;
mod build;
pub mod datapoint;
pub mod graph;
pub mod journey;
pub mod provider;
pub mod schema;
pub mod settings;
pub mod step;
mod way;
pub mod workspace;

pub use action::{Action, ActionId, ErrorKind, Integration};
pub use build::{Options, build, build_with};
pub use datapoint::{Datapoint, DatapointType};
pub use graph::{Edge, EdgeKind};
pub use journey::{Journey, JourneyInput, Trigger};
pub use provider::{EffectKind, Offered, Provider};
pub use settings::Settings;
pub use step::{Next, Operand, Step, StepId, StepKey, StepKind};
pub use workspace::{ContentHash, Workspace, WorkspaceTexts};
