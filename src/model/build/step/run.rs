//! `run` (language, 3.8).

use super::{Site, Steps};
use crate::model::build::context::{Context, Seen};
use crate::model::step::{Inputs, Run};
use crate::source::Code;
use crate::syntax::Node;
use crate::value::{Name, Slug};

/// Outcomes that the engine gives to any run.
pub const ENGINE_OUTCOMES: [&str; 4] = ["declined", "cancelled", "failed", "denied"];

impl Steps<'_, '_, '_, '_, '_> {
    pub fn run(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Run> {
        let named = if site.full { site.value.get("journey")? } else { site.value };
        let written = named.str()?;
        let journey = self.journeys.resolve(cx, written, named.span);
        let known = journey.as_deref().map(|j| {
            self.uses_journey(j);
            j.outcomes.iter().map(|o| o.shown.to_string()).chain(ENGINE_OUTCOMES.map(str::to_owned)).collect::<Vec<_>>()
        });
        let known: Option<Vec<&str>> = known.as_ref().map(|k| k.iter().map(String::as_str).collect());
        let what = format!("the journey `{written}`");
        let outcomes = self.branches(cx, site, "outcomes", known.as_ref().map(|k| (&*what, &k[..])));
        let given = site.get("with");
        let mut with: Inputs = Vec::new();
        let mut seen = Seen::default();
        for entry in given.map(Node::entries).unwrap_or_default() {
            let name = Name::new(&entry.key);
            if cx.again(&mut seen, "an input", &Slug::new(&entry.key), entry.key_span) {
                continue;
            }
            if let Some(journey) = journey.as_deref().filter(|j| !j.inputs.iter().any(|i| i.name == name)) {
                let message = format!("the journey `{written}` has no input `{}`", entry.key);
                cx.unknown(Code::WP0207, entry.key_span, message, &entry.key, journey.inputs.iter().map(|i| i.name.as_str()));
            } else {
                let input = cx.input(entry, name);
                with.push(input);
            }
        }
        let (save_as, save_span) = cx.save_as(site.get("as"));
        Some(Run { journey, journey_span: named.span, with, save_as, save_span, outcomes })
    }
}
