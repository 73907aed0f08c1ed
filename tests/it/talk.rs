//! Conversations of literate suites: a `talk` block, the `http` stubs or the `server` before it, and what came of them.

use std::fmt::Write as _;
use std::net::TcpListener;

use waypost::source::{FileId, SourceMap};
use waypost::transcript::{Options, Runner, read};

use crate::marked::Marked;
use crate::outbound::server::{Do, Server, answer, json};

/// What stands for the real service in the files of a suite; the address of the suite's server takes its place.
const SERVICE: &str = "http://service.example";

/// How the services behave in the talks that follow.
#[derive(Default)]
pub enum Services<'a> {
    /// Nothing may be called.
    #[default]
    None,
    /// By stubs, as under `stubs:` in a transcript.
    Stubs(&'a str),
    /// A server on loopback that does this to every request.
    Server(&'a str),
}

/// Runs a talk that begins at that line; what is wrong with it, if anything is.
pub fn run(workspace: &Marked, services: &Services<'_>, talk: &str, line: usize) -> Option<String> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    executor.block_on(async {
        let mut workspace = workspace.clone();
        let server = if let Services::Server(does) = services { Some(start(does.trim()).await) } else { None };
        if let Some((url, _)) = &server {
            for text in workspace.files.values_mut() {
                *text = text.replace(SERVICE, url);
            }
        }
        let stubs = match services {
            Services::None => "stubs: {}\n".to_owned(),
            Services::Stubs(stubs) => format!("stubs:\n{}", indented(stubs)),
            Services::Server(_) => String::new(),
        };
        let head = format!("name: a talk\n{stubs}talk:\n");
        let before = head.lines().count();
        let mut sources = SourceMap::default();
        let text = format!("{head}{}", indented(talk));
        let file: FileId = sources.add("talk", text.clone());
        let checked = workspace.check();
        let loaded = checked.loaded().unwrap_or_else(|| panic!("line {line}: the workspace does not load"));
        let document = read(file, &text, Some(&loaded)).remove(0);
        let Some(script) = document.script else { return Some(format!("cannot be read: {:#?}", document.diagnostics.0)) };
        let runner = Runner::new(loaded.clone(), Options { live: server.is_some(), ..Options::default() });
        let mut wrong = String::new();
        let (failures, events) = runner.record(&script).await.unwrap();
        // Whatever a talk shows, its recording plays again.
        if let Err(why) = crate::record::plays(&loaded, &events) {
            let _ = write!(wrong, "\n  line {line}: its recording does not play again: {why}");
        }
        if let (Services::Stubs(_), Err(why)) = (services, crate::record::makes_a_test(&loaded, &events).await) {
            let _ = write!(wrong, "\n  line {line}: its recording makes no test that passes: {why}");
        }
        for failure in failures {
            let at = (sources.position(failure.span.file, failure.span.start).line as usize + line).saturating_sub(before);
            let _ = write!(wrong, "\n  line {at}: {}\n  expected {:?}\n  actual   {:?}", failure.message, failure.expected, failure.actual);
        }
        (!wrong.is_empty()).then_some(wrong)
    })
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| all + "  " + line + "\n")
}

/// A server that does this, and where it is.
async fn start(does: &str) -> (String, Option<Server>) {
    if does == "refuses connections" {
        // The port was free a moment ago, and nobody listens on it.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        return (format!("http://{free}"), None);
    }
    let does = does.to_owned();
    let known = [
        "hangs",
        "cuts before the head",
        "cuts in the body",
        "503",
        "wrong type",
        "invalid JSON",
        "10 MB",
        "redirects elsewhere",
        "answers",
    ];
    assert!(known.contains(&&*does), "no server `{does}`: one of {known:?}");
    let server = Server::start(move |_| match &*does {
        "hangs" => Do::Hang,
        "cuts before the head" => Do::Send(Vec::new()),
        "cuts in the body" => {
            Do::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\": \"A1\"".to_vec())
        }
        "503" => answer("503 Service Unavailable", &[("content-type", "application/json")], b"{}"),
        "wrong type" => json(r#"{"id": "A1", "status": ["shipped"]}"#),
        "invalid JSON" => json(r#"{"id": "A1", "status": "#),
        "10 MB" => json(&format!("{{\"id\": \"A1\", \"status\": \"{}\"}}", "x".repeat(10_000_000))),
        "redirects elsewhere" => answer("302 Found", &[("location", "http://elsewhere.example/orders/A1")], b""),
        _ => json(r#"{"id": "A1", "status": "shipped"}"#),
    })
    .await;
    (server.url(), Some(server))
}
