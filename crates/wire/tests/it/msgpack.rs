mod limits;

use foodtrack_wire::msgpack::{MsgpackError, MsgpackPacket, decode, write_packet};
use foodtrack_wire::socket_io::{Packet, PacketType, split_arguments};
use proptest::prelude::*;

/// Bytes from hexadecimal digits; `'text'` stands for its own bytes.
fn bytes(notation: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in notation.split('\'').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        for pair in digits.as_bytes().chunks(2) {
            out.push(u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
        }
    }
    out
}

/// More than any test's packet takes.
const BYTES_MAX: usize = 10_000_000;

/// The event `["e", value]`.
fn event(value: &str) -> Vec<u8> {
    bytes(&format!("83 a4'type' 02 a4'data' 92 a1'e' {value} a3'nsp' a1'/'"))
}

/// The JSON text that `value` becomes, and its binary values.
fn convert(value: &str) -> Result<(String, Vec<Vec<u8>>), MsgpackError> {
    let packet = decode(&event(value), BYTES_MAX)?;
    let data = packet.data.unwrap();
    let text = data.strip_prefix("[\"e\",").unwrap().strip_suffix(']').unwrap();
    Ok((text.to_owned(), packet.attachments))
}

#[track_caller]
fn check(value: &str, json: &str) {
    assert_eq!(convert(value), Ok((json.to_owned(), vec![])), "{value}");
}

#[track_caller]
fn check_binary(value: &str, attachment: &str) {
    let json = r#"{"_placeholder":true,"num":0}"#;
    assert_eq!(convert(value), Ok((json.to_owned(), vec![bytes(attachment)])), "{value}");
}

#[track_caller]
fn check_packet(notation: &str, kind: PacketType, id: Option<u64>, data: Option<&str>) {
    let packet = decode(&bytes(notation), BYTES_MAX).unwrap();
    let MsgpackPacket { kind: read_kind, namespace, id: read_id, data: read_data, .. } = packet;
    assert_eq!(
        (read_kind, namespace.as_str(), read_id, read_data.as_deref()),
        (kind, "/", id, data)
    );
}

