//! Which web pages may talk to the server, on either half of its port.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// The origins whose pages may connect and call. A page of the server's own host always may; who is no browser sends no
/// origin. Clones are one policy: what replaces it is in force for all of them.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy(Arc<ArcSwap<Origins>>);

#[derive(Debug, Default)]
struct Origins {
    any: bool,
    credentials: bool,
    origins: Vec<Box<str>>,
}

/// What a page may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAccess<'a> {
    /// No page of another origin asks: nothing need be allowed.
    Own,
    /// A page of this origin may read the answer, and what its browser sends along by itself counts: cookies.
    WithCredentials(&'a str),
    /// A page of this origin, `*` for any, may read the answer. Cookies do not count: the page's visitor need not know of it.
    WithoutCredentials(&'a str),
    /// It may neither connect nor read why.
    Refused,
}

/// The origin that may read an answer, and whether with credentials.
pub(crate) type KeptAccess = Option<(Box<str>, bool)>;

impl OriginPolicy {
    /// Allows these origins, such as `http://localhost:3000`, with cookies if `credentials`; `*` allows every one but `null`,
    /// and `null` allows what has no origin, such as a file: both without cookies.
    pub fn new<S: AsRef<str>>(origins: &[S], credentials: bool) -> Self {
        let origins = origins.iter().map(AsRef::as_ref);
        let any = origins.clone().any(|origin| origin == "*");
        let trimmed = |origin: &str| Box::from(origin.trim_end_matches('/'));
        let origins = Origins { any, credentials, origins: origins.map(trimmed).collect() };
        Self(Arc::new(ArcSwap::from_pointee(origins)))
    }

    /// From now on what `other` allows now is allowed, and nothing else.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// What a page of `origin` may do at the server that it knows as `host`, as the headers of these names say.
    pub fn access<'a>(&self, origin: Option<&'a str>, host: Option<&str>) -> PageAccess<'a> {
        let Some(origin) = origin else { return PageAccess::Own };
        let parts = Parts::of(origin);
        if parts.is_some_and(|parts| host.is_some_and(|host| parts.is_at(host))) {
            return PageAccess::Own;
        }
        let allowed = self.0.load();
        let is_listed = allowed.origins.iter().any(|allowed| match (parts, Parts::of(allowed)) {
            (Some(parts), Some(allowed)) => parts.is(allowed),
            (None, None) => origin == &**allowed,
            _ => false,
        });
        match (is_listed, parts) {
            (true, Some(_)) if allowed.credentials => PageAccess::WithCredentials(origin),
            (true, _) => PageAccess::WithoutCredentials(origin),
            // `null` is what every page can make its origin look like: it is allowed by its name alone.
            (false, Some(_)) if allowed.any => PageAccess::WithoutCredentials("*"),
            (false, _) => PageAccess::Refused,
        }
    }
}

impl<'a> PageAccess<'a> {
    /// Whether cookies count.
    pub fn has_credentials(self) -> bool {
        matches!(self, Self::Own | Self::WithCredentials(_))
    }

    /// For an answer that is still to come.
    pub(crate) fn keep(self) -> KeptAccess {
        match self {
            Self::WithCredentials(origin) => Some((origin.into(), true)),
            Self::WithoutCredentials(origin) => Some((origin.into(), false)),
            Self::Own | Self::Refused => None,
        }
    }

    /// What was kept: as far as it matters to an answer.
    pub(crate) fn kept(origin: Option<&'a str>, has_credentials: bool) -> Self {
        match (origin, has_credentials) {
            (Some(origin), true) => Self::WithCredentials(origin),
            (Some(origin), false) => Self::WithoutCredentials(origin),
            (None, _) => Self::Own,
        }
    }

    /// The headers that let the page read an answer.
    pub fn headers(self) -> impl Iterator<Item = (&'static str, &'a [u8])> {
        let (origin, credentials) = match self {
            Self::WithCredentials(origin) => (Some(origin), Some(&b"true"[..])),
            Self::WithoutCredentials(origin) => (Some(origin), None),
            Self::Own | Self::Refused => (None, None),
        };
        let origin = origin.map(|origin| ("access-control-allow-origin", origin.as_bytes()));
        let credentials = credentials.map(|yes| ("access-control-allow-credentials", yes));
        origin.into_iter().chain(credentials)
    }
}

/// What a page of an origin that may not connect is told, and whoever looks for the reason.
pub fn refused_origin(origin: &str) -> String {
    // It stands within JSON and HTML, and is a stranger's.
    let plain = |c: &char| c.is_ascii_graphic() && !"\"\\<>&'".contains(*c);
    let origin: String = origin.chars().filter(plain).take(SHOWN_ORIGIN_MAX).collect();
    format!("pages of the origin {origin} may not connect; cors.origin allows it")
}

