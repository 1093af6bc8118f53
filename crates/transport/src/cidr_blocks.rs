//! Addresses and networks that a configuration names.

use std::net::IpAddr;

/// Addresses, and networks such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Debug, Default)]
pub struct CidrBlocks(Vec<CidrBlock>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CidrBlock {
    address: IpAddr,
    prefix_bits: u32,
}

/// A text that names neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is neither an address nor a network; write such as 10.0.0.7, 10.0.0.0/8 or fd00::/8"
)]
pub struct MalformedCidrBlock {
    text: String,
}

impl CidrBlocks {
    /// These addresses and networks.
    ///
    /// # Errors
    /// [`MalformedCidrBlock`]: the first text that is neither.
    pub fn new<S: AsRef<str>>(texts: &[S]) -> Result<Self, MalformedCidrBlock> {
        let block = |text: &S| {
            let text = text.as_ref();
            CidrBlock::parse(text).ok_or_else(|| MalformedCidrBlock { text: text.to_owned() })
        };
        texts.iter().map(block).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the address is one of them, or in one of them.
    pub fn hold(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|block| block.holds(address))
    }
}

impl CidrBlock {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.trim().parse().ok()?;
        let address = written.to_canonical();
        let all_bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            // A number and nothing else: no sign, no mask.
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse::<u32>().ok()?
            }
            Some(_) => return None,
            None => all_bits,
        };
        // ::ffff:10.0.0.0/104 is written with the bits of IPv6.
        let is_mapped = written.is_ipv6() && address.is_ipv4() && prefix.is_some();
        let prefix_bits = if is_mapped { prefix_bits.checked_sub(96)? } else { prefix_bits };
        (prefix_bits <= all_bits).then_some(Self { address, prefix_bits })
    }

    fn holds(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.checked_shr(32 - self.prefix_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.checked_shr(128 - self.prefix_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
