//! What proves to a node that a request is another node's, for it, of now, and as it was sent; and that an answer is to it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::cluster_secret::ClusterSecret;
use super::node_id::NodeId;
use crate::hex;

/// The scheme of the `Authorization` of requests between nodes.
pub(crate) const SCHEME: &str = "FoodTrack-Node";
/// The header of answers.
pub(crate) const ANSWER_HEADER: &str = "foodtrack-node-answer";

/// What makes each request another one.
pub(crate) type Nonce = [u8; 16];

/// The keys of one cluster's requests and answers.
#[derive(Clone)]
pub(crate) struct NodeKeys {
    requests: hmac::Key,
    answers: hmac::Key,
}

/// A request as it is signed.
#[derive(Clone, Copy)]
pub(crate) struct SignedRequest<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    /// The node that it is for: no other takes it.
    pub(crate) to: &'a NodeId,
    pub(crate) body: &'a [u8],
}

/// What stands in the `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The node that asks.
    pub(crate) from: NodeId,
    /// When, by the cluster's clock, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) nonce: Nonce,
    mac: [u8; 32],
}

impl NodeKeys {
    pub(crate) fn new(secret: &ClusterSecret) -> Self {
        Self {
            requests: secret.key("foodtrack node requests 1"),
            answers: secret.key("foodtrack node answers 1"),
        }
    }

    /// The value of the `Authorization` of a request.
    pub(crate) fn sign(
        &self,
        request: SignedRequest<'_>,
        from: &NodeId,
        at_ms: u64,
        nonce: Nonce,
    ) -> String {
        let mac = self.request_mac(request, from, at_ms, &nonce);
        let (nonce, mac) = (hex::encode(&nonce), hex::encode(mac.as_ref()));
        format!("{SCHEME} from={from},at={at_ms},nonce={nonce},mac={mac}")
    }

    /// Whether a request is what its credentials prove. When it was made, and whether it comes again, is for others to say.
    pub(crate) fn is_proven(&self, request: SignedRequest<'_>, by: &Credentials) -> bool {
        let mac = self.request_mac(request, &by.from, by.at_ms, &by.nonce);
        verify_slices_are_equal(mac.as_ref(), &by.mac).is_ok()
    }

    fn request_mac(
        &self,
        request: SignedRequest<'_>,
        from: &NodeId,
        at_ms: u64,
        nonce: &Nonce,
    ) -> hmac::Tag {
        let SignedRequest { method, target, to, body } = request;
        let at_ms = at_ms.to_le_bytes();
        let parts: [&[u8]; 7] = [
            method.as_bytes(),
            target.as_bytes(),
            from.as_str().as_bytes(),
            to.as_str().as_bytes(),
            &at_ms,
            nonce,
            body,
        ];
        mac(&self.requests, &parts)
    }

    /// The value of [`ANSWER_HEADER`] for the answer to the request of a nonce.
    pub(crate) fn sign_answer(&self, nonce: &Nonce, status: u16, body: &[u8]) -> String {
        hex::encode(mac(&self.answers, &[nonce, &status.to_le_bytes(), body]).as_ref())
    }

    /// Whether an answer is of the cluster, and to the request of this nonce.
    pub(crate) fn is_answer(&self, nonce: &Nonce, status: u16, body: &[u8], said: &str) -> bool {
        let mac = mac(&self.answers, &[nonce, &status.to_le_bytes(), body]);
        hex::decode::<32>(said)
            .is_some_and(|said| verify_slices_are_equal(mac.as_ref(), &said).is_ok())
    }
}

/// Over each part behind its length: no two lists of parts are the same bytes.
fn mac(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    context.sign()
}

impl Credentials {
    /// Reads an `Authorization`; `None` where it is no node's.
    pub(crate) fn parse(authorization: &str) -> Option<Self> {
        let (scheme, fields) = authorization.split_once(' ')?;
        if scheme != SCHEME {
            return None;
        }
        let mut fields = fields.splitn(4, ',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let from = NodeId::parse(field("from")?)?;
        let at_ms = field("at")?.parse().ok()?;
        Some(Self {
            from,
            at_ms,
            nonce: hex::decode(field("nonce")?)?,
            mac: hex::decode(field("mac")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NodeId {
        NodeId::parse(text).unwrap()
    }

    fn keys(secret: u8) -> NodeKeys {
        NodeKeys::new(&ClusterSecret::new([secret; 32]))
    }

    #[test]
    fn a_request_is_proven_as_it_was_signed_and_in_no_other_way() {
        let to = id("b");
        let good =
            SignedRequest { method: "POST", target: "/cluster/v1/a?b", to: &to, body: b"{}" };
        let signed = keys(1).sign(good, &id("a"), 1_000, [7; 16]);
        let said = Credentials::parse(&signed).unwrap();
        assert_eq!((said.from.as_str(), said.at_ms, said.nonce), ("a", 1_000, [7; 16]));
        assert!(keys(1).is_proven(good, &said));
        assert!(!keys(2).is_proven(good, &said), "another cluster's secret");
        let other = id("c");
        for changed in [
            SignedRequest { method: "GET", ..good },
            SignedRequest { target: "/cluster/v1/a?c", ..good },
            SignedRequest { to: &other, ..good },
            SignedRequest { body: b"[]", ..good },
        ] {
            assert!(!keys(1).is_proven(changed, &said));
        }
        for changed in [
            Credentials { from: id("b"), ..said.clone() },
            Credentials { at_ms: 1_001, ..said.clone() },
            Credentials { nonce: [8; 16], ..said.clone() },
            Credentials { mac: [0; 32], ..said.clone() },
        ] {
            assert!(!keys(1).is_proven(good, &changed));
        }
    }

    #[test]
    fn what_is_no_nodes_authorization_is_none() {
        let to = id("b");
        let request = SignedRequest { method: "POST", target: "/", to: &to, body: b"" };
        let signed = keys(1).sign(request, &id("a"), 1_000, [7; 16]);
        for length in 0..signed.len() {
            assert_eq!(Credentials::parse(&signed[..length]), None, "{length} bytes");
        }
        for text in [
            "Bearer a.b.c",
            &signed.replace("from=", "from=/"),
            &signed.replace("at=1000", "at=-1"),
            &signed.replace("nonce=07", "nonce=zz"),
            &format!("{signed},more=1"),
        ] {
            assert_eq!(Credentials::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_is_to_one_request_alone() {
        let signed = keys(1).sign_answer(&[7; 16], 200, b"{}");
        assert!(keys(1).is_answer(&[7; 16], 200, b"{}", &signed));
        for is_answer in [
            keys(1).is_answer(&[8; 16], 200, b"{}", &signed),
            keys(1).is_answer(&[7; 16], 500, b"{}", &signed),
            keys(1).is_answer(&[7; 16], 200, b"[]", &signed),
            keys(2).is_answer(&[7; 16], 200, b"{}", &signed),
            keys(1).is_answer(&[7; 16], 200, b"{}", "none"),
        ] {
            assert!(!is_answer);
        }
    }
}
