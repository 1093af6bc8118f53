//! What a proxy says before the first byte of a connection that it passes on: the PROXY protocol, versions 1 and 2.

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};

/// Longer headers are refused: the addresses take 107 bytes at most, and what some proxies tell beside them a few hundred.
pub(crate) const BYTES_MAX: usize = 1_024;

/// What comes is no header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no header of the PROXY protocol")]
pub(crate) struct Malformed;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// For whom the proxy speaks; `None` where it speaks for itself.
    pub(crate) client: Option<SocketAddr>,
    /// How long it is.
    pub(crate) bytes: usize,
}

/// Reads a header off the front of `bytes`, of which more than [`BYTES_MAX`] are not looked at. `Ok(None)`: it is not all here.
///
/// # Errors
/// [`Malformed`]: it is none, or too long.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, used)) => {
            let client = header
                .proxied_address()
                .map(|it| SocketAddr::new(it.source.ip().to_canonical(), it.source.port()));
            Ok(Some(Header { client, bytes: used }))
        }
        Err(Error::BufferTooShort) if bytes.len() < BYTES_MAX => Ok(None),
        Err(_) => Err(Malformed),
    }
}

/// For fuzzing: the length of a header; `Some(None)` where it is not all here, `None` where it is none.
#[cfg(fuzzing)]
pub fn fuzzed(bytes: &[u8]) -> Option<Option<usize>> {
    parse(bytes).ok().map(|header| header.map(|header| header.bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2 with these bytes behind its length.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(rest);
        bytes
    }

    /// Each header names this client, is as long as it is, and is told to be incomplete before.
    #[track_caller]
    fn check(header: &[u8], client: Option<&str>) {
        let client = client.map(|text| text.parse().unwrap());
        let whole = [header, b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&whole), Ok(Some(Header { client, bytes: header.len() })));
        for length in 0..header.len() {
            assert_eq!(parse(&header[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn both_versions_name_a_client_or_nobody() {
        check(b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n", Some("203.0.113.7:51234"));
        check(b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n", Some("[2001:db8::7]:51234"));
        check(b"PROXY TCP6 ::ffff:203.0.113.7 ::1 7 443\r\n", Some("203.0.113.7:7"));
        check(b"PROXY UNKNOWN\r\n", None);
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0xc8, 0x22, 1, 0xbb];
        check(&v2(0x21, 0x11, &v4), Some("203.0.113.7:51234"));
        check(&v2(0x21, 0x11, &[&v4[..], &[4, 0, 3, 1, 2, 3]].concat()), Some("203.0.113.7:51234"));
        check(&v2(0x20, 0, &[]), None);
    }

    #[test]
    fn what_is_none_or_too_long_is_refused() {
        for malformed in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x03\x01",
            b"PROXY TCP5 203.0.113.7 10.0.0.1 51234 443\r\n",
            b"PROXY TCP4 203.0.113.777 10.0.0.1 51234 443\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 512345 443\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\rx",
            &[b"PROXY TCP4 ".as_slice(), &[b'1'; 120]].concat(),
            &v2(0x31, 0x11, &[0; 12]),
            // Too short for its addresses, and something behind it.
            &[v2(0x21, 0x11, &[0; 11]), vec![0]].concat(),
            &v2(0x21, 0x77, &[0; 12]),
            &v2(0x21, 0x11, &[0; 2_000]),
        ] {
            assert_eq!(parse(malformed), Err(Malformed), "{malformed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_beyond_the_header_count(
            version in 0..3_u8,
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = match version {
                1 => [b"PROXY TCP4 ".as_slice(), &bytes].concat(),
                2 => [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &bytes].concat(),
                _ => bytes,
            };
            if let Ok(Some(header)) = parse(&bytes) {
                prop_assert!(header.bytes <= bytes.len());
                prop_assert_eq!(parse(&bytes[..header.bytes]), Ok(Some(header)));
            }
        }
    }
}