/// Characters of a refused origin that are said again.
const SHOWN_ORIGIN_MAX: usize = 128;

/// An origin in its parts. Two are the same whatever their case, and whether the usual port is written or not.
#[derive(Clone, Copy)]
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Parts<'a> {
    fn of(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let (host, port) = host_and_port(authority);
        Some(Self { scheme, host, port: port.or(usual_port(scheme)) })
    }

    fn is(self, other: Parts<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
    }

    /// Whether a page of this origin came from the server that is known as `host`; the scheme is whatever a proxy made of it.
    fn is_at(self, host: &str) -> bool {
        let (host, port) = host_and_port(host);
        self.host.eq_ignore_ascii_case(host) && self.port == port.or(usual_port(self.scheme))
    }
}

fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    // The colons of an IPv6 address are within brackets.
    match authority.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (authority, None),
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    let is = |other| scheme.eq_ignore_ascii_case(other);
    match () {
        () if is("http") || is("ws") => Some(80),
        () if is("https") || is("wss") => Some(443),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PageAccess::{Own, Refused, WithCredentials, WithoutCredentials};

    const HUB: Option<&str> = Some("hub:4001");

    #[test]
    fn what_replaces_a_policy_is_in_force_for_its_clones() {
        let policy = OriginPolicy::new(&["https://one.example"], true);
        let clone = policy.clone();
        policy.replace(&OriginPolicy::new(&["https://two.example"], false));
        assert_eq!(clone.access(Some("https://one.example"), HUB), Refused);
        let two = Some("https://two.example");
        assert_eq!(clone.access(two, HUB), WithoutCredentials("https://two.example"));
    }

    #[test]
    fn listed_origins_and_the_servers_own_pages_may_connect() {
        let policy = OriginPolicy::new(&["http://localhost:3000/"], true);
        let access = |origin| policy.access(Some(origin), HUB);
        assert_eq!(access("http://localhost:3000"), WithCredentials("http://localhost:3000"));
        assert_eq!(access("http://hub:4001"), Own);
        assert_eq!(policy.access(None, HUB), Own);
        for other in [
            "http://evil.example",
            "http://localhost:3000.evil.example",
            "http://localhost:30000",
            "https://localhost:3000",
            "http://localhost",
            "http://hub",
            "http://evil.example:4001",
            "null",
            "",
            "localhost:3000",
        ] {
            assert_eq!(access(other), Refused, "{other}");
        }
    }

    #[test]
    fn case_and_usual_ports_make_no_other_origin() {
        let policy = OriginPolicy::new(&["HTTPS://App.Example:443", "http://[::1]:3000"], true);
        for same in ["https://app.example", "https://APP.example:443", "http://[::1]:3000"] {
            assert_eq!(policy.access(Some(same), None), WithCredentials(same));
        }
        for other in ["http://app.example", "https://app.example:80", "http://[::1]"] {
            assert_eq!(policy.access(Some(other), None), Refused, "{other}");
        }
        for (origin, host) in [
            ("https://hub.example", "HUB.example"),
            ("https://hub.example", "hub.example:443"),
            ("http://hub.example:80", "hub.example"),
        ] {
            assert_eq!(policy.access(Some(origin), Some(host)), Own);
        }
        assert_eq!(policy.access(Some("http://hub.example"), Some("hub.example:443")), Refused);
    }

    #[test]
    fn no_origin_is_reflected_with_credentials_that_is_not_named_with_them() {
        let page = "https://anyone.example";
        let any = OriginPolicy::new(&["*", "https://app.example"], true);
        assert_eq!(any.access(Some(page), HUB), WithoutCredentials("*"));
        assert_eq!(
            any.access(Some("https://app.example"), HUB),
            WithCredentials("https://app.example")
        );
        let without = OriginPolicy::new(&[page], false);
        assert_eq!(without.access(Some(page), HUB), WithoutCredentials(page));
        let names =
            |access: PageAccess<'_>| access.headers().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(without.access(Some(page), HUB)), ["access-control-allow-origin"]);
    }

    #[test]
    fn null_is_allowed_by_its_name_alone_and_without_credentials() {
        assert_eq!(OriginPolicy::new(&["*"], true).access(Some("null"), HUB), Refused);
        let named = OriginPolicy::new(&["null"], true);
        assert_eq!(named.access(Some("null"), HUB), WithoutCredentials("null"));
    }

    #[test]
    fn a_refusal_names_the_origin_without_what_could_break_out() {
        assert!(refused_origin("https://evil.example").contains("https://evil.example"));
        let odd = refused_origin("\"}<script>\u{7}&é");
        assert!(odd.contains(" }script ") && odd.is_ascii(), "{odd}");
        assert!(refused_origin(&"x".repeat(9_000)).len() < 300);
    }
}
