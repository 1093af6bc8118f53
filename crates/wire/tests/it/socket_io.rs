use std::borrow::Cow;

use foodtrack_wire::socket_io::{
    ARGUMENTS_MAX, Packet, PacketError, PacketType, Reassembly, decode, event_name,
    split_arguments, write_json_string, write_packet,
};
use proptest::prelude::*;

const EVENT: Packet<'static> = Packet {
    kind: PacketType::Event,
    attachments: 0,
    namespace: "/",
    id: None,
    data: Some(r#"["a"]"#),
};

fn bare(kind: PacketType) -> Packet<'static> {
    Packet { kind, data: None, ..EVENT }
}

fn write(packet: &Packet<'_>) -> String {
    let mut out = Vec::new();
    write_packet(&mut out, packet);
    String::from_utf8(out).unwrap()
}

#[test]
fn packets_are_read_and_written_as_the_reference_does() {
    let binary = r#"["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let cases = [
        ("0".to_owned(), bare(PacketType::Connect)),
        (
            r#"0{"token":"abc"}"#.to_owned(),
            Packet { data: Some(r#"{"token":"abc"}"#), ..bare(PacketType::Connect) },
        ),
        (
            r#"0/custom,{"token":"abc"}"#.to_owned(),
            Packet {
                namespace: "/custom",
                data: Some(r#"{"token":"abc"}"#),
                ..bare(PacketType::Connect)
            },
        ),
        ("1".to_owned(), bare(PacketType::Disconnect)),
        ("1/custom,".to_owned(), Packet { namespace: "/custom", ..bare(PacketType::Disconnect) }),
        (r#"2["auth",{}]"#.to_owned(), Packet { data: Some(r#"["auth",{}]"#), ..EVENT }),
        (r#"2/custom,12["a"]"#.to_owned(), Packet { namespace: "/custom", id: Some(12), ..EVENT }),
        (
            r#"3456[1,"2",{"3":[false]}]"#.to_owned(),
            Packet {
                kind: PacketType::Ack,
                id: Some(456),
                data: Some(r#"[1,"2",{"3":[false]}]"#),
                ..EVENT
            },
        ),
        (
            r#"4/x,{"message":"Invalid namespace"}"#.to_owned(),
            Packet {
                kind: PacketType::ConnectError,
                namespace: "/x",
                data: Some(r#"{"message":"Invalid namespace"}"#),
                ..EVENT
            },
        ),
        (
            format!("52-{binary}"),
            Packet { kind: PacketType::BinaryEvent, attachments: 2, data: Some(binary), ..EVENT },
        ),
        (
            format!("62-/custom,789{binary}"),
            Packet {
                kind: PacketType::BinaryAck,
                attachments: 2,
                namespace: "/custom",
                id: Some(789),
                data: Some(binary),
            },
        ),
        (format!("218446744073709551615{}", r#"["a"]"#), Packet { id: Some(u64::MAX), ..EVENT }),
    ];
    for (text, packet) in cases {
        assert_eq!(decode(&text), Ok(packet), "{text}");
        assert_eq!(write(&packet), text);
    }
}

#[test]
fn the_comma_of_a_namespace_may_be_missing_at_the_end_and_its_query_is_cut() {
    for (text, kind, namespace) in [
        ("0/random", PacketType::Connect, "/random"),
        ("1/custom", PacketType::Disconnect, "/custom"),
        ("0/admin?token=1&x=/,", PacketType::Connect, "/admin"),
        ("0/?a", PacketType::Connect, "/"),
    ] {
        assert_eq!(decode(text), Ok(Packet { namespace, ..bare(kind) }), "{text}");
    }
}

#[test]
fn what_the_reference_closes_for_is_refused() {
    use PacketError::*;
    for (text, error) in [
        ("", UnknownType),
        ("abc", UnknownType),
        ("7", UnknownType),
        ("€", UnknownType),
        ("2", InvalidData),
        ("2{}", InvalidData),
        ("2abc[\"a\"]", InvalidData),
        ("2\"a\"", InvalidData),
        ("2 [\"a\"]", InvalidData),
        ("2/custom[\"a\"]", InvalidData),
        ("2/custom[\"a\",1]", InvalidData),
        ("218446744073709551616[\"a\"]", InvalidId),
        ("3[1]", InvalidId),
        ("31", InvalidData),
        ("05", InvalidId),
        ("11", InvalidId),
        ("1{}", InvalidData),
        ("1/custom,[]", InvalidData),
        ("0[]", InvalidData),
        ("0\"a\"", InvalidData),
        ("0{", InvalidJson { at: 1 }),
        ("0{}{}", InvalidJson { at: 2 }),
        ("4", InvalidData),
        ("4[]", InvalidData),
        ("5[\"a\"]", InvalidAttachments),
        ("5-[\"a\"]", InvalidAttachments),
        ("50-[\"a\"]", InvalidAttachments),
        ("51[\"a\"]", InvalidAttachments),
        ("511-[\"a\"]", TooManyAttachments),
        ("5999999999999999999999-[\"a\"]", TooManyAttachments),
        ("51-[\"a\"", InvalidJson { at: 4 }),
    ] {
        assert_eq!(decode(text), Err(error), "{text}");
    }
}

#[test]
fn a_placeholder_that_points_astray_never_reaches_another_client() {
    let check = |data: &str, expected: bool| {
        let is_read = decode(&format!("52-{data}")).is_ok();
        assert_eq!(is_read, expected, "{data}");
    };
    check(r#"["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#, true);
    check(r#"["a",{"_placeholder":false,"num":7}]"#, true);
    check(r#"["a",{"_placeholder":"true"}]"#, true);
    check(r#"["a",{"_placeholder":true,"num":7,"_placeholder":1}]"#, true);
    check(r#"["a",{"_placeholder":true,"num":2}]"#, false);
    check(r#"["a",{"_placeholder":true,"num":-1}]"#, false);
    check(r#"["a",{"_placeholder":true,"num":0.5}]"#, false);
    check(r#"["a",{"_placeholder":true,"num":"0"}]"#, false);
    check(r#"["a",{"_placeholder":true,"num":0,"num":[]}]"#, false);
    check(r#"["a",{"_placeholder":true}]"#, false);
    check(r#"["a",{"\u005fplaceholder":true,"num":9}]"#, false);
    check(r#"["a",[{"x":{"_placeholder":true,"num":9}}]]"#, false);
    // In a plain event it is an object like others, for clients too.
    assert!(decode(r#"2["a",{"_placeholder":true,"num":9}]"#).is_ok());
}

#[test]
fn arguments_are_raw_slices_of_the_data() {
    let data = r#" [ "a" , {"b" : [1, 2]},-1.5e+3,null , "\u00e9\"]" ,[]] "#;
    let arguments = split_arguments(data).unwrap();
    let expected = [r#""a""#, r#"{"b" : [1, 2]}"#, "-1.5e+3", "null", r#""\u00e9\"]""#, "[]"];
    assert_eq!(*arguments, expected);
    assert!(data.as_bytes().as_ptr_range().contains(&arguments[5].as_ptr()));
    assert!(split_arguments("[]").unwrap().is_empty());
}

#[test]
fn data_that_is_not_json_is_refused() {
    for data in [
        "",
        "[",
        "]",
        "{}",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1]]",
        "[1]x",
        "[01]",
        "[1.]",
        "[.5]",
        "[-]",
        "[+1]",
        "[1e]",
        "[0x1]",
        "[NaN]",
        "[tru]",
        "[truex]",
        "[nul",
        "['a']",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\u123\"]",
        "[\"\n\"]",
        "[\"a\u{1}bcdefgh\"]",
        "[{\"a\"}]",
        "[{\"a\":}]",
        "[{\"a\":1,}]",
        "[{a:1}]",
        "[{1:1}]",
        "[[}]",
        "[{]",
        "[[1}]",
        "[{\"a\":1]]",
        "[\u{feff}1]",
        "[1\u{a0}]",
    ] {
        let error = split_arguments(data).unwrap_err();
        assert!(matches!(error, PacketError::InvalidJson { .. }), "{data}: {error}");
    }
}

#[test]
fn nesting_ends_at_128_levels() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(split_arguments(&nested(128)).is_ok());
    assert_eq!(split_arguments(&nested(129)), Err(PacketError::TooDeep));
    assert_eq!(split_arguments(&"[".repeat(1_000_000)), Err(PacketError::TooDeep));
    // Too deep an event is refused when its arguments are split, and its sender stays.
    assert!(decode(&format!("51-{}", nested(128))).is_ok());
    assert!(decode(&format!("51-{}", nested(129))).is_ok());
    assert!(decode(&format!("51-{}", "[".repeat(1_000_000))).is_ok());
    let objects = |depth: usize| format!("0{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(decode(&objects(128)).is_ok());
    assert_eq!(decode(&objects(129)), Err(PacketError::TooDeep));
    let mixed = format!("[{}1{}]", "{\"a\":[".repeat(63), "]}".repeat(63));
    assert!(split_arguments(&mixed).is_ok());
}

#[test]
fn arguments_have_a_limit() {
    let many = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(split_arguments(&many(ARGUMENTS_MAX)).unwrap().len(), ARGUMENTS_MAX);
    assert_eq!(split_arguments(&many(ARGUMENTS_MAX + 1)), Err(PacketError::TooManyArguments));
}

#[test]
fn an_event_is_named_by_a_string_or_a_number() {
    assert!(matches!(event_name(r#""order:created""#), Ok(Cow::Borrowed("order:created"))));
    assert_eq!(event_name(r#""\u006f\/\"\\\b\f\n\r\t€""#).unwrap(), "o/\"\\\u{8}\u{c}\n\r\t€");
    assert_eq!(event_name(r#""\ud83d\ude00!""#).unwrap(), "😀!");
    assert_eq!(event_name(r#""\ud83d x \ude00\ud83d""#).unwrap(), "\u{fffd} x \u{fffd}\u{fffd}");
    assert_eq!(event_name(r#""\ud83d\u0041""#).unwrap(), "\u{fffd}A");
    assert_eq!(event_name("-12").unwrap(), "-12");
    for raw in ["null", "true", "{}", "[]", "", "["] {
        assert_eq!(event_name(raw), Err(PacketError::InvalidEventName), "{raw}");
    }
    for raw in ["\"a", "\"a\"b", "-", "1 2"] {
        assert!(matches!(event_name(raw), Err(PacketError::InvalidJson { .. })), "{raw}");
    }
}

#[test]
fn names_of_the_libraries_are_reserved_also_when_escaped() {
    for raw in [
        r#""connect""#,
        r#""connect_error""#,
        r#""disconnect""#,
        r#""disconnecting""#,
        r#""newListener""#,
        r#""removeListener""#,
        r#""\u0063onnect""#,
    ] {
        assert_eq!(event_name(raw), Err(PacketError::ReservedEventName), "{raw}");
    }
    assert!(event_name(r#""Connect""#).is_ok());
}

#[test]
fn attachments_are_gathered_until_none_is_missing() {
    let text = r#"52-/custom,7["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let packet = decode(text).unwrap();
    let mut reassembly = Reassembly::new(&packet);
    let header_bytes = reassembly.bytes();
    assert!(header_bytes >= packet.data.unwrap().len());
    assert!(!reassembly.is_complete());
    assert!(!reassembly.push(vec![1, 2]));
    assert!(reassembly.push(vec![3]));
    assert!(reassembly.is_complete());
    assert_eq!(reassembly.packet(), packet);
    assert_eq!(reassembly.attachments(), [vec![1, 2], vec![3]]);
    assert_eq!(reassembly.bytes(), header_bytes + 3);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arguments_are_the_elements_of_the_array(
        values in prop::collection::vec(json(), 0..8),
        is_pretty in any::<bool>(),
    ) {
        let text = if is_pretty {
            serde_json::to_string_pretty(&values).unwrap()
        } else {
            serde_json::to_string(&values).unwrap()
        };
        let arguments = split_arguments(&text).unwrap();
        let read: Vec<serde_json::Value> =
            arguments.iter().map(|raw| serde_json::from_str(raw).unwrap()).collect();
        // Read back, for that parser may miss a double by a bit.
        let expected: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn what_is_json_is_decided_as_another_parser_does(
        text in r#"[\[\]{},:"\\u0-9aDtrulsefn.eE+ -]{0,12}"#,
    ) {
        let data = format!("[{text}]");
        let other = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(&data).ok();
        let ours = split_arguments(&data);
        prop_assert_eq!(ours.is_ok(), other.is_some(), "{}", data);
        if let (Ok(ours), Some(other)) = (ours, other) {
            let other: Vec<_> = other.into_iter().map(serde_json::value::RawValue::get).collect();
            prop_assert_eq!(&*ours, &other[..]);
        }
    }

    #[test]
    fn a_broken_document_is_refused_as_another_parser_does(
        value in json(),
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(vec!["", "\"", "\\", ",", "]", "}", "0", "\u{1}", "é"]),
    ) {
        let mut data = format!("[{value}]");
        let at = data.floor_char_boundary(at.index(data.len()));
        let end = data.ceil_char_boundary(at + 1);
        data.replace_range(at..end, with);
        let other = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(&data);
        prop_assert_eq!(split_arguments(&data).is_ok(), other.is_ok(), "{}", data);
    }

    #[test]
    fn a_string_literal_reads_back(text in any::<String>()) {
        let mut out = Vec::new();
        write_json_string(&mut out, &text);
        let literal = String::from_utf8(out).unwrap();
        prop_assert_eq!(&serde_json::from_str::<String>(&literal).unwrap(), &text);
        if let Ok(name) = event_name(&literal) {
            prop_assert_eq!(name, text);
        }
    }

    #[test]
    fn every_character_and_every_length_survives_the_word_at_a_time_scan(
        text in r#"[ -~\u0000-\u001f"\\\u0080-\u00ff]{0,40}"#,
    ) {
        let mut out = Vec::new();
        write_json_string(&mut out, &text);
        let data = format!("[{}]", String::from_utf8(out).unwrap());
        let arguments = split_arguments(&data).unwrap();
        prop_assert_eq!(event_name(arguments[0]).unwrap(), text);
    }

    #[test]
    fn a_packet_reads_back_as_it_was_written(
        kind in prop::sample::select(vec![PacketType::Event, PacketType::Ack]),
        attachments in 0_u8..=10,
        namespace in "/[a-z0-9]{0,8}",
        id in prop::option::of(any::<u64>()),
        values in prop::collection::vec(json(), 1..4),
    ) {
        let data = serde_json::to_string(&values).unwrap();
        let kind = match (kind, attachments) {
            (kind, 0) => kind,
            (PacketType::Ack, _) => PacketType::BinaryAck,
            _ => PacketType::BinaryEvent,
        };
        let is_ack = matches!(kind, PacketType::Ack | PacketType::BinaryAck);
        let id = if is_ack { id.or(Some(0)) } else { id };
        let packet = Packet { kind, attachments, namespace: &namespace, id, data: Some(&data) };
        let text = write(&packet);
        prop_assert_eq!(decode(&text), Ok(packet));
    }

    #[test]
    fn what_is_read_is_written_back_the_same(
        text in r#"[0-6]([0-9]{0,2}-)?(/[a-z]{0,3},?)?[0-9]{0,3}(\["a"\]|\{\}|"")?"#,
    ) {
        if let Ok(packet) = decode(&text) {
            let written = write(&packet);
            prop_assert_eq!(decode(&written), Ok(packet));
        }
    }
}
