//! How large a policy may be: Cedar's parser and validator go down by recursion, and a stack ends.

/// Brackets that may stand open, and `if`s, in one policy. From 130 on they end a stack of 2 MiB.
const DEPTH_MAX: usize = 64;
/// Bytes of one policy: as many operators in a row as these hold are safe.
const POLICY_MAX: usize = 16 * 1024;

/// Where a text goes past a bound, and what to say.
pub fn exceeded(text: &str) -> Option<(usize, String)> {
    let mut start = 0;
    let (mut open, mut ifs) = (0_usize, 0_usize);
    for (at, token) in tokens(text) {
        match token {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            "if" => ifs += 1,
            ";" => (start, open, ifs) = (at, 0, 0),
            _ => {}
        }
        if open + ifs > DEPTH_MAX {
            return Some((at, format!("brackets and `if`s stand more than {DEPTH_MAX} deep in each other")));
        }
        if at + token.len() - start > POLICY_MAX {
            return Some((start, format!("a policy holds at most {} KiB", POLICY_MAX / 1024)));
        }
    }
    None
}

/// Words, texts and signs, without spaces and comments.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        // INVARIANT: `at` grows each turn, and stands between characters.
        loop {
            let rest = text.get(at..)?;
            let first = rest.chars().next()?;
            let length = match first {
                '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                '"' => quoted(rest),
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            let start = at;
            at += length;
            if !first.is_whitespace() && !rest.starts_with("//") {
                return Some((start, rest.get(..length)?));
            }
        }
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The bytes of a text in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, POLICY_MAX, exceeded};

    fn policy(condition: &str) -> String {
        format!("permit(principal, action, resource) when {{ {condition} }};\n")
    }

    #[test]
    fn what_is_within_the_bounds_is_no_danger_to_a_stack() {
        // Two brackets are those of the policy itself. A test's stack is 2 MiB, as a task's is.
        let n = DEPTH_MAX - 1;
        let wide = POLICY_MAX - 100;
        for condition in [
            format!("{}true{}", "(".repeat(n), ")".repeat(n)),
            format!("{}true{}", "!(".repeat(n), ")".repeat(n)),
            format!("{}1{} == 1", "[".repeat(n), "]".repeat(n)),
            format!("{}true", "if true then true else ".repeat(n)),
            format!("context{} == 1", ".a".repeat(wide / 2)),
            format!("0{} == 1", " + 1".repeat(wide / 4)),
            format!("{}1{} == 1", "[".repeat(n), "]".repeat(n)) + &"||true".repeat(wide / 6 - n),
        ] {
            let text = policy(&condition);
            assert_eq!(exceeded(&text), None, "{condition}");
            let files = vec![("policies/a.cedar".to_owned(), text.into())];
            let _ = crate::check::load(files);
        }
    }

    #[test]
    fn what_is_past_them_is_refused_where_it_stands() {
        let deep = policy(&format!("{}true{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX)));
        assert_eq!(exceeded(&deep).map(|(at, _)| at), Some(41 + DEPTH_MAX + 1));
        let ifs = policy(&format!("{}true", "if true then true else ".repeat(DEPTH_MAX)));
        assert!(exceeded(&ifs).is_some_and(|(_, why)| why.contains("deep")));
        let long = policy(&"true || ".repeat(POLICY_MAX / 8)) + "// comments do not count";
        assert!(exceeded(&long).is_some_and(|(at, why)| at == 0 && why.contains("KiB")));
    }

    #[test]
    fn texts_and_comments_hold_anything_and_each_policy_begins_anew() {
        let brackets = "(".repeat(DEPTH_MAX * 2);
        assert_eq!(exceeded(&policy(&format!("\"{brackets}\\\" if\" == \"\" // {brackets}\n"))), None);
        assert_eq!(exceeded(&policy("(((((true)))))").repeat(POLICY_MAX / 32)), None);
    }
}
