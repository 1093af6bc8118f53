//! Secrets that somebody else knows, or could guess.

/// Parts of secrets that documentation, templates and tutorials give as examples, in small letters and without what separates words.
const EXAMPLES: [&str; 23] = [
    "changeme",
    "changethis",
    "changeinproduction",
    "replaceme",
    "replacethis",
    "yoursecret",
    "yoursupersecret",
    "yourjwtsecret",
    "your256bitsecret",
    "your384bitsecret",
    "your512bitsecret",
    "yourverysecret",
    "secretatleast256bitslong",
    "thisisasecret",
    "mysecretkey",
    "mysupersecret",
    "supersecretkey",
    "supersecretjwt",
    "secretkeyforjwt",
    "jwtsecretkey",
    "donotuseinproduction",
    "passwordpassword",
    // Of this project.
    "asecretofatleastthirtytwobytes",
];

/// What random bytes of 16 have more of, however they are written.
const DIFFERENT_BYTES_MIN: usize = 8;

/// Why a secret is no secret; `None` where nothing speaks against it. Nobody can tell whether one was made by chance: this finds what was
/// typed or copied.
pub(crate) fn weakness(bytes: &[u8]) -> Option<&'static str> {
    let plain = bytes.iter().filter(|it| it.is_ascii_alphanumeric());
    let plain: String = plain.map(|it| char::from(it.to_ascii_lowercase())).collect();
    if EXAMPLES.iter().any(|example| plain.contains(example)) {
        return Some("is an example that many know");
    }
    let mut is_there = [false; 256];
    bytes.iter().for_each(|byte| is_there[usize::from(*byte)] = true);
    if is_there.iter().filter(|it| **it).count() < DIFFERENT_BYTES_MIN {
        return Some("is made of a few characters");
    }
    let repeats =
        |period: usize| bytes[period..].iter().zip(bytes).all(|(one, other)| one == other);
    if (1..=bytes.len() / 2).any(repeats) {
        return Some("repeats itself");
    }
    let steps = bytes.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1)).count();
    // Of random letters one in sixty follows its neighbour.
    (steps > bytes.len() / 2).then_some("is a row of letters or digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_and_what_was_typed_without_chance_are_weak() {
        for (secret, why) in [
            ("your-256-bit-secret-your-256-bit-secret", "example"),
            ("your-super-secret-jwt-key-change-this-in-production", "example"),
            ("CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME", "example"),
            ("a-string-secret-at-least-256-bits-long", "example"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a few"),
            ("0101010101010101010101010101010101010101", "a few"),
            ("correct-horse-correct-horse-correct-horse-", "repeats"),
            ("0123456789abcdef0123456789abcdef", "repeats"),
            ("abcdefghijklmnopqrstuvwxyz0123456789", "a row"),
        ] {
            assert!(weakness(secret.as_bytes()).is_some_and(|it| it.contains(why)), "{secret}");
        }
    }

    #[test]
    fn what_was_made_by_chance_is_not_weak() {
        for secret in [
            "q0yVv8CqYB1xgVnJt0sPpLwU5dFkqz3yXc7mQe9rHh2aTj6uZo4bNi8sKlWvEgRd",
            "7f3c9a1e5b2d8f60417ac93be5d2086f",
            "a secret for tests, of at least 32 bytes",
        ] {
            assert_eq!(weakness(secret.as_bytes()), None, "{secret}");
        }
    }
}