#[test]
fn packets_of_the_javascript_and_python_clients_are_read() {
    // JavaScript: CONNECT with and without auth.
    check_packet(
        "84 a4'type' 00 a4'data' 81 a5'token' a3'abc' a7'options' 81 a8'compress' c3 a3'nsp' a1'/'",
        PacketType::Connect,
        None,
        Some(r#"{"token":"abc"}"#),
    );
    check_packet("82 a4'type' 00 a3'nsp' a1'/'", PacketType::Connect, None, None);
    // A JavaScript client whose recovery is off.
    check_packet(
        "83 a4'type' 00 a4'data' 82 a3'sid' a1'x' a3'pid' d40000 a3'nsp' a1'/'",
        PacketType::Connect,
        None,
        Some(r#"{"sid":"x","pid":null}"#),
    );
    // Undefined, and Python's nil, is data that is not there.
    for absent in ["d40000", "c0"] {
        check_packet(
            &format!("83 a4'type' 01 a4'data' {absent} a3'nsp' a1'/'"),
            PacketType::Disconnect,
            None,
            None,
        );
    }
    check_packet(
        "84 a2'id' 0c a4'type' 03 a4'data' 91 01 a3'nsp' a1'/'",
        PacketType::Ack,
        Some(12),
        Some("[1]"),
    );
    check_packet(
        "84 a4'type' 02 a4'data' 91 a1'e' a3'nsp' a1'/' a2'id' cf ffffffffffffffff",
        PacketType::Event,
        Some(u64::MAX),
        Some(r#"["e"]"#),
    );
    check_packet(
        "83 a4'type' 04 a4'data' a2'no' a3'nsp' a1'/'",
        PacketType::ConnectError,
        None,
        Some(r#""no""#),
    );
}

#[test]
fn unknown_keys_and_repeats_are_ignored() {
    check_packet(
        "87 c4 01 00 93 01 81 02 03 c0 a4'type' 02 a7'options' 82 01 91 c0 a1'x' a1'y' \
         a4'data' 91 a1'e' a3'nsp' a1'/' a4'type' 91 07 a4'data' 91 c4 01 ff",
        PacketType::Event,
        None,
        Some(r#"["e"]"#),
    );
}

#[test]
fn numbers_keep_their_value() {
    for (value, json) in [
        ("00", "0"),
        ("7f", "127"),
        ("ff", "-1"),
        ("e0", "-32"),
        ("cc ff", "255"),
        ("cd ffff", "65535"),
        ("ce ffffffff", "4294967295"),
        ("cf 0020000000000001", "9007199254740993"),
        ("d0 80", "-128"),
        ("d0 7f", "127"),
        ("d1 8000", "-32768"),
        ("d2 80000000", "-2147483648"),
        ("d3 8000000000000000", "-9223372036854775808"),
        ("d3 0000000000000007", "7"),
        ("ca 3fc00000", "1.5"),
        ("cb 3fb999999999999a", "0.1"),
        ("cb 444b1ae4d6e2ef50", "1e21"),
        ("cb 3e7ad7f29abcaf48", "1e-7"),
        ("cb 7fefffffffffffff", "1.7976931348623157e308"),
        ("cb 7ff8000000000000", "null"),
        ("cb 7ff0000000000000", "null"),
        ("ca ff800000", "null"),
    ] {
        check(value, json);
    }
}

#[test]
fn strings_maps_and_constants_become_their_json() {
    check("c0", "null");
    check("c2", "false");
    check("c3", "true");
    check("d40000", "null");
    check("a5 22 5c 0a 01 2f", r#""\"\\\n\u0001/""#);
    check("d9 02 c3a9", "\"é\"");
    check("da 0001 78", "\"x\"");
    check("db 00000001 78", "\"x\"");
    check("90", "[]");
    check("dc 0002 01 92 02 03", "[1,[2,3]]");
    check("dd 00000001 80", "[{}]");
    check("82 a1'b' 01 a1'a' 81 a1'c' 90", r#"{"b":1,"a":{"c":[]}}"#);
    check("de 0001 a1'a' 01", r#"{"a":1}"#);
    check("df 00000001 a1'a' 01", r#"{"a":1}"#);
    check(
        "83 01 c0 ff c0 cf ffffffffffffffff c0",
        r#"{"1":null,"-1":null,"18446744073709551615":null}"#,
    );
}

#[test]
fn dates_become_what_json_clients_send() {
    check("d7 00 0000000000000000", r#""1970-01-01T00:00:00.000Z""#);
    // The standard's timestamps, in their three lengths.
    check("d6 ff 00000001", r#""1970-01-01T00:00:01.000Z""#);
    check("d7 ff 77359400 00000001", r#""1970-01-01T00:00:01.500Z""#);
    check("c7 0c ff 1dcd6500 ffffffffffffffff", r#""1969-12-31T23:59:59.500Z""#);
    for (ms, text) in [
        (-1_i64, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_795_373_956_709, "2026-11-22T18:59:16.709Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
        (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
        (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
    ] {
        check(&format!("d7 00 {:016x}", ms.cast_unsigned()), &format!("\"{text}\""));
    }
    check("d7 00 7fffffffffffffff", "null");
    check("c7 0c ff 00000000 7fffffffffffffff", "null");
}

#[test]
fn binary_of_every_dialect_becomes_an_attachment() {
    check_binary("c4 02 0102", "0102");
    check_binary("c5 0001 07", "07");
    check_binary("c6 00000001 07", "07");
    check_binary("c4 00", "");
    // Typed arrays of JavaScript: extension type 0, also where a date or undefined has its length.
    check_binary("c7 03 00 010203", "010203");
    check_binary("c8 0001 00 07", "07");
    check_binary("c9 00000001 00 07", "07");
    check_binary("c7 01 00 00", "00");
    check_binary("c7 08 00 0000000000000001", "0000000000000001");
    check_binary("d4 00 07", "07");
    check_binary("d5 00 0708", "0708");
    check_binary("d6 00 01020304", "01020304");
    check_binary("d8 00 000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f");
    let two = r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let expected = (two.to_owned(), vec![vec![1], vec![2]]);
    assert_eq!(convert("92 c4 01 01 c4 01 02"), Ok(expected));
}

#[test]
fn more_binary_values_than_json_clients_accept_are_refused() {
    assert_eq!(convert(&format!("9a {}", "c400".repeat(10))).unwrap().1.len(), 10);
    let eleven = convert(&format!("9b {}", "c400".repeat(11)));
    assert_eq!(eleven, Err(MsgpackError::TooManyAttachments));
}

#[test]
fn a_map_that_looks_like_a_placeholder_must_not_point_astray() {
    let fake = |num: &str| format!("82 ac'_placeholder' c3 a3'num' {num}");
    let alone = convert(&fake("05")).unwrap();
    assert_eq!(alone, (r#"{"_placeholder":true,"num":5}"#.to_owned(), vec![]));
    let beside = |num| convert(&format!("92 c4 01 01 {}", fake(num)));
    assert_eq!(beside("05"), Err(MsgpackError::UnknownAttachment));
    assert_eq!(beside("c0"), Err(MsgpackError::UnknownAttachment));
    assert!(beside("00").is_ok());
}

#[test]
fn what_is_no_packet_is_refused() {
    use MsgpackError::*;
    for (notation, error) in [
        ("", Truncated),
        ("90", InvalidPacket),
        ("80", InvalidPacket),
        ("c0", InvalidPacket),
        ("82 a4'type' 00 a3'nsp' a1'/' c0", TrailingBytes),
        ("81 a4'type' 00", InvalidPacket),
        ("81 a3'nsp' a1'/'", InvalidPacket),
        ("82 a4'type' 00 a3'nsp' c0", InvalidPacket),
        ("82 a4'type' 00 a3'nsp' a1'x'", InvalidPacket),
        ("82 a4'type' 00 a3'nsp' a4'/a,b'", InvalidPacket),
        ("82 a4'type' 00 a3'nsp' a2'/' ff", InvalidUtf8),
        ("82 a4'type' a1'0' a3'nsp' a1'/'", InvalidPacket),
        ("82 a4'type' ff a3'nsp' a1'/'", InvalidPacket),
        ("82 a4'type' 02 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 05 a4'data' 90 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 06 a4'data' 90 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 07 a4'data' 90 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' cd 0100 a4'data' 90 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 00 a4'data' 90 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 00 a4'data' 81 a1'a' c4 00 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 01 a4'data' 80 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 02 a4'data' 80 a3'nsp' a1'/'", InvalidPacket),
        ("83 a4'type' 03 a4'data' 90 a3'nsp' a1'/'", InvalidPacket),
        ("82 a4'type' 04 a3'nsp' a1'/'", InvalidPacket),
        ("84 a4'type' 02 a4'data' 90 a3'nsp' a1'/' a2'id' ff", InvalidPacket),
        ("84 a4'type' 02 a4'data' 90 a3'nsp' a1'/' a2'id' a1'1'", InvalidPacket),
        ("83 a4'type' 02 a4'data' 91 a1 ff a3'nsp' a1'/'", InvalidUtf8),
        ("83 a4'type' 02 a4'data' 91 c1 a3'nsp' a1'/'", UnknownType { at: 13 }),
        ("83 a4'type' 02 a4'data' 91 d4 05 00 a3'nsp' a1'/'", UnknownType { at: 13 }),
        ("83 a4'type' 02 a4'data' 91 d4 ff 00 a3'nsp' a1'/'", UnknownType { at: 13 }),
        ("83 a4'type' 02 a4'data' 91 81 c0 c0 a3'nsp' a1'/'", InvalidKey),
        ("83 a4'type' 02 a4'data' 91 81 90 c0 a3'nsp' a1'/'", InvalidKey),
    ] {
        assert_eq!(decode(&bytes(notation), BYTES_MAX).err(), Some(error), "{notation}");
    }
}

#[test]
fn a_packet_cut_anywhere_is_truncated() {
    let whole = event(
        "96 c4 02 0102 d9 02 'ab' cb 3fb999999999999a d7 00 0000000000000000 \
                       cf 0020000000000001 81 a1'k' c7 03 00 010203",
    );
    assert!(decode(&whole, BYTES_MAX).is_ok());
    for end in 0..whole.len() {
        assert_eq!(decode(&whole[..end], BYTES_MAX).err(), Some(MsgpackError::Truncated), "{end}");
    }
}

#[test]
fn what_is_announced_but_not_there_is_not_reserved() {
    for head in ["dd ffffffff", "df ffffffff", "c6 ffffffff", "db ffffffff", "c9 ffffffff 00"] {
        let inside_data = bytes(&format!("83 a4'type' 02 a4'data' {head}"));
        assert_eq!(decode(&inside_data, BYTES_MAX).err(), Some(MsgpackError::Truncated));
        let inside_unknown = bytes(&format!("83 a1'x' {head}"));
        assert_eq!(decode(&inside_unknown, BYTES_MAX).err(), Some(MsgpackError::Truncated));
    }
    assert_eq!(decode(&bytes("df ffffffff"), BYTES_MAX).err(), Some(MsgpackError::Truncated));
}

fn packet(data: &str) -> Packet<'_> {
    Packet { kind: PacketType::Event, attachments: 0, namespace: "/", id: None, data: Some(data) }
}

#[track_caller]
fn check_written(json: &str, expected: &str) {
    let mut out = Vec::new();
    write_packet(&mut out, &packet(&format!("[\"e\",{json}]")), &[]).unwrap();
    assert_eq!(out, event(expected), "{json}");
}

#[test]
fn json_is_written_in_its_shortest_msgpack() {
    for (json, expected) in [
        ("null", "c0"),
        ("true", "c3"),
        ("false", "c2"),
        ("0", "00"),
        ("127", "7f"),
        ("128", "cc 80"),
        ("256", "cd 0100"),
        ("65536", "ce 00010000"),
        ("4294967296", "cf 0000000100000000"),
        ("-1", "ff"),
        ("-32", "e0"),
        ("-33", "d0 df"),
        ("-129", "d1 ff7f"),
        ("-32769", "d2 ffff7fff"),
        ("-2147483649", "d3 ffffffff7fffffff"),
        ("18446744073709551616", "cb 43f0000000000000"),
        ("1.5", "cb 3ff8000000000000"),
        ("1e400", "cb 7ff0000000000000"),
        (r#""a\u00e9\ud83d\ude00""#, "a7 61 c3a9 f09f9880"),
        ("[]", "90"),
        ("{ }", "80"),
        (r#"{"b":[1 , 2],"a":{}}"#, "82 a1'b' 92 01 02 a1'a' 80"),
        (r#"{"_placeholder":true,"num":0}"#, "82 ac'_placeholder' c3 a3'num' 00"),
    ] {
        check_written(json, expected);
    }
    for (length, head) in [(31, "bf"), (32, "d9 20"), (256, "da 0100"), (65_536, "db 00010000")] {
        let text = "x".repeat(length);
        check_written(&format!("\"{text}\""), &format!("{head} '{text}'"));
    }
    for (length, head) in [(15, "9f"), (16, "dc 0010"), (65_536, "dd 00010000")] {
        let json = format!("[{}]", vec!["1"; length].join(","));
        check_written(&json, &format!("{head} {}", "01".repeat(length)));
    }
    let members: Vec<_> = (10..26).map(|key| format!("\"{key}\":1")).collect();
    let expected: Vec<_> = (10..26).map(|key| format!("a2'{key}' 01")).collect();
    check_written(&format!("{{{}}}", members.join(",")), &format!("de 0010 {}", expected.concat()));
}

#[test]
fn attachments_take_the_place_of_their_placeholders() {
    let data = r#"["e",{"_placeholder":true,"num":1},{"x":{"num":0,"_placeholder":true}}]"#;
    let packet = Packet {
        kind: PacketType::BinaryAck,
        attachments: 2,
        namespace: "/custom",
        id: Some(300),
        data: Some(data),
    };
    let mut out = Vec::new();
    write_packet(&mut out, &packet, &[&[7; 2], &[8; 256]]).unwrap();
    let expected = format!(
        "84 a4'type' 03 a4'data' 93 a1'e' c5 0100 {} 81 a1'x' c4 02 0707 \
         a3'nsp' a7'/custom' a2'id' cd 012c",
        "08".repeat(256)
    );
    assert_eq!(out, bytes(&expected));
}

#[test]
fn what_cannot_be_written_leaves_the_output_as_it_was() {
    let deep = format!("[{}{}]", "[".repeat(64), "]".repeat(64));
    for (data, error) in [
        (r#"["e""#, MsgpackError::InvalidJson { at: 4 }),
        (r#"["e"]]"#, MsgpackError::InvalidJson { at: 5 }),
        (r#"["e",{"_placeholder":true,"num":1}]"#, MsgpackError::UnknownAttachment),
        (&deep, MsgpackError::TooDeep),
    ] {
        let mut out = b"before".to_vec();
        assert_eq!(write_packet(&mut out, &packet(data), &[&[1]]), Err(error));
        assert_eq!(out, b"before");
    }
}

/// JSON text with placeholders for binary values, and those values.
fn data() -> impl Strategy<Value = (String, Vec<Vec<u8>>)> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        4 => Just(Value::Null),
        4 => any::<bool>().prop_map(Value::from),
        4 => any::<i64>().prop_map(Value::from),
        4 => any::<u64>().prop_map(Value::from),
        // So few digits that the comparing parser is exact.
        4 => any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        4 => any::<String>().prop_map(Value::from),
        1 => Just(json!({"_placeholder": true, "num": 0})),
    ];
    let value = leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    value.prop_map(|mut value| {
        let mut attachments = Vec::new();
        number_placeholders(&mut value, &mut attachments);
        (serde_json::to_string(&json!(["e", value])).unwrap(), attachments)
    })
}

fn number_placeholders(value: &mut serde_json::Value, attachments: &mut Vec<Vec<u8>>) {
    use serde_json::Value;
    match value {
        Value::Object(members) if members.contains_key("_placeholder") => {
            if attachments.len() == 10 {
                *value = Value::Null;
                return;
            }
            members.insert("num".to_owned(), attachments.len().into());
            attachments.push(vec![7; attachments.len() * 100]);
        }
        Value::Object(members) => {
            members.values_mut().for_each(|value| number_placeholders(value, attachments));
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| number_placeholders(value, attachments));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_packet_survives_the_way_through_msgpack(
        (data, attachments) in data(),
        id in prop::option::of(any::<u64>()),
    ) {
        let lent: Vec<&[u8]> = attachments.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        write_packet(&mut out, &Packet { id, ..packet(&data) }, &lent).unwrap();
        let read = decode(&out, BYTES_MAX).unwrap();
        prop_assert_eq!(read.id, id);
        prop_assert_eq!(&read.attachments, &attachments);
        let read_data = read.data.unwrap();
        prop_assert!(split_arguments(&read_data).is_ok());
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        prop_assert_eq!(value(&read_data), value(&data));
    }

    #[test]
    fn a_double_keeps_every_bit(number in any::<f64>()) {
        let mut out = Vec::new();
        write_packet(&mut out, &packet(&format!("[{number:?}]")), &[]).unwrap();
        let data = decode(&out, BYTES_MAX).unwrap().data.unwrap();
        let read: f64 = data[1..data.len() - 1].parse().unwrap();
        prop_assert_eq!(read.to_bits(), number.to_bits());
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_become_json_of_a_like_size(
        inside in prop::collection::vec(
            prop_oneof![
                any::<u8>(),
                prop::sample::select(bytes("00 81 91 a1 c0 c4 c7 d4 d7 dc ff 01")),
            ],
            0..60,
        ),
    ) {
        let mut input = bytes("83 a4'type' 02 a3'nsp' a1'/' a4'data' 91");
        input.extend(inside);
        if let Ok(packet) = decode(&input, BYTES_MAX) {
            let data = packet.data.unwrap();
            prop_assert!(split_arguments(&data).is_ok(), "{}", data);
            // Control characters become six bytes; a placeholder has thirty, ten times at most.
            prop_assert!(data.len() <= input.len() * 6 + 300);
            let attachment_bytes: usize = packet.attachments.iter().map(Vec::len).sum();
            prop_assert!(attachment_bytes <= input.len());
        }
    }
}
