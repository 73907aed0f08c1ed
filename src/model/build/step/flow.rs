//! `if` and `set` (language, 3.8).

use super::{Site, Steps};
use crate::model::build::context::{Context, Seen};
use crate::model::step::{Assign, If};
use crate::source::{Code, Diagnostic};
use crate::value::{Name, Slug};

impl Steps<'_, '_, '_, '_, '_> {
    pub fn branch(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<If> {
        let condition = cx.program(site.value)?;
        let then = self.target_at(cx, site, "then").unwrap_or(site.next);
        let otherwise = self.target_at(cx, site, "else").unwrap_or(site.next);
        Some(If { condition, then, otherwise })
    }

    pub fn set(cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Vec<Assign>> {
        if !site.value.is_map() {
            return None;
        }
        let mut out: Vec<Assign> = Vec::new();
        let mut seen = Seen::default();
        for entry in site.value.entries() {
            let written = entry.key.strip_prefix("$variables.").unwrap_or(&entry.key);
            let bare = written.strip_prefix('$').unwrap_or(written);
            if bare == "user" || bare.starts_with("user.") {
                let d = Diagnostic::new(Code::WP0405, entry.key_span, "`$user` cannot be assigned: it is what the host says of the caller");
                cx.push(d.help("choose another name"));
                continue;
            }
            if !Slug::is_valid(written) {
                let d = Diagnostic::new(Code::WP0104, entry.key_span, format!("`{}` is no name of a variable", entry.key));
                let slug = Slug::from_title(written);
                cx.push(if slug.shown.is_empty() { d } else { d.help(format!("write `{}`", slug.name)) });
                continue;
            }
            let name = Name::new(written);
            if cx.again(&mut seen, "a variable", &Slug::new(written), entry.key_span) {
                continue;
            }
            cx.variable(&name, entry.key_span);
            let value = if entry.value.is_null() { None } else { Some(cx.assigned(&entry.value)) };
            out.push(Assign { name, span: entry.key_span, value_span: entry.value.span, value });
        }
        Some(out)
    }
}
