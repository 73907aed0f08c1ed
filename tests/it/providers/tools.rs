//! Providers whose actions are the tools of an MCP server: the official Python SDK's, and one of our own that misbehaves.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};

use super::{case, case_of, conversation, op, path, run, served};
use crate::outbound::server::{Do, Seen, Server, answer};
use crate::outbound::tools;
use crate::python::Script;

#[tokio::test]
async fn the_tools_of_an_mcp_server_are_actions() {
    let Some(mut script) = Script::start("tools.py", &[]) else { return };
    let url = script.line();
    let served = served(&[("desk", &url, "auth_type: none, protocol: mcp, effects: [add_comment]")], &[]).await;
    let id = conversation(&served, case()).await;
    let offered = served.get(&op(), &path(&id)).await;
    let asks: Vec<Json> =
        offered.body["items"].as_array().unwrap().iter().map(|i| json!([i["action"], i["requires_confirmation"]])).collect();
    assert_eq!(asks, [json!(["look", false]), json!(["note", false]), json!(["wipe", true]), json!(["unsaid", true])], "{offered:?}");
    let looked = run(&served, &op(), &id, "desk.look", json!({})).await;
    assert_eq!((&looked.body["status"], &looked.body["message"]), (&json!("executed"), &json!("all is well")), "{looked:?}");
    let noted = run(&served, &op(), &id, "desk.note", json!({"inputs": {"text": "hi"}})).await;
    let codes: Vec<&Json> = noted.body["effects"].as_array().unwrap().iter().map(|e| &e["code"]).collect();
    assert_eq!(codes, [&Json::Null, &json!("not_allowed")], "{noted:?}");
    assert_eq!(run(&served, &op(), &id, "desk.unsaid", json!({})).await.code(), "no_grant");
    let wiped = run(&served, &op(), &id, "desk.wipe", json!({"confirmed": true})).await;
    assert_eq!((&wiped.body["status"], &wiped.body["code"]), (&json!("failed"), &json!("provider")), "{wiped:?}");
    assert_eq!(case_of(&served, &op(), &id).await["comments"][0]["content"], "hi");
}

/// An MCP server with a write and a read, whose calls come to these, one after the other.
async fn desk(ways: Vec<fn(&Json) -> Do>) -> Server {
    let tools = json!([
        {"name": "pay", "inputSchema": {"type": "object"}},
        {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
    ]);
    let n = AtomicUsize::new(0);
    Server::start(move |seen: &Seen| {
        tools::older(seen, |message| match message["method"].as_str() {
            Some("tools/list") => tools::reply(message, json!({"tools": tools})),
            _ => ways.get(n.fetch_add(1, Ordering::Relaxed)).map_or(Do::Hang, |way| way(message)),
        })
    })
    .await
}

fn well(message: &Json) -> Do {
    tools::reply(message, json!({"content": [{"type": "text", "text": "done"}]}))
}

#[tokio::test]
async fn a_call_of_a_tool_that_may_have_begun_is_in_doubt_and_is_not_sent_again() {
    let ways: [fn(&Json) -> Do; 5] = [
        |m| tools::error(m, -32603),
        |_| answer("500 Internal Server Error", &[], b""),
        |_| Do::Send(b"HTTP/1.1 502 Bad Gateway\r\n\r\n".to_vec()),
        |_| Do::Send(Vec::new()),
        |_| Do::Hang,
    ];
    for (n, way) in ways.into_iter().enumerate() {
        let server = desk(vec![way]).await;
        let served = served(&[("desk", &server.url(), "auth_type: none, protocol: mcp, timeout_ms: 600")], &[]).await;
        let id = conversation(&served, case()).await;
        let mut came = Vec::new();
        for _ in 0..2 {
            let ran = run(&served, &op(), &id, "desk.pay", json!({"confirmed": true})).await;
            came.push(if ran.status == 200 { ran.body["status"].clone() } else { json!([ran.status, ran.code()]) });
        }
        assert_eq!(came, [json!("in_doubt"), json!([409, "in_doubt"])], "{n}");
        assert_eq!(server.seen().iter().filter(|s| s.body.contains("tools/call")).count(), 1, "{n}");
    }
}

#[tokio::test]
async fn a_call_of_a_tool_that_did_not_begin_or_only_looks_is_made_again() {
    let ends_badly: fn(&Json) -> Do = |m| tools::reply(m, json!({"isError": true, "content": [{"type": "text", "text": "no"}]}));
    for (action, config, way, first) in [
        ("desk.pay", "reads: []", (|m| tools::error(m, -32602)) as fn(&Json) -> Do, "failed"),
        ("desk.pay", "reads: []", ends_badly, "failed"),
        ("desk.look", "reads: [look]", |m| tools::error(m, -32603), "failed"),
    ] {
        let server = desk(vec![way, well]).await;
        let served = served(&[("desk", &server.url(), &format!("auth_type: none, protocol: mcp, {config}"))], &[]).await;
        let id = conversation(&served, case()).await;
        let mut came = Vec::new();
        for _ in 0..2 {
            came.push(run(&served, &op(), &id, action, json!({"confirmed": true})).await.body["status"].clone());
        }
        assert_eq!(came, [first, "executed"], "{action}");
    }
}

#[tokio::test]
async fn a_list_of_tools_without_end_is_left_after_some_pages() {
    // Tools on a page; pages that are read, and tools that are offered.
    let after = "what it lists after that";
    for (each, pages, known, left) in [(1, 10, 10, after), (60, 1, 50, "all after the first 50 items"), (0, 10, 0, after)] {
        let n = AtomicUsize::new(0);
        let server = Server::start(move |seen: &Seen| {
            tools::older(seen, |message| {
                let page = n.fetch_add(1, Ordering::Relaxed);
                let tools: Vec<Json> =
                    (0..each).map(|i| json!({"name": format!("t{page}-{i}"), "inputSchema": {"type": "object"}})).collect();
                tools::reply(message, json!({"tools": tools, "nextCursor": "more"}))
            })
        })
        .await;
        let served = served(&[("desk", &server.url(), "auth_type: none, protocol: mcp")], &[]).await;
        let id = conversation(&served, case()).await;
        let offered = served.get(&op(), &path(&id)).await;
        assert_eq!(offered.body["items"].as_array().unwrap().len(), known, "{offered:?}");
        assert_eq!(offered.body["left_out"][0]["reason"], left, "{offered:?}");
        assert_eq!(server.seen().iter().filter(|s| s.body.contains("tools/list")).count(), pages);
    }
}
