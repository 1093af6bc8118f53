//! What a node says of itself to the others.

use std::sync::Arc;

use foodtrack_contract::TenantId;
use foodtrack_shard::{Counters, Crowd, Crowds};
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// The format of cards. A later version may add fields, which this one passes over.
const FORMAT: u32 = 1;
const TEXT_BYTES_MAX: usize = 256;
/// So many bytes of a card are for the tenants of which its node has many connections. The largest come first.
const CROWDS_BYTES_MAX: usize = 2_048;

/// What a node says of itself, as it stands in Redis: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeCard {
    format: u32,
    /// Of the cluster's secret: a node with another one belongs to another cluster.
    mark: String,
    /// Where other nodes reach it: scheme, host and port. `None` where it does not know.
    pub(crate) address: Option<String>,
    /// The version that runs.
    pub(crate) version: String,
    /// When it started, in milliseconds since 1970.
    pub(crate) started_at_ms: u64,
    /// Authenticated connections.
    pub(crate) connections: u64,
    /// Tenants with at least one.
    pub(crate) tenants: u64,
    /// Whether it is about to stop.
    #[serde(default)]
    pub(crate) is_draining: bool,
    /// Of which tenants it has many connections: the tenant, all of its connections, and customers'.
    #[serde(default)]
    crowds: Vec<(String, usize, usize)>,
}

/// Why something that stands among the cards is none of this cluster's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOurs {
    /// It cannot be read, or is of a later format.
    Strange,
    /// It is a node's that has another secret.
    Foreign,
}

impl NodeCard {
    /// Reads a card; `mark` is that of the own cluster.
    ///
    /// # Errors
    /// [`NotOurs`]
    pub(crate) fn read(bytes: &[u8], mark: &str) -> Result<Self, NotOurs> {
        let card: Self = serde_json::from_slice(bytes).map_err(|_| NotOurs::Strange)?;
        let is_short =
            |text: &str| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control);
        let is_reachable = card.address.as_deref().is_none_or(|it| parse_address(it).is_some());
        if card.format != FORMAT || !is_short(&card.version) || !is_reachable {
            return Err(NotOurs::Strange);
        }
        if card.mark == mark { Ok(card) } else { Err(NotOurs::Foreign) }
    }

    /// Of which tenants its node has many connections.
    pub(crate) fn crowds(&self) -> impl Iterator<Item = (TenantId, Crowd)> {
        self.crowds.iter().filter_map(|(tenant, connections, customers)| {
            let crowd = Crowd { connections: *connections, customers: *customers };
            Some((TenantId::parse(tenant).ok()?, crowd))
        })
    }
}

/// Where a node is reached, as `redis.advertise` says it and as it is kept: `None` where it is no address of a node.
pub(crate) fn parse_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= TEXT_BYTES_MAX)?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_http = matches!(url.scheme(), "http" | "https");
    (is_bare && is_http && url.host_str().is_some_and(|host| !host.is_empty())).then_some(url)
}

/// What this node is, for its card.
pub(crate) struct OwnNode {
    pub(crate) mark: String,
    pub(crate) address: Option<String>,
    pub(crate) started_at_ms: u64,
    pub(crate) counters: Vec<Arc<Counters>>,
    /// `None` where there are no other nodes.
    pub(crate) crowds: Option<Arc<Crowds>>,
}

impl OwnNode {
    /// Its card as of now.
    pub(crate) fn card(&self, is_draining: bool) -> NodeCard {
        let sum = |read: fn(&Counters) -> u64| self.counters.iter().map(|it| read(it)).sum();
        NodeCard {
            format: FORMAT,
            mark: self.mark.clone(),
            address: self.address.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at_ms: self.started_at_ms,
            connections: sum(|it| it.connections.get()),
            tenants: sum(|it| it.tenants.get()),
            is_draining,
            crowds: self.crowds.as_ref().map_or_else(Vec::new, |it| as_told(it.here())),
        }
    }
}

/// As many as there is room for.
fn as_told(crowds: Vec<(TenantId, Crowd)>) -> Vec<(String, usize, usize)> {
    let mut left = CROWDS_BYTES_MAX;
    let told = crowds.into_iter().map(|(tenant, it)| {
        let tenant = tenant.as_str().to_owned();
        (tenant, it.connections, it.customers)
    });
    let fits = |it: &(String, usize, usize)| {
        // With the comma behind it.
        let bytes = serde_json::to_vec(it).map_or(usize::MAX, |it| it.len() + 1);
        let rest = left.checked_sub(bytes);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    told.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use foodtrack_tenant_log::NODE_CARD_BYTES_MAX;

    use super::*;

    fn own(mark: &str) -> OwnNode {
        let address = Some(String::from("http://10.0.0.7:4001/"));
        OwnNode { mark: mark.into(), address, started_at_ms: 7, counters: Vec::new(), crowds: None }
    }

    #[test]
    fn a_card_is_read_back_and_fields_of_later_versions_are_passed_over() {
        let card = own("m").card(true);
        let mut json = serde_json::to_value(&card).unwrap();
        json["colour"] = "green".into();
        assert_eq!(NodeCard::read(json.to_string().as_bytes(), "m"), Ok(card));
    }

    #[test]
    fn what_is_no_card_of_the_cluster_is_told_apart() {
        let text = serde_json::to_string(&own("m").card(false)).unwrap();
        assert_eq!(NodeCard::read(text.as_bytes(), "n"), Err(NotOurs::Foreign));
        for length in 0..text.len() {
            let torn = NodeCard::read(&text.as_bytes()[..length], "m");
            assert_eq!(torn, Err(NotOurs::Strange), "{length} bytes");
        }
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("http://10.0.0.7:4001/", "http://10.0.0.7/api"),
            ("\"startedAtMs\":7", "\"startedAtMs\":-7"),
        ] {
            let strange = NodeCard::read(text.replace(from, to).as_bytes(), "m");
            assert_eq!(strange, Err(NotOurs::Strange), "{to}");
        }
    }

    #[test]
    fn a_card_tells_of_the_largest_crowds_and_stays_small() {
        let crowds = Arc::new(Crowds::default());
        for number in 0..500 {
            let tenant = TenantId::parse(&format!("tenant-{number:03}")).unwrap();
            crowds.set_here(&tenant, Some(Crowd { connections: number, customers: number / 2 }));
        }
        let card = OwnNode { crowds: Some(crowds), ..own("m") }.card(false);
        let told: Vec<_> = card.crowds().collect();
        assert!((50..100).contains(&told.len()), "{}", told.len());
        let largest = Crowd { connections: 499, customers: 249 };
        assert_eq!(told[0], (TenantId::parse("tenant-499").unwrap(), largest));
        assert!(serde_json::to_vec(&card).unwrap().len() < NODE_CARD_BYTES_MAX);
    }

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for good in ["http://10.0.0.7:4001", "https://hub-1.example/", "http://[::1]:80/"] {
            assert!(parse_address(good).is_some(), "{good}");
        }
        for bad in [
            "10.0.0.7:4001",
            "redis://10.0.0.7",
            "http://",
            "http://u:p@host/",
            "http://host/path",
            "http://host/?q",
        ] {
            assert!(parse_address(bad).is_none(), "{bad}");
        }
    }
}
