//! How deep and how long what is read may be.

use super::*;

#[test]
fn what_is_nested_deeper_than_128_levels_reads_as_null() {
    // Data is an array already.
    let nested =
        |depth: usize, inside: &str| convert(&format!("{}{inside}", "91".repeat(depth))).unwrap().0;
    let json =
        |depth: usize, inside: &str| format!("{}{inside}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(nested(127, "01"), json(127, "1"));
    assert!(split_arguments(&format!("[\"e\",{}]", nested(127, "01"))).is_ok());
    for inside in ["90", "9101", "81a16101", "c400", "92 90 93 01 02 03"] {
        assert_eq!(nested(127, inside), json(127, "null"), "{inside}");
    }
    assert_eq!(nested(100_000, "01"), json(127, "null"));
    // What is passed over is not held against anybody's stack.
    let unknown = bytes(&format!(
        "84 a4'type' 02 a3'nsp' a1'/' a4'data' 91 a1'e' a1'x' {} 01",
        "91".repeat(100_000)
    ));
    assert!(decode(&unknown, BYTES_MAX).is_ok());
    let endless = bytes(&format!("81 a1'x' {}", "91".repeat(100_000)));
    assert_eq!(decode(&endless, BYTES_MAX).err(), Some(MsgpackError::Truncated));
}

#[test]
fn nothing_is_converted_beyond_the_limit_of_the_json_text() {
    let limited = |value: &str, bytes_max| {
        decode(&event(value), bytes_max).map(|packet| packet.data.unwrap().len())
    };
    // A control character takes one byte in msgpack and six in JSON; a float five and up to 25.
    let control = format!("da 03e8 {}", "01".repeat(1_000));
    let floats = format!("dc 03e8 {}", "ca 7f7fffff ".repeat(1_000));
    let nils = format!("dc 03e8 {}", "c0".repeat(1_000));
    let keys = format!("de 03e8 {}", "a101 01".repeat(1_000));
    for value in [control.as_str(), &floats, &nils, &keys] {
        let whole = limited(value, BYTES_MAX).unwrap();
        assert_eq!(limited(value, whole), Ok(whole));
        let bytes_max = whole - 1;
        assert_eq!(limited(value, bytes_max), Err(MsgpackError::TooLarge { bytes_max }));
    }
    // Binary values count with the text.
    let binary = "92 c403010203 c403010203";
    let text = r#"["e",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]"#.len();
    assert_eq!(limited(binary, text + 6), Ok(text));
    assert_eq!(limited(binary, text + 5), Err(MsgpackError::TooLarge { bytes_max: text + 5 }));
}
