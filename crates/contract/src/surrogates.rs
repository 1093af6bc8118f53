//! Half of a surrogate pair: JavaScript's strings may have one, since `"🍕".slice(0, 1)` is one, and JSON can say it as
//! `\ud83c`. Text in Rust cannot.

/// The JSON text with `\ufffd` for each half of a surrogate pair, as long as before; `None` where there is none.
///
/// So whatever reads text can read it; what is sent on is the text as it came.
pub fn without_lone_surrogates(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut whole: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        let Some(unit) = escaped_unit(bytes, at) else {
            // Another escape, of one character.
            at += 2;
            if !json.is_char_boundary(at) {
                break;
            }
            continue;
        };
        match unit {
            0xd800..=0xdbff if escaped_unit(bytes, at + 6).is_some_and(is_low) => at += 12,
            0xd800..=0xdfff => {
                let whole = whole.get_or_insert_with(|| bytes.to_vec());
                whole[at..at + 6].copy_from_slice(b"\\ufffd");
                at += 6;
            }
            _ => at += 6,
        }
    }
    whole.and_then(|whole| String::from_utf8(whole).ok())
}

fn is_low(unit: u16) -> bool {
    (0xdc00..=0xdfff).contains(&unit)
}

/// What the `\uXXXX` at this place stands for.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_becomes_the_replacement_character_and_all_else_stays() {
        for (json, whole) in [
            (r#""two pizzas \ud83c""#, r#""two pizzas \ufffd""#),
            (r#""\uD83C\uDF55 \uDF55""#, r#""\uD83C\uDF55 \ufffd""#),
            (r#"{"\ud83c":["\ud83c\ud83c\udf55"]}"#, r#"{"\ufffd":["\ufffd\ud83c\udf55"]}"#),
            (r#""\ud83c\n\udf55""#, r#""\ufffd\n\ufffd""#),
            (r#""\\\ud83c""#, r#""\\\ufffd""#),
        ] {
            assert_eq!(without_lone_surrogates(json).as_deref(), Some(whole), "{json}");
        }
        for json in [
            "",
            r#""\ud83c\udf55""#,
            r#""\\ud83c""#,
            r#""é\t\u00e9 \/ 🍕""#,
            r#""\ud8"#,
            "\\",
            "\\é",
        ] {
            assert_eq!(without_lone_surrogates(json), None, "{json}");
        }
    }
}
