//! Mermaid: for pages that draw it themselves.

use std::fmt::Write;

use super::view::{Look, Node, View};

pub(super) fn draw(view: &View) -> String {
    let mut out = format!("---\ntitle: {}\n---\nflowchart TD\n", serde_json::Value::from(view.title.as_str()));
    for (i, node) in view.nodes.iter().enumerate() {
        let (open, close) = brackets(node);
        let text = std::iter::once(format!("<b>{}</b>", escape(&node.head))).chain(node.lines.iter().map(|l| escape(l)));
        let _ = writeln!(out, "    n{i}{open}\"{}\"{close}:::{}", text.collect::<Vec<_>>().join("<br/>"), node.look.class());
    }
    for link in &view.links {
        let arrow = if link.trouble { "-.->" } else { "-->" };
        let label = link.label.iter().map(|l| escape(l)).collect::<Vec<_>>().join("<br/>");
        let _ = if label.is_empty() {
            writeln!(out, "    n{} {arrow} n{}", link.from, link.to)
        } else {
            writeln!(out, "    n{} {arrow}|\"{label}\"| n{}", link.from, link.to)
        };
    }
    for look in Look::ALL.into_iter().filter(|look| view.nodes.iter().any(|n| n.look == *look)) {
        let (fill, stroke) = look.colours();
        let text = if look == Look::Edge { "#ffffff" } else { "#0f172a" };
        let _ = writeln!(out, "    classDef {} fill:{fill},stroke:{stroke},color:{text}", look.class());
    }
    out
}

fn brackets(node: &Node) -> (&'static str, &'static str) {
    match node.look {
        Look::Edge => ("((", "))"),
        Look::Asks => ("(", ")"),
        Look::Gate => ("{{", "}}"),
        Look::Reads | Look::Writes | Look::Plain => ("[", "]"),
        Look::Done | Look::Person => ("([", "])"),
    }
}

/// Mermaid reads HTML in a quoted label, and its own entities by `#`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '#' => out.push_str("#35;"),
            '`' => out.push_str("#96;"),
            _ => out.push(c),
        }
    }
    out
}
