//! However the bytes of a connection are cut, the same requests come out of it, and the same refusal ends it.

#![no_main]

use foodtrack_transport::http_connection::{HttpConnection, Outcome};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let whole = HttpConnection::outcomes([stream]);
    for piece_bytes in [1, 2, 3, 7, 61, 1_021] {
        assert_eq!(HttpConnection::outcomes(stream.chunks(piece_bytes)), whole);
    }
    let requests = whole.iter().filter_map(|outcome| match outcome {
        Outcome::Request { method, target, body, .. } => {
            Some(method.len() + target.len() + body.len())
        }
        _ => None,
    });
    assert!(requests.sum::<usize>() <= stream.len());
});
