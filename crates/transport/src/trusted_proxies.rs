//! Whose word is believed about who a request comes from: that of proxies which were named, and nobody else's.

use std::net::{IpAddr, SocketAddr};

use crate::cidr_blocks::{CidrBlocks, MalformedCidrBlock};
use crate::http::Head;

/// Proxies in front of the server: addresses and networks.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(CidrBlocks);

impl TrustedProxies {
    /// Trusts these addresses, and networks such as `10.0.0.0/8`. None means that nobody is trusted.
    ///
    /// # Errors
    /// [`MalformedCidrBlock`]: the first text that is neither.
    pub fn new<S: AsRef<str>>(texts: &[S]) -> Result<Self, MalformedCidrBlock> {
        CidrBlocks::new(texts).map(Self)
    }

    /// Whether what this address says of others is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.hold(address)
    }

    /// Who a request comes from, by the headers of a trusted proxy; `None` where they do not say. Each proxy adds the address
    /// that it was asked from at the right, so they are read from there, past those that are trusted; what is left of the
    /// first other address is anybody's claim. `Forwarded` counts where there is no `X-Forwarded-For`.
    pub(crate) fn client(&self, head: &Head<'_>) -> Option<SocketAddr> {
        let values = |name: &'static str| {
            head.headers
                .iter()
                .filter(move |header| header.name.eq_ignore_ascii_case(name))
                // What is no text is nobody's address.
                .map(|header| std::str::from_utf8(header.value).unwrap_or("?"))
        };
        let listed: Vec<_> =
            values(X_FORWARDED_FOR).flat_map(|value| value.split(',')).map(node).collect();
        if !listed.is_empty() {
            return self.walk(&listed);
        }
        let listed: Vec<_> = values(FORWARDED)
            .flat_map(|value| split_unquoted(value, ','))
            .map(|element| {
                let parameters = split_unquoted(element, ';');
                parameters.into_iter().find_map(forwarded_for).and_then(node)
            })
            .collect();
        self.walk(&listed)
    }

    fn walk(&self, listed: &[Option<SocketAddr>]) -> Option<SocketAddr> {
        let mut client = None;
        for node in listed.iter().rev() {
            let Some(address) = node else { break };
            client = Some(*address);
            if !self.trusts(address.ip()) {
                break;
            }
        }
        client
    }
}

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

/// Whether a request says that it comes from somebody else.
pub(crate) fn names_others(head: &Head<'_>) -> bool {
    let is_one = |name: &str| {
        name.eq_ignore_ascii_case(X_FORWARDED_FOR) || name.eq_ignore_ascii_case(FORWARDED)
    };
    head.headers.iter().any(|header| is_one(header.name))
}

/// The address in such as `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `"[2001:db8::1]:4711"`; port 0 where none is named.
fn node(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address.to_canonical(), 0));
    }
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            let address = IpAddr::V6(address.parse().ok()?);
            (address, if rest.is_empty() { "0" } else { rest.strip_prefix(':')? })
        }
        None => {
            let (address, port) = text.split_once(':')?;
            (IpAddr::V4(address.parse().ok()?), port)
        }
    };
    // A port may be hidden: `_x`. It is no part of who somebody is.
    let is_hidden = port.strip_prefix('_').is_some_and(|name| !name.is_empty());
    let port = if is_hidden { 0 } else { port.parse().ok()? };
    Some(SocketAddr::new(address.to_canonical(), port))
}

/// The value of `for=` in a parameter of `Forwarded`.
fn forwarded_for(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("for").then_some(value)
}

