//! Which form of a page a browser takes, and which it has already.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

/// Compressed as browsers take it; `None` where that is no smaller.
pub(super) fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::best());
    // Memory takes what is written to it.
    encoder.write_all(body).ok()?;
    encoder.finish().ok().filter(|compressed| compressed.len() < body.len())
}

/// Whether the request takes gzip (RFC 9110, section 12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut codings = members(headers, &ACCEPT_ENCODING);
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// Whether the one who asks has what is tagged so (RFC 9110, section 13.1.2).
pub(super) fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    let mut tags = members(headers, &IF_NONE_MATCH);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// What a header lists; what is no text lists nothing.
fn members<'h>(
    headers: &'h HeaderMap,
    name: &http::HeaderName,
) -> impl Iterator<Item = &'h str> + use<'h> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), value.parse().unwrap())])
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it_alone() {
        let check = |value: &str, expected: bool| {
            assert_eq!(takes_gzip(&headers(&ACCEPT_ENCODING, value)), expected, "{value}");
        };
        check("gzip", true);
        check("deflate, GZIP;q=0.5, br", true);
        check("gzip;q=0", false);
        check("gzip;q=none", false);
        check("br, xgzip", false);
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_page_that_is_known_is_not_sent_again() {
        let check = |value: &str, expected: bool| {
            assert_eq!(has_already(&headers(&IF_NONE_MATCH, value), "\"a\""), expected, "{value}");
        };
        check("\"a\"", true);
        check("\"b\", W/\"a\"", true);
        check("*", true);
        check("\"b\"", false);
        check("a", false);
    }
}
