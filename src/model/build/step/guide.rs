//! `guide` (language, 3.5).

use super::{Site, Steps};
use crate::model::build::context::Context;
use crate::model::step::{Guide, Instruction};
use crate::syntax::Node;

impl Steps<'_, '_, '_, '_, '_> {
    pub fn guide(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Guide> {
        let list = if site.full { site.value.get("steps")? } else { site.value };
        let mut steps = Vec::new();
        for (i, item) in list.items().iter().enumerate() {
            let say = if item.is_map() { item.get("say") } else { Some(item) };
            let Some(say) = say.and_then(|n| cx.template(n)) else { continue };
            let branch = if i == 0 { "steps".to_owned() } else { format!("steps#{}", i + 1) };
            let on_stuck = self.target_in(cx, site, &branch, item, "on_stuck");
            steps.push(Instruction { say, unless: cx.program_at(item, "unless"), on_stuck });
        }
        if steps.is_empty() {
            return None;
        }
        let inside = |key: &str| if site.full { site.value.get(key) } else { None::<&Node<'_>> };
        let on_complete = inside("on_complete").map(|n| self.target(cx, site, "on_complete", n));
        let on_stuck = inside("on_stuck").map(|n| self.target(cx, site, "on_stuck", n));
        Some(Guide { steps, on_complete: on_complete.unwrap_or(site.next), on_stuck })
    }
}