/// The parts between separators that are not within quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        if character == '"' {
            is_quoted = !is_quoted;
        } else if character == separator && !is_quoted {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HTTP_HEADERS_MAX;

    /// Who a request with these headers comes from, behind proxies of 10.0.0.0/8 and fd00::/8.
    #[track_caller]
    fn check(headers: &[&str], expected: Option<&str>) {
        let proxies = TrustedProxies::new(&["10.0.0.0/8", "fd00::/8"]).unwrap();
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let text = format!("GET / HTTP/1.1\r\nHost: hub\r\n{lines}\r\n");
        let mut buffer = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let head = Head::parse(text.as_bytes(), &mut buffer).unwrap();
        let client = proxies.client(&head).map(|client| match client.port() {
            0 => client.ip().to_string(),
            _ => client.to_string(),
        });
        assert_eq!(client.as_deref(), expected, "{headers:?}");
    }

    #[test]
    fn the_first_address_from_the_right_that_is_no_proxy_counts() {
        check(&["X-Forwarded-For: 203.0.113.7"], Some("203.0.113.7"));
        check(&["X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.0.0.2"], Some("203.0.113.7"));
        check(
            &["X-Forwarded-For: 198.51.100.1", "x-forwarded-for: 203.0.113.7"],
            Some("203.0.113.7"),
        );
        check(
            &["Forwarded: for=198.51.100.1, for=203.0.113.7;proto=https, for=10.1.1.1"],
            Some("203.0.113.7"),
        );
        check(&["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], Some("10.0.0.3"));
        check(&[], None);
    }

    #[test]
    fn addresses_come_with_ports_brackets_and_quotes() {
        check(&["X-Forwarded-For: 203.0.113.7:4711"], Some("203.0.113.7:4711"));
        check(&["X-Forwarded-For: 2001:db8::7"], Some("2001:db8::7"));
        check(&["X-Forwarded-For: [2001:db8::7]:4711, fd00::1"], Some("[2001:db8::7]:4711"));
        check(&["X-Forwarded-For: ::ffff:203.0.113.7"], Some("203.0.113.7"));
        check(&["Forwarded: by=10.0.0.1;FOR=\"[2001:db8::7]:4711\""], Some("[2001:db8::7]:4711"));
        check(&["Forwarded: for=\"203.0.113.7:_hidden\""], Some("203.0.113.7"));
        check(&["Forwarded: host=\"a,b;for=1.2.3.4\";for=203.0.113.7"], Some("203.0.113.7"));
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for malformed in
            ["unknown", "_hidden", "", "203.0.113.7:", "1.2.3", "[::1", "fe80::1%eth0", "\u{e9}"]
        {
            check(&[&format!("X-Forwarded-For: {malformed}")], None);
            check(
                &[&format!("X-Forwarded-For: 198.51.100.1, {malformed}, 10.0.0.2")],
                Some("10.0.0.2"),
            );
        }
        check(&["Forwarded: proto=https"], None);
        check(&["Forwarded: for=unknown, for=10.0.0.2"], Some("10.0.0.2"));
    }

    /// A proxy adds to the one and passes the other on as the client wrote it.
    #[test]
    fn forwarded_counts_only_where_there_is_no_x_forwarded_for() {
        check(
            &["Forwarded: for=198.51.100.1", "X-Forwarded-For: 203.0.113.7"],
            Some("203.0.113.7"),
        );
    }

    #[test]
    fn networks_are_read_strictly_and_hold_what_they_say() {
        let trusts = |network: &str, address: &str| {
            TrustedProxies::new(&[network]).unwrap().trusts(address.parse().unwrap())
        };
        assert!(trusts("192.0.2.1", "192.0.2.1") && !trusts("192.0.2.1", "192.0.2.2"));
        assert!(trusts("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(trusts("172.16.0.0/12", "172.31.9.9") && !trusts("172.16.0.0/12", "172.32.0.1"));
        assert!(trusts("0.0.0.0/0", "203.0.113.7") && !trusts("0.0.0.0/0", "2001:db8::1"));
        assert!(
            trusts("2001:db8::/32", "2001:db8:ffff::1") && !trusts("2001:db8::/32", "2001:db9::1")
        );
        assert!(trusts("::/0", "2001:db8::1") && trusts("::ffff:10.0.0.0/104", "10.9.9.9"));
        for text in [
            "",
            "proxy.local",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/255.0.0.0",
            "::/129",
        ] {
            assert!(TrustedProxies::new(&[text]).is_err(), "{text}");
        }
    }
}
