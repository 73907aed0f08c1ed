//! Journeys that might be taken into the workspace.

use std::sync::Arc;

use super::access::Caller;
use super::{Service, ServiceError};

/// Where a journey that is not there yet would lie.
const FILE: &str = "journeys/proposed.yaml";

/// A journey that might be taken.
#[derive(Debug, Clone)]
pub struct Validate {
    /// Its text.
    pub text: Arc<str>,
    /// Its file; none: one that is not there yet.
    pub file: Option<String>,
}

impl Service {
    /// The files of the workspace with that journey among them.
    pub fn with_journey(&self, caller: &Caller, proposed: Validate) -> Result<Vec<(String, Arc<str>)>, ServiceError> {
        caller.looks_into("what would be wrong with a workspace")?;
        let name = proposed.file.unwrap_or_else(|| FILE.into());
        let is_yaml = std::path::Path::new(&name).extension().is_some_and(|e| e == "yaml" || e == "yml");
        if !name.starts_with("journeys/") || !is_yaml || name.split('/').any(|part| part.is_empty() || part == "..") {
            return Err(ServiceError::Invalid("file", "`file` names a YAML file below `journeys/`".into()));
        }
        let mut files = self.workspace().texts().files;
        files.retain(|(file, _)| *file != name);
        files.push((name, proposed.text));
        files.sort();
        Ok(files)
    }
}
