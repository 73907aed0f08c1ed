//! Where the requests of an integration go and how they prove who sends them, as it is written: what of a secret is told is its name.

use super::action::{Auth, Integration};
use super::build::is_secret_header;
use crate::source::Text;

impl Integration {
    /// By which it is known whether requests go the same way.
    #[must_use]
    pub fn way(&self) -> String {
        let named = |(name, text): &(_, Text)| {
            let name: &std::sync::Arc<str> = name;
            let hides = is_secret_header(&name.replace('_', "-"));
            (name.to_string(), if hides { references(text) } else { text.value.to_string() })
        };
        let mut command = Vec::new();
        for (at, part) in self.command.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| self.command.get(before));
            let hides = is_secret_header(&part.value) || before.is_some_and(|b| b.value.starts_with('-') && is_secret_header(&b.value));
            command.push(if hides { references(part) } else { part.value.to_string() });
        }
        let headers: Vec<_> = self.headers.iter().map(named).collect();
        let environment: Vec<_> = self.environment.iter().map(named).collect();
        let speaks_mcp = self.provider.as_ref().is_some_and(|p| p.mcp);
        format!("{:?}", (self.kind, speaks_mcp, address(&self.base_url), command, environment, headers, proof(&self.auth)))
    }
}

/// How requests prove who sends them.
fn proof(auth: &Auth) -> Vec<String> {
    match auth {
        Auth::None => Vec::new(),
        Auth::Bearer { api_key } => vec!["bearer".into(), references(api_key)],
        Auth::ApiKey { api_key, header } => vec!["api_key".into(), header.to_ascii_lowercase(), references(api_key)],
        Auth::Basic { username, password } => vec!["basic".into(), references(username), references(password)],
        Auth::OAuth2 { client_id, client_secret, token_url, scope } => {
            let scope = scope.as_ref().map(|s| s.value.to_string()).unwrap_or_default();
            vec!["oauth2".into(), references(client_id), references(client_secret), address(token_url), scope]
        }
        Auth::Hmac { secret } => vec!["hmac".into(), references(secret)],
    }
}

/// An address without what may prove something in it.
fn address(url: &Text) -> String {
    let plain = url.value.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            format!("{scheme}://{}/{path}", host.rsplit('@').next().unwrap_or_default())
        }
        None => plain.to_owned(),
    }
}

/// The names that a text refers to.
fn references(text: &Text) -> String {
    let names = text.value.split("${").skip(1).filter_map(|behind| behind.split_once('}'));
    names.map(|(name, _)| name).collect::<Vec<_>>().join(" ")
}
