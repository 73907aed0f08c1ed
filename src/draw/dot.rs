//! DOT: for Graphviz.

use std::fmt::Write;

use super::view::{Look, View};

pub(super) fn draw(view: &View) -> String {
    let mut out = format!(
        "digraph {} {{\n    rankdir=TB;\n    node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11];\n    edge [fontname=\"Helvetica\", fontsize=10, color=\"#64748b\"];\n",
        quote(&view.title)
    );
    for (i, node) in view.nodes.iter().enumerate() {
        let text = std::iter::once(&node.head).chain(&node.lines).map(String::as_str).collect::<Vec<_>>().join("\n");
        let (fill, stroke) = node.look.colours();
        let more = if node.look == Look::Edge { ", shape=circle, fontcolor=white" } else { "" };
        let _ = writeln!(out, "    n{i} [label={}, fillcolor=\"{fill}\", color=\"{stroke}\"{more}];", quote(&text));
    }
    for link in &view.links {
        let mut attributes = Vec::new();
        if !link.label.is_empty() {
            attributes.push(format!("label={}", quote(&link.label.join("\n"))));
        }
        if link.trouble {
            attributes.push("style=dashed".to_owned());
        }
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(out, "    n{} -> n{}{attributes};", link.from, link.to);
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
