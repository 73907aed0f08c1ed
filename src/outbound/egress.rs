//! Where requests may go: hosts that the integration names, and of private addresses only one that its base URL names itself.
//!
//! It can only deny. Names are checked before a connection is made, and addresses where it is made.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Where the addresses of names come from.
#[derive(Debug, Clone, Default)]
pub enum Resolver {
    /// The system.
    #[default]
    System,
    /// The system; only addresses of this machine are connected to.
    Loopback,
    /// This table alone.
    Table(BTreeMap<String, Vec<IpAddr>>),
}

/// Why a request may not go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("the host is none of those that may be called")]
    Host,
    #[error("the address is private, and nothing that may be called is it by name")]
    Private,
    #[error("without keys of its own the service calls this machine alone")]
    Elsewhere,
    #[error("only `http` and `https` are spoken")]
    Scheme,
}

/// The hosts of one integration, or those of triggered actions.
#[derive(Debug)]
pub(super) struct Hosts {
    base: Option<Host>,
    allowed: Vec<Allowed>,
    here: bool,
}

/// One entry of `allow_hosts`: `host`, `host:port` or `*.host`.
#[derive(Debug)]
struct Allowed {
    host: Host,
    port: Option<u16>,
    below: bool,
}

impl Hosts {
    /// The base URL's host and these; an entry that is no host allows nothing.
    pub(super) fn new<'a>(base: &Url, allow: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        Some(Self { base: Some(base.host()?.to_owned()), ..Self::only(allow) })
    }

    /// These alone; an entry that is no host allows nothing. A private address is connected to only where an entry is that address.
    pub(super) fn only<'a>(allow: impl IntoIterator<Item = &'a str>) -> Self {
        Self { base: None, allowed: allow.into_iter().filter_map(Allowed::parse).collect(), here: false }
    }

    /// With a resolver that keeps to this machine, nothing else is connected to.
    pub(super) fn by(mut self, resolver: &Resolver) -> Self {
        self.here = matches!(resolver, Resolver::Loopback);
        self
    }

    /// Allows one more host, the one that a configured URL names.
    pub(super) fn and(mut self, url: &Url) -> Self {
        if let Some(host) = url.host() {
            self.allowed.push(Allowed { host: host.to_owned(), port: url.port_or_known_default(), below: false });
        }
        self
    }

    /// Whether a request may go to a URL, as far as its text tells.
    pub(super) fn check(&self, url: &Url) -> Result<(), Denied> {
        if url.scheme() != "http" && url.scheme() != "https" {
            return Err(Denied::Scheme);
        }
        let host = url.host().ok_or(Denied::Host)?.to_owned();
        let listed = self.is_base(&host) || self.allowed.iter().any(|a| a.covers(&host, url.port_or_known_default()));
        if !listed {
            return Err(Denied::Host);
        }
        match host {
            Host::Ipv4(ip) => self.check_address(&host, ip.into()),
            Host::Ipv6(ip) => self.check_address(&host, ip.into()),
            Host::Domain(_) => Ok(()),
        }
    }

    /// Whether a connection to that address may be made for that host.
    pub(super) fn check_address(&self, host: &Host, address: IpAddr) -> Result<(), Denied> {
        let address = address.to_canonical();
        if self.here && !address.is_loopback() {
            return Err(Denied::Elsewhere);
        }
        if is_public(address) {
            return Ok(());
        }
        let says_so = match host {
            Host::Ipv4(ip) => address == IpAddr::V4(*ip),
            Host::Ipv6(ip) => address == IpAddr::V6(*ip).to_canonical(),
            Host::Domain(_) => names_private(host) && address.is_loopback(),
        };
        let named = match &self.base {
            // Beside the base itself only loopback: that a base is private must not open the machine's metadata to a redirect.
            Some(base) => names_private(base) && (host == base || address.is_loopback()),
            None => self.allowed.iter().any(|a| a.host == *host && !a.below),
        };
        if says_so && named { Ok(()) } else { Err(Denied::Private) }
    }

    fn is_base(&self, host: &Host) -> bool {
        self.base.as_ref() == Some(host)
    }
}

impl Allowed {
    fn parse(entry: &str) -> Option<Self> {
        let (entry, below) = match entry.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (entry, false),
        };
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (entry, None),
        };
        Some(Self { host: Host::parse(host).ok()?, port, below })
    }

    fn covers(&self, host: &Host, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match (host, &self.host) {
            (Host::Domain(host), Host::Domain(parent)) if self.below => {
                host.strip_suffix(parent.as_str()).is_some_and(|h| h.ends_with('.'))
            }
            (host, own) => !self.below && host == own,
        }
    }
}

/// Whether a host's own text says that it is on this machine or in a private network.
fn names_private(host: &Host) -> bool {
    match host {
        Host::Ipv4(ip) => !is_public((*ip).into()),
        Host::Ipv6(ip) => !is_public((*ip).into()),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Whether an address is one of the public internet, by the registries of special addresses (RFC 6890 and its successors).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match ip.segments() {
        // NAT64 and 6to4 lead to the IPv4 address that they hold.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// A resolver that leaves out the addresses that a host may not have.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) hosts: Arc<Hosts>,
    pub(super) resolver: Resolver,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { hosts, resolver } = self.clone();
        Box::pin(async move {
            let host = Host::Domain(name.as_str().to_ascii_lowercase());
            let found: Vec<SocketAddr> = match &resolver {
                Resolver::System | Resolver::Loopback => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
                Resolver::Table(table) => table.get(name.as_str()).into_iter().flatten().map(|ip| SocketAddr::new(*ip, 0)).collect(),
            };
            let denied = found.iter().find_map(|a| hosts.check_address(&host, a.ip()).err());
            let allowed: Vec<_> = found.into_iter().filter(|a| hosts.check_address(&host, a.ip()).is_ok()).collect();
            if let (true, Some(denied)) = (allowed.is_empty(), denied) {
                return Err(denied.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
