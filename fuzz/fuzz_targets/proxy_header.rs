//! However the bytes of a connection are cut, the same header of the PROXY protocol is read off their front, or none.

#![no_main]

use foodtrack_transport::proxy_header_bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = proxy_header_bytes(bytes);
    if let Some(Some(header)) = whole {
        assert!(header <= bytes.len());
        // What is behind it does not count.
        assert_eq!(proxy_header_bytes(&bytes[..header]), whole);
    }
    // Once it is refused or read, more bytes change nothing.
    let mut settled = Some(None);
    for length in 0..bytes.len().min(1_100) {
        let read = proxy_header_bytes(&bytes[..length]);
        if settled == Some(None) {
            settled = read;
        } else {
            assert_eq!(read, settled, "{length} bytes");
        }
    }
});
