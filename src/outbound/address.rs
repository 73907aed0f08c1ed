//! Builds the URL of a request from a base and a path, and refuses any that would not be where both say.

use url::Url;

/// Why a URL cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// A segment is `.`, `..`, or holds what a URL parser takes for a separator.
    #[error("the path leaves its place")]
    Leaves,
    /// It holds bytes that must be percent-encoded.
    #[error("the path is not percent-encoded")]
    NotEncoded,
    /// The base cannot have paths.
    #[error("the base URL cannot have paths")]
    Base,
}

/// The URL of an encoded path under a base, which may have a path itself. `?…` in the path is taken over; the query comes after it.
///
/// What comes out has exactly the base's path and the given path, one after the other: nothing in it climbs or splits.
pub fn join<K: AsRef<str>, V: AsRef<str>>(base: &Url, path: &str, query: &[(K, V)]) -> Result<Url, BadUrl> {
    if base.cannot_be_a_base() {
        return Err(BadUrl::Base);
    }
    let (path, written_query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let encoded = |text: &str| text.bytes().all(|b| (0x21..0x7f).contains(&b) && !b"\"#<>\\^`{|}".contains(&b));
    if !encoded(path) || !written_query.is_none_or(encoded) {
        return Err(BadUrl::NotEncoded);
    }
    let mut url = base.clone();
    url.set_fragment(None);
    if !path.is_empty() {
        if path.trim_start_matches('/').split('/').any(climbs) {
            return Err(BadUrl::Leaves);
        }
        let whole = format!("{}/{}", base.path().trim_end_matches('/'), path.strip_prefix('/').unwrap_or(path));
        url.set_path(&whole);
        // INVARIANT: the parser changed nothing, so every `/` in the result stood in the base or in the path.
        if url.path() != whole {
            return Err(BadUrl::Leaves);
        }
    }
    let kept = [base.query(), written_query].into_iter().flatten().filter(|q| !q.is_empty()).collect::<Vec<_>>().join("&");
    url.set_query((!kept.is_empty()).then_some(&kept));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// Whether a segment means another directory to any server: `.` and `..`, encoded or not.
fn climbs(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}
