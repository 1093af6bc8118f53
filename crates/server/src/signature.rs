//! What proves to a back end that a request is the hub's, and of now.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

/// The header with the time and the signature: `t=SECONDS,v1=HEX`.
pub(crate) const HEADER: &str = "x-foodtrack-signature";

/// HMAC-SHA256 over the time in seconds, a dot, and the body. Who verifies it refuses times that are more than a few minutes off.
pub(crate) fn sign(key: &hmac::Key, at_s: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(at_s.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let mut header = format!("t={at_s},v1=");
    for byte in context.sign().as_ref() {
        // Writing to a string does not fail.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_of_time_and_body() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret");
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret'
        let expected = "b4c5d5c08194254de18b80695176335ee482a5907fb5e68f7bd993b1b00b018d";
        assert_eq!(sign(&key, 1_700_000_000, b"{\"a\":1}"), format!("t=1700000000,v1={expected}"));
        assert_ne!(sign(&key, 1_700_000_001, b"{\"a\":1}"), format!("t=1700000001,v1={expected}"));
    }
}
