//! Where the hub's requests may go: public addresses, and the private ones that the configuration names.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use foodtrack_transport::CidrBlocks;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};

use crate::posting;

/// Connections to one receiver that are kept for the next requests.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// Which private and local addresses are allowed, and which key of the configuration says so.
#[derive(Clone, Debug)]
pub(crate) struct AllowedNetworks {
    pub(crate) networks: CidrBlocks,
    pub(crate) key: &'static str,
}

/// The networks that webhooks may go to.
pub(crate) const WEBHOOK_NETWORKS: &str = "security.webhookNetworks";
/// The networks that keys of issuers may be fetched from.
pub(crate) const ISSUER_NETWORKS: &str = "security.issuerNetworks";

/// What is wrong with a URL, as far as it can be seen without asking for its host.
pub(crate) fn target_fault(url: &str, allowed: &AllowedNetworks) -> Option<String> {
    let Ok(parsed) = Url::parse(url) else {
        return Some("no URL; write one such as https://back-office.example/hub".into());
    };
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none_or(str::is_empty) {
        return Some(
            "not of http or https; write one such as https://back-office.example/hub".into(),
        );
    }
    let host = parsed.host_str()?.trim_matches(['[', ']']);
    let address: IpAddr = host.parse().ok()?;
    (!allowed.hold(address)).then(|| allowed.refused(host, address))
}

/// What is wrong with a URL that keys are fetched from. Whoever stands between could give others: it is of https, but for addresses that the
/// configuration names.
pub(crate) fn key_url_fault(url: &str, allowed: &AllowedNetworks) -> Option<String> {
    if let Some(fault) = target_fault(url, allowed) {
        return Some(fault);
    }
    let parsed = Url::parse(url).ok()?;
    let host = parsed.host_str()?.trim_matches(['[', ']']);
    let is_named = host.parse().is_ok_and(|address| allowed.name(address));
    (parsed.scheme() != "https" && !is_named).then(|| {
        let key = allowed.key;
        format!("not of https: whoever stands between could give keys of their own; http is for addresses of {key} alone")
    })
}

/// A client that asks addresses that are allowed and to no others, whatever a name resolves to, and follows no redirect.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn client(allowed: AllowedNetworks, timeout: Duration) -> io::Result<Client> {
    posting::client(timeout, IDLE_CONNECTIONS_MAX)
        .dns_resolver(Arc::new(CheckedResolver { allowed: Arc::new(allowed) }))
        .build()
        .map_err(io::Error::other)
}

/// Resolves names, and hides what may not be connected to. What it gives is what is connected to: a name cannot answer one thing to
/// the check and another to the connection.
struct CheckedResolver {
    allowed: Arc<AllowedNetworks>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let good: Vec<SocketAddr> =
                found.iter().copied().filter(|it| allowed.hold(it.ip())).collect();
            match (good.is_empty(), found.first()) {
                (true, Some(address)) => Err(allowed.refused(host, address.ip()).into()),
                _ => Ok(Box::new(good.into_iter()) as Addrs),
            }
        })
    }
}

impl AllowedNetworks {
    fn refused(&self, host: &str, address: IpAddr) -> String {
        let key = self.key;
        format!(
            "{host} is the private or local address {address}; name its network in {key} if requests may go there"
        )
    }

    /// Whether requests may go to an address.
    fn hold(&self, address: IpAddr) -> bool {
        is_public(address) || self.networks.hold(address)
    }

    /// Whether an address is one that the configuration names.
    pub(crate) fn name(&self, address: IpAddr) -> bool {
        self.networks.hold(address)
    }
}

/// Whether anybody on the Internet could be meant by it, by IANA's registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocols = a == 192 && b == 0 && c == 0;
    let is_benchmarking = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 224
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || is_shared
        || is_protocols
        || is_benchmarking)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // NAT64 and 6to4 lead to an address of IPv4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Documentation, and protocols such as Teredo.
        [0x2001, 0xdb8, ..] => false,
        [0x2001, second, ..] if second < 0x200 => false,
        // Everything else that is global begins with 001.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhooks(networks: CidrBlocks) -> AllowedNetworks {
        AllowedNetworks { networks, key: WEBHOOK_NETWORKS }
    }

    fn fault(url: &str, allowed: &[&str]) -> Option<String> {
        target_fault(url, &webhooks(CidrBlocks::new(allowed).unwrap()))
    }

    #[test]
    fn private_local_and_disguised_addresses_are_refused_unless_their_network_is_named() {
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.1.1",
            "172.20.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
            "[2001::1]",
            // 127.0.0.1 in other words.
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
        ] {
            let url = format!("http://{host}:8080/hub");
            assert!(fault(&url, &[]).is_some_and(|it| it.contains("webhookNetworks")), "{host}");
        }
        assert_eq!(fault("http://127.0.0.1:8080/hub", &["127.0.0.0/8"]), None);
        assert_eq!(fault("http://10.1.2.3/", &["10.0.0.0/8"]), None);
        assert!(fault("http://10.1.2.3/", &["127.0.0.0/8"]).is_some());
        for host in
            ["93.184.216.34", "[2606:2800:220:1::1]", "back-office.example", "[64:ff9b::5db8:d822]"]
        {
            assert_eq!(fault(&format!("https://{host}/hub"), &[]), None, "{host}");
        }
    }

    #[test]
    fn what_is_no_url_of_http_is_refused() {
        for url in
            ["", "hub", "ftp://back-office.example/", "file:///etc/passwd", "http://", "https:"]
        {
            assert!(fault(url, &[]).is_some(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_not_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let client = client(webhooks(CidrBlocks::default()), Duration::from_secs(5)).unwrap();
        let error = client.post(&url).send().await.unwrap_err();
        assert!(format!("{error:?}").contains("webhookNetworks"), "{error:?}");
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
