//! The keys of every kind of file: the one source of what a file may hold.

pub mod action;
pub mod condition;
pub mod datapoint;
pub mod integration;
pub mod journey;
pub mod settings;
pub mod step;
pub mod transcript;

use super::shape::Shape;

/// A kind of file, with a JSON Schema of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `journeys/**/*.yaml`.
    Journey,
    /// `integrations/**/*.yaml`.
    Integration,
    /// `datapoints/**/*.yaml`.
    Datapoint,
    /// `waypost.yaml`.
    Settings,
    /// `tests/**/*.yaml`.
    Transcript,
    /// `conditions/**/*.yaml`.
    Condition,
    /// `actions/**/*.yaml`.
    Action,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Journey, Self::Integration, Self::Datapoint, Self::Settings, Self::Transcript, Self::Condition, Self::Action];

    /// As `schema KIND` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journey => "journey",
            Self::Integration => "integration",
            Self::Datapoint => "datapoint",
            Self::Settings => "settings",
            Self::Transcript => "transcript",
            Self::Condition => "condition",
            Self::Action => "action",
        }
    }

    /// The shape of its documents.
    #[must_use]
    pub fn shape(self) -> Shape {
        match self {
            Self::Journey => Shape::Object(&journey::JOURNEY),
            Self::Integration => Shape::Object(&integration::INTEGRATION),
            Self::Datapoint => datapoint::DOCUMENT,
            Self::Settings => Shape::Object(&settings::SETTINGS),
            Self::Transcript => Shape::Object(&transcript::TRANSCRIPT),
            Self::Condition => Shape::Object(&condition::CONDITION),
            Self::Action => Shape::Object(&action::ACTION),
        }
    }
}

/// What a file of a workspace holds, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// One of the kinds that the model is built from (never a transcript).
    Model(Kind),
    /// A transcript.
    Transcript,
    /// A policy.
    Registry,
    /// None of a workspace's files.
    Other,
}

impl FileKind {
    /// The kind of the file with that path; `tests` is where transcripts are.
    #[must_use]
    pub fn of(path: &str, tests: &str) -> Self {
        let path = path.strip_prefix("./").unwrap_or(path);
        let yaml = path.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "yaml" | "yml" | "json"));
        let tests = tests.trim_start_matches("./").trim_end_matches('/');
        if matches!(path, "waypost.yaml" | "waypost.yml") {
            return Self::Model(Kind::Settings);
        }
        if path.starts_with("policies/") {
            return Self::Registry;
        }
        if !yaml {
            return Self::Other;
        }
        if path.strip_prefix(tests).is_some_and(|rest| rest.starts_with('/')) {
            return Self::Transcript;
        }
        match path.split_once('/').map(|(directory, _)| directory) {
            Some("journeys") => Self::Model(Kind::Journey),
            Some("integrations") => Self::Model(Kind::Integration),
            Some("datapoints") => Self::Model(Kind::Datapoint),
            Some("conditions") => Self::Model(Kind::Condition),
            Some("actions") => Self::Model(Kind::Action),
            _ => Self::Other,
        }
    }
}
