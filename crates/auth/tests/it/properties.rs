//! What holds for every token.

use foodtrack_contract::Authenticate;
use proptest::prelude::*;

use crate::support::{NOW_S, authenticator, claims, hs256, hs256_of_texts, principal};

/// One changed bit anywhere in a token, in every place and every way.
#[test]
fn a_token_with_any_bit_flipped_is_refused() {
    let authenticator = authenticator();
    let token = hs256(&claims());
    authenticator.principal(&token, NOW_S).unwrap();
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            // What is not UTF-8 never gets here: a token is a `&str`.
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(authenticator.principal(&flipped, NOW_S).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_token_cut_short_or_glued_to_another_is_refused() {
    let token = hs256(&claims());
    for end in 0..token.len() {
        principal(&token[..end]).unwrap_err();
    }
    principal(&format!("{token}{token}")).unwrap_err();
    principal(&format!("{token}.{token}")).unwrap_err();
}

proptest! {
    #[test]
    fn no_text_panics_the_verifier(text in ".{0,200}") {
        prop_assert!(principal(&text).is_err());
    }

    #[test]
    fn no_signed_claims_panic_the_reader(
        header in "[ -~]{0,30}",
        claims in r#"(\{|\[)?("(userId|sub|exp|aud|role|permissions)":("x"|1e99|-1|null|\[\]|\{),?){0,6}\}?"#,
    ) {
        let token = hs256_of_texts(r#"{"alg":"HS256"}"#, &claims);
        prop_assert!(principal(&token).is_err());
        prop_assert!(principal(&hs256_of_texts(&header, &claims)).is_err());
    }

    /// A replaced part of one token by that of another with other claims never gives those claims.
    #[test]
    fn parts_of_two_tokens_make_no_third(tenant in "[a-z]{1,8}", mix in 1usize..7) {
        let mut other = claims();
        other["tenantId"] = format!("{tenant}-2").into();
        other["exp"] = (NOW_S + 61).into();
        let tokens = [hs256(&claims()), hs256(&other)];
        let parts: Vec<Vec<_>> = tokens.iter().map(|token| token.split('.').collect()).collect();
        let mixed: Vec<_> = (0..3).map(|n| parts[(mix >> n) & 1][n]).collect();
        // The two headers are equal: only claims and signature of different tokens must not go together.
        let is_whole = (mix >> 1) & 1 == (mix >> 2) & 1;
        prop_assert_eq!(principal(&mixed.join(".")).is_ok(), is_whole);
    }
}
