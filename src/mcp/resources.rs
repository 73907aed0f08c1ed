//! What can be read beside calling: each journey's text and graph, and a conversation's transcript.

use std::sync::Arc;

use rmcp::model::{Resource, ResourceContents, ResourceTemplate};

use crate::draw::{Drawing, draw};
use crate::model::{Journey, Workspace};
use crate::service::{Caller, Service, ServiceError};

const JOURNEYS: &str = "waypost://journeys/";
const CONVERSATIONS: &str = "waypost://conversations/";
const GRAPH: &str = "/graph";
const TRANSCRIPT: &str = "/transcript";

/// The resources that there are: of conversations only the template is listed.
pub(super) fn list(workspace: &Workspace) -> Vec<Resource> {
    let of = |journey: &Arc<Journey>| {
        let slug = &journey.slug.shown;
        let about = journey.trigger.as_ref().map_or("", |t| &*t.goal);
        let text = Resource::new(format!("{JOURNEYS}{slug}"), slug.to_string()).with_title(journey.name.to_string());
        let graph = Resource::new(format!("{JOURNEYS}{slug}{GRAPH}"), format!("{slug}{GRAPH}"));
        [text.with_mime_type("application/yaml"), graph.with_title(format!("{}, drawn", journey.name)).with_mime_type("text/vnd.mermaid")]
            .map(|r| if about.is_empty() { r } else { r.with_description(about) })
    };
    workspace.journeys.values().flat_map(of).collect()
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{JOURNEYS}{{slug}}"), "journey").with_title("A journey's text").with_mime_type("application/yaml"),
        ResourceTemplate::new(format!("{JOURNEYS}{{slug}}{GRAPH}"), "graph")
            .with_title("A journey, drawn")
            .with_mime_type("text/vnd.mermaid"),
        ResourceTemplate::new(format!("{CONVERSATIONS}{{conversation_id}}{TRANSCRIPT}"), "transcript")
            .with_title("A conversation, as a test file")
            .with_mime_type("application/yaml"),
    ]
}

/// One of them; `None`: there is none of that name, or not for this caller.
pub(super) async fn read(service: &Service, caller: &Caller, uri: &str) -> Result<Option<ResourceContents>, ServiceError> {
    let workspace = service.workspace();
    if let Some(slug) = uri.strip_prefix(JOURNEYS) {
        let drawn = slug.strip_suffix(GRAPH);
        let Some(journey) = workspace.journey(drawn.unwrap_or(slug)) else { return Ok(None) };
        let (text, kind) = match drawn {
            Some(_) => (draw(journey, Drawing::Mermaid).unwrap_or_default(), "text/vnd.mermaid"),
            None => (written(&workspace, journey), "application/yaml"),
        };
        return Ok(Some(ResourceContents::text(text, uri).with_mime_type(kind)));
    }
    let id = uri.strip_prefix(CONVERSATIONS).and_then(|rest| rest.strip_suffix(TRANSCRIPT));
    let Some(id) = id else { return Ok(None) };
    match service.transcript(caller, &workspace.settings.agent_slug, &id.into()).await {
        Ok(text) => Ok(Some(ResourceContents::text(text, uri).with_mime_type("application/yaml"))),
        Err(ServiceError::NoConversation(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The document that a journey was written in.
fn written(workspace: &Workspace, journey: &Journey) -> String {
    let Some(file) = workspace.sources.file(journey.span.file) else { return String::new() };
    let text = &*file.text;
    let at = journey.span.start as usize;
    let separates = |line: &str| line.trim_end() == "---" || line.starts_with("--- ");
    let (mut from, mut offset) = (0, 0);
    for line in text.split_inclusive('\n') {
        if separates(line) {
            if offset > at {
                break;
            }
            from = offset + line.len();
        }
        offset += line.len();
    }
    text.get(from..offset).unwrap_or(text).to_owned()
}
