//! SVG: a picture that needs nothing else.

use std::fmt::Write;

use super::Mark;
use super::layout::{self, Layout, Point, Size};
use super::view::{Link, Look, Node, View};

const LINE: f64 = 16.0;
const HEAD: f64 = 7.3;
const TEXT: f64 = 6.3;
const LABEL: f64 = 6.0;

const STYLE: &str = "text{font:12px -apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#0f172a;text-anchor:middle}\
.h{font-weight:600}.t{font-size:11px;fill:#334155}.l{font-size:10.5px;fill:#475569}.title{font-size:16px;font-weight:600;text-anchor:start}\
.edge .h{fill:#fff}path{fill:none;stroke:#94a3b8;stroke-width:1.3}.trouble{stroke-dasharray:4 3}.halo{fill:#fff;fill-opacity:.85}";

pub(super) fn draw(view: &View) -> String {
    picture(view, false)
}

/// Without colours of its own: the classes `hit`, `part` and `miss` say what was come to.
pub(super) fn draw_marked(view: &View) -> String {
    picture(view, true)
}

fn picture(view: &View, marked: bool) -> String {
    let boxes: Vec<Size> = view.nodes.iter().map(size).collect();
    let links: Vec<(usize, usize, Size)> = view.links.iter().map(|l| (l.from, l.to, label_size(l))).collect();
    let layout = layout::place(&boxes, &links);
    let top = if marked { 0.0 } else { 34.0 };
    let (width, height) = (layout.size.w.max(chars(&view.title) * 9.0 + 48.0).ceil(), (layout.size.h + top).ceil());
    let title = escape(&view.title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\n"
    );
    if !marked {
        let _ = writeln!(out, "<style>{STYLE}</style>");
    }
    out.push_str(
        "<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" style=\"fill:#94a3b8;stroke:none\"/></marker></defs>\n",
    );
    if !marked {
        let _ =
            writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text class=\"title\" x=\"24\" y=\"30\">{title}</text>");
    }
    let _ = writeln!(out, "<g transform=\"translate(0 {top})\">");
    arrows(&mut out, view, &layout, marked);
    for ((node, middle), size) in view.nodes.iter().zip(&layout.boxes).zip(&boxes) {
        draw_box(&mut out, node, *middle, *size, marked);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn arrows(out: &mut String, view: &View, layout: &Layout, marked: bool) {
    for (link, path) in view.links.iter().zip(&layout.paths) {
        let mut classes = Vec::new();
        if link.trouble {
            classes.push("trouble");
        }
        if marked && !link.taken {
            classes.push("miss");
        }
        let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
        let _ = writeln!(out, "<path{class} d=\"{}\" marker-end=\"url(#a)\"/>", curve(path, link.from == link.to));
    }
    for (link, middle) in view.links.iter().zip(&layout.labels).filter(|(link, _)| !link.label.is_empty()) {
        let size = label_size(link);
        let (left, top) = (middle.x - size.w / 2.0, middle.y - size.h / 2.0);
        let _ = writeln!(out, "<rect class=\"halo\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>", size.w, size.h);
        for (line, y) in link.label.iter().zip(lines_from(top)) {
            // `3 more` stands for lines of which some may be missed.
            let missed = if link.label.last() == Some(line) && !link.missed.is_empty() { line.ends_with(" more") } else { false };
            let class = if marked && (missed || link.missed.contains(line)) { "l miss" } else { "l" };
            let _ = writeln!(out, "<text class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>", middle.x, escape(line));
        }
    }
}

fn draw_box(out: &mut String, node: &Node, middle: Point, size: Size, marked: bool) {
    let (fill, stroke) = node.look.colours();
    let (left, top) = (middle.x - size.w / 2.0, middle.y - size.h / 2.0);
    let round = match node.look {
        Look::Edge | Look::Done | Look::Person => size.h.min(32.0) / 2.0,
        Look::Asks | Look::Gate => 8.0,
        Look::Reads | Look::Writes | Look::Plain => 3.0,
    };
    let (class, colours) = match &node.mark {
        Some((mark, _)) => (mark_class(*mark), String::new()),
        None if marked => ("edge", String::new()),
        None => (node.look.class(), format!(" fill=\"{fill}\" stroke=\"{stroke}\"")),
    };
    let _ = writeln!(
        out,
        "<g class=\"{class}\"><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{round:.1}\"{colours}/>",
        size.w, size.h
    );
    if let Some((_, note)) = node.mark.as_ref().filter(|(_, note)| !note.is_empty()) {
        let _ = writeln!(out, "<title>{}</title>", escape(note));
    }
    let mut ys = lines_from(top + 7.0);
    let y = ys.next().unwrap_or(top);
    let _ = writeln!(out, "<text class=\"h\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>", middle.x, escape(&node.head));
    for (line, y) in node.lines.iter().zip(ys) {
        let _ = writeln!(out, "<text class=\"t\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>", middle.x, escape(line));
    }
    out.push_str("</g>\n");
}

const fn mark_class(mark: Mark) -> &'static str {
    match mark {
        Mark::Hit => "hit",
        Mark::Part => "part",
        Mark::Miss => "miss",
    }
}

/// Base lines of text that begins at that height.
fn lines_from(top: f64) -> impl Iterator<Item = f64> {
    (0u32..).map(move |i| top + 12.0 + LINE * f64::from(i))
}

fn size(node: &Node) -> Size {
    let text = node.lines.iter().map(|l| chars(l) * TEXT).fold(chars(&node.head) * HEAD, f64::max);
    let lines = 1 + u32::try_from(node.lines.len()).unwrap_or(0);
    Size { w: (text + 24.0).max(44.0), h: 14.0 + LINE * f64::from(lines) }
}

fn label_size(link: &Link) -> Size {
    if link.label.is_empty() {
        return Size { w: 1.0, h: 1.0 };
    }
    let lines = u32::try_from(link.label.len()).unwrap_or(1);
    Size { w: link.label.iter().map(|l| chars(l) * LABEL).fold(0.0, f64::max) + 8.0, h: LINE * f64::from(lines) }
}

fn chars(text: &str) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

/// Leaves and arrives straight; a link of a box to itself goes round.
fn curve(points: &[Point], round: bool) -> String {
    let mut out = String::new();
    if let ([a, b, c, d], true) = (points, round) {
        let _ = write!(out, "M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", a.x, a.y, b.x, b.y, c.x, c.y, d.x, d.y);
        return out;
    }
    let mut last: Option<Point> = None;
    for point in points {
        let _ = match last {
            None => write!(out, "M{:.1} {:.1}", point.x, point.y),
            Some(from) if (from.x - point.x).abs() < 0.5 => write!(out, "L{:.1} {:.1}", point.x, point.y),
            Some(from) => {
                let half = f64::midpoint(from.y, point.y);
                write!(out, "C{:.1} {half:.1} {:.1} {half:.1} {:.1} {:.1}", from.x, point.x, point.x, point.y)
            }
        };
        last = Some(*point);
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
