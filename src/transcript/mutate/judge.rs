//! Whether anything notices a mutant: the checker, a transcript, or nobody.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Mutant;
use crate::check::{self, Checked, Loaded};
use crate::source::FileId;
use crate::transcript::cover::Covered;
use crate::transcript::{Options, Runner, read};
use crate::value::Name;

/// Who noticed a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The checker finds something that it did not find before.
    Check {
        /// Its code.
        code: String,
        /// What it says.
        message: String,
    },
    /// A transcript fails.
    Test {
        /// Its file.
        file: String,
        /// Its name.
        name: String,
        /// What is not met.
        message: String,
    },
    /// A transcript does not come to its end in time.
    Slow {
        /// Its file.
        file: String,
        /// Its name.
        name: String,
    },
    /// It comes to the same, for that reason.
    Same(String),
    /// Nobody.
    Survived,
}

impl Verdict {
    /// As programs read it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Check { .. } => "check",
            Self::Test { .. } => "test",
            Self::Slow { .. } => "slow",
            Self::Same(_) => "equivalent",
            Self::Survived => "survived",
        }
    }
}

/// A file of transcripts.
#[derive(Debug)]
struct Suite {
    file: String,
    text: Arc<str>,
    /// What each of its documents came to on the workspace as it is.
    covered: Vec<Covered>,
}

/// Judges the mutants of one workspace.
#[derive(Debug)]
pub struct Judge {
    files: Vec<(String, Arc<str>)>,
    findings: BTreeSet<(String, String)>,
    /// Journeys by the file that holds them.
    journeys: Vec<(Arc<str>, Name)>,
    suites: Vec<Suite>,
    root: PathBuf,
    limit: Duration,
}

impl Judge {
    /// A judge of a workspace's files by its transcripts; `None` if the workspace has errors. A transcript that fails on the workspace as
    /// it is proves nothing: it is named.
    pub async fn new(
        files: Vec<(String, Arc<str>)>,
        transcripts: Vec<(String, Arc<str>)>,
        root: PathBuf,
        limit: Duration,
    ) -> Option<Result<Self, String>> {
        let checked = check::load(files.clone());
        let loaded = checked.loaded()?;
        let journeys = loaded.journeys.values();
        let journeys = journeys.filter_map(|j| Some((loaded.sources.file(j.span.file)?.name.clone(), j.slug.name.clone()))).collect();
        let mut judge = Self { files, findings: findings(&checked), journeys, suites: Vec::new(), root, limit };
        let runner = judge.runner(loaded.clone());
        for (file, text) in transcripts {
            let mut covered = Vec::new();
            for document in read(FileId(0), &text, Some(&loaded)) {
                let name = document.name.clone().unwrap_or_default();
                let fails = |why: &str| Some(Err(format!("{file}: {name}: {why}")));
                let Some(script) = document.script else { return fails("it cannot be read") };
                let watched = runner.watched(&script).await;
                if let Some(failure) = watched.failures.first() {
                    return fails(&failure.message);
                }
                covered.push(watched.covered);
            }
            judge.suites.push(Suite { file, text, covered });
        }
        Some(Ok(judge))
    }

    /// The workspace's files.
    #[must_use]
    pub fn files(&self) -> &[(String, Arc<str>)] {
        &self.files
    }

    fn runner(&self, loaded: Loaded) -> Runner {
        Runner::new(loaded, Options { root: self.root.clone(), ..Options::default() })
    }

    /// Who notices a mutant.
    pub async fn judge(&self, mutant: &Mutant) -> Verdict {
        let checked = check::load(mutant.files(&self.files));
        let new = checked.diagnostics.0.iter().find(|d| !self.findings.contains(&(d.code.to_string(), d.message.clone())));
        if let Some(new) = new {
            return Verdict::Check { code: new.code.to_string(), message: new.message.clone() };
        }
        let Some(loaded) = checked.loaded() else {
            return Verdict::Check { code: String::new(), message: "the workspace is not sound".into() };
        };
        if let Some(why) = &mutant.same {
            return Verdict::Same(why.clone());
        }
        let own: Vec<&Name> = self.journeys.iter().filter(|(file, _)| *file == mutant.file).map(|(_, name)| name).collect();
        let runner = self.runner(loaded.clone());
        for suite in &self.suites {
            let documents = read(FileId(0), &suite.text, Some(&loaded));
            for (document, covered) in documents.iter().zip(&suite.covered) {
                // A transcript that comes to nothing of a journey cannot tell that it is another.
                if !own.is_empty() && !own.iter().any(|j| covered.is_of(j)) {
                    continue;
                }
                let (file, name) = (suite.file.clone(), document.name.clone().unwrap_or_default());
                let Some(script) = &document.script else {
                    return Verdict::Test { file, name, message: "it cannot be read any more".into() };
                };
                match tokio::time::timeout(self.limit, runner.run(script)).await {
                    Err(_) => return Verdict::Slow { file, name },
                    Ok(failures) => {
                        if let Some(failure) = failures.into_iter().next() {
                            return Verdict::Test { file, name, message: failure.message };
                        }
                    }
                }
            }
        }
        Verdict::Survived
    }
}

fn findings(checked: &Checked) -> BTreeSet<(String, String)> {
    checked.diagnostics.0.iter().map(|d| (d.code.to_string(), d.message.clone())).collect()
}
