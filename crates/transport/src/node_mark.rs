//! What tells one node's session ids from another's, and vouches for whom a node asks in whose name.

use std::hash::Hasher as _;
use std::net::SocketAddr;

use foodtrack_session::Sid;
use siphasher::sip::SipHasher24;

use crate::http::{self, Head};

/// The header in which a node says whose request it passes on: an address, and the proof that a node of the cluster says so.
pub(crate) const PASSED_ON: &str = "x-foodtrack-passed-on";

/// A node as session ids name it. Few enough bytes for two of a large cluster to have the same, once in a while: then a session of
/// one of them is not found by way of a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeTag([u8; Self::BYTES]);

impl NodeTag {
    const BYTES: usize = 3;

    /// The tag of the node that is called so.
    pub fn of(node: &str) -> Self {
        let mut hasher = SipHasher24::new();
        hasher.write(node.as_bytes());
        let [a, b, c, ..] = hasher.finish().to_le_bytes();
        Self([a, b, c])
    }
}

/// What a node of a cluster marks its session ids with. The others know by it whose a session is; nobody else can make an id that
/// has one of them ask another.
#[derive(Clone)]
pub struct NodeMark {
    tag: NodeTag,
    key: [u8; 16],
}

/// Says nothing of the key.
impl std::fmt::Debug for NodeMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeMark").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// How many bytes of an id prove its node. Eight others are random.
const PROOF_BYTES: usize = 4;
const PROOF_AT: usize = Sid::RANDOM_BYTES - PROOF_BYTES;

impl NodeMark {
    /// The mark of a node; `key` is what all nodes of the cluster have, and nobody else.
    pub fn new(tag: NodeTag, key: [u8; 16]) -> Self {
        Self { tag, key }
    }

    /// The id with this node's mark.
    pub(crate) fn mark(&self, sid: &Sid) -> Sid {
        let mut bytes = sid.bytes();
        bytes[..NodeTag::BYTES].copy_from_slice(&self.tag.0);
        let proof = self.proof(&bytes);
        bytes[PROOF_AT..].copy_from_slice(&proof);
        Sid::from_random(bytes)
    }

    /// The other node whose session it is; `None` where it is this one's, or no node's.
    pub(crate) fn other(&self, sid: &Sid) -> Option<NodeTag> {
        let bytes = sid.bytes();
        let [a, b, c, ..] = bytes;
        let tag = NodeTag([a, b, c]);
        (tag != self.tag && bytes[PROOF_AT..] == self.proof(&bytes)).then_some(tag)
    }

    fn proof(&self, bytes: &[u8; Sid::RANDOM_BYTES]) -> [u8; PROOF_BYTES] {
        let proof = self.keyed(b"sid", &[&bytes[..PROOF_AT]]).to_le_bytes();
        let [a, b, c, d, ..] = proof;
        [a, b, c, d]
    }

    /// What a node says that passes on a request about a session, in the name of whoever made it.
    pub(crate) fn vouch(&self, sid: &Sid, client: SocketAddr) -> String {
        let client = client.to_string();
        let proof = self.keyed(b"passed on", &[&sid.bytes(), client.as_bytes()]);
        format!("{client} {proof:016x}")
    }

    /// Whose request it is, where a node of the cluster passes it on.
    pub(crate) fn vouched(&self, head: &Head<'_>) -> Option<SocketAddr> {
        let (client, proof) = head.header(PASSED_ON)?.split_once(' ')?;
        let sid = http::query_value(head.query(), "sid").and_then(Sid::parse)?;
        let proof = u64::from_str_radix(proof, 16).ok().filter(|_| proof.len() == 16)?;
        let is_so = proof == self.keyed(b"passed on", &[&sid.bytes(), client.as_bytes()]);
        client.parse().ok().filter(|_| is_so)
    }

    fn keyed(&self, purpose: &[u8], parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        for part in [purpose].into_iter().chain(parts.iter().copied()) {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HTTP_HEADERS_MAX;

    fn mark(node: &str, key: u8) -> NodeMark {
        NodeMark::new(NodeTag::of(node), [key; 16])
    }

    fn sid(n: u8) -> Sid {
        Sid::from_random([n; Sid::RANDOM_BYTES])
    }

    #[test]
    fn every_node_knows_whose_a_session_is_and_nobody_else_can_say_so() {
        let (one, other) = (mark("one", 7), mark("other", 7));
        let marked = one.mark(&sid(1));
        assert_eq!(other.other(&marked), Some(NodeTag::of("one")));
        assert_eq!(one.other(&marked), None, "it is its own");
        assert_ne!(marked, one.mark(&sid(2)));
        assert_eq!(mark("other", 8).other(&marked), None, "another cluster's");
        assert_eq!(other.other(&sid(1)), None);
        for at in 0..Sid::RANDOM_BYTES {
            let mut forged = marked.bytes();
            forged[at] ^= 1;
            assert_eq!(other.other(&Sid::from_random(forged)), None, "byte {at}");
        }
    }

    fn vouched(mark: &NodeMark, sid: &Sid, header: &str) -> Option<SocketAddr> {
        let text = format!(
            "GET /?sid={} HTTP/1.1\r\nHost: hub\r\n{PASSED_ON}: {header}\r\n\r\n",
            sid.as_str()
        );
        let mut buffer = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        mark.vouched(&Head::parse(text.as_bytes(), &mut buffer).unwrap())
    }

    #[test]
    fn a_node_is_believed_whose_request_it_passes_on_and_nobody_else() {
        let (one, other, session) = (mark("one", 7), mark("other", 7), sid(1));
        for client in ["192.0.2.1:4711", "[2001:db8::1]:0"] {
            let header = one.vouch(&session, client.parse().unwrap());
            assert_eq!(vouched(&other, &session, &header), client.parse().ok());
            assert_eq!(vouched(&mark("other", 8), &session, &header), None, "another cluster's");
            assert_eq!(vouched(&other, &sid(2), &header), None, "of another session");
            assert_eq!(vouched(&other, &session, &header.replace(client, "10.0.0.1:1")), None);
        }
        for header in
            ["", "192.0.2.1:4711", "192.0.2.1:4711 ", "192.0.2.1:4711 +00000000000001", "x y"]
        {
            assert_eq!(vouched(&other, &session, header), None, "{header}");
        }
    }
}
