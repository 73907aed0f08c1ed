//! A conversation as a test file: what was said and asked for, how the services answered, and what came of it.

use std::sync::Arc;

use super::access::Caller;
use super::{Service, ServiceError};
use crate::engine::EventBody;
use crate::store::Store;
use crate::transcript::record::convert;

/// Events that are read at a time, and in all.
const CHUNK: usize = 1_000;
const EVENTS: usize = 20_000;

impl Service {
    /// A transcript that plays the conversation again; in place of sensitive values such as their fields take.
    pub async fn transcript(&self, caller: &Caller, agent: &str, conversation: &Arc<str>) -> Result<String, ServiceError> {
        let key = self.looked_at(caller, agent, conversation).await?;
        let mut events = Vec::new();
        let (mut after, mut whole) = (0, false);
        while events.len() < EVENTS {
            let page = self.runtime().store().events(&key, after, CHUNK).await?;
            let Some((last, _)) = page.last() else {
                whole = true;
                break;
            };
            after = *last;
            events.extend(page.into_iter().map(|(_, e)| e));
        }
        let is_kept = matches!(events.first().map(|e| e.body.plain()), Some(EventBody::Opened(_)));
        // What a service answered is not for everybody who may see what was said.
        let answers = caller.role.sees_all() && is_kept;
        let workspace = self.runtime().workspace();
        let text = convert("a recorded conversation", &events, Some(&workspace), answers).text;
        Ok(if whole { text } else { format!("# this is the beginning of it: its first {EVENTS} events\n{text}") })
    }
}
