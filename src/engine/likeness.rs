//! What of a state decides what may come next: without versions, times and ids. Conversations that are alike go on alike.

use serde_json::json;

use super::state::{Run, State};
use crate::value::Json;

impl State {
    /// What it is like: equal for two states from which the same can follow, as far as their times allow.
    #[must_use]
    pub fn likeness(&self) -> Json {
        let runs: Vec<Json> = self.runs.iter().map(|r| of_run(r)).collect();
        let flight = self.flight.as_ref().map(|f| json!([f.action.to_string(), f.purpose, f.attempt, f.reconcile, *f.inputs.json]));
        json!({
            "status": self.status,
            "runs": runs,
            "subject": self.identity.as_ref().map(|i| &i.subject),
            "tries": self.tries,
            "flight": flight,
            "doubt": self.writes.values().filter(|w| w.doubt.is_some()).count(),
            "offered": self.offered.len(),
            "taken": self.taken,
        })
    }
}

fn of_run(run: &Run) -> Json {
    let variables: serde_json::Map<String, Json> =
        run.variables.set.iter().map(|(name, v)| (name.to_string(), (*v.value.json).clone())).collect();
    json!({
        "journey": run.journey,
        "at": run.at,
        "called": run.called,
        "paused": run.paused,
        "outcome": run.outcome,
        "variables": variables,
        "locked": run.locked.len(),
        "granted": run.grants.len(),
        "asked": run.stand.asked,
        "optional": run.stand.optional,
        "missed": run.stand.missed,
        "index": run.stand.index,
        "calls": run.stand.calls,
        "waits": run.stand.waits,
        "identified": run.stand.identified,
        "held": run.stand.hold.as_ref().map(|h| h.decided.is_some()),
    })
}
