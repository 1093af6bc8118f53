mod plain;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::name_search::NameSearch;
use super::*;

fn without(text: &str, pointers: &[&str]) -> String {
    let paths: Vec<_> = pointers.iter().map(|it| FieldPath::parse(it).unwrap()).collect();
    let left = cut(text.as_bytes(), &paths.iter().collect::<Vec<_>>()).unwrap();
    left.map_or_else(|| text.to_owned(), |left| String::from_utf8(left).unwrap())
}

#[test]
fn what_stays_is_as_it_was_byte_for_byte() {
    let text = r#"{"a": 1.50, "b":{"c":"\u0064}","d":[1, {"e":2,"f":3}]},"g":null}"#;
    assert_eq!(
        without(text, &["/b/c", "/b/d/1/e"]),
        r#"{"a": 1.50, "b":{"d":[1, {"f":3}]},"g":null}"#
    );
    assert_eq!(without(text, &["/a", "/b", "/g"]), "{}");
    assert_eq!(without(text, &["/b/d/*"]), r#"{"a": 1.50, "b":{"c":"\u0064}","d":[]},"g":null}"#);
    assert_eq!(without(r#"{"i":[{"x":1,"y":2},{"x":3}]}"#, &["/i/*/x"]), r#"{"i":[{"y":2},{}]}"#);
    assert_eq!(
        without(r#"{"m":{"p":{"x":1},"q":{"x":2,"z":3}}}"#, &["/m/*/x"]),
        r#"{"m":{"p":{},"q":{"z":3}}}"#
    );
    assert_eq!(without(r#"{"a/b":1,"c~d":2,"":3}"#, &["/a~1b", "/c~0d", "/"]), "{}");
    for not_there in ["/x", "/a/b", "/b/d/9", "/b/d/01", "/g/h"] {
        let whole: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&without(text, &[not_there])).unwrap(), whole);
    }
}

#[test]
fn a_field_that_is_there_twice_or_in_disguise_is_left_out_each_time() {
    let text = r#"{"secret":1,"\u0073ecret":2,"a":0,"s\u0065cret":{"secret":3},"secret":4}"#;
    assert_eq!(without(text, &["/secret"]), r#"{"a":0}"#);
    assert_eq!(without(r#"{"\ud800":1,"a":2}"#, &["/a"]), r#"{"\ud800":1}"#);
}

#[test]
fn what_is_no_json_is_told_and_never_a_panic() {
    let path = FieldPath::parse("/a/b").unwrap();
    let text = br#"{"x":[1,{"y":"\""}],"a":{"b":[true,null,-1e5],"c":{}}}"#;
    for length in 0..text.len() {
        assert_eq!(cut(&text[..length], &[&path]), Err(NotJson), "{length}");
    }
    for bad in ["{,}", "{\"a\"}", "[1 2]", "{\"a\":}", "{\"a\" 1}", "}", "{\"a\":{]}"] {
        let _ = cut(bad.as_bytes(), &[&path]);
    }
}

#[test]
fn pointers_are_checked() {
    for bad in ["", "a", "/~", "/~2", &format!("/{}", "a".repeat(256)), &"/a".repeat(17)] {
        assert_eq!(FieldPath::parse(bad), None, "{bad}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let name = "[a-c*\"\\\\]{0,2}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c\"{}\\[\\],:\\\\ ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The same by a tree.
fn without_in_tree(value: &mut Value, path: &FieldPath, depth: usize) {
    let is_last = depth + 1 == path.len();
    match value {
        Value::Object(members) => {
            if is_last {
                members.retain(|name, _| !path.names_member(depth, name));
            }
            for (name, inner) in members.iter_mut() {
                if path.names_member(depth, name) {
                    without_in_tree(inner, path, depth + 1);
                }
            }
        }
        Value::Array(elements) => {
            let mut index = 0..;
            if is_last {
                elements.retain(|_| !path.names_element(depth, index.next().unwrap()));
                return;
            }
            for (index, inner) in elements.iter_mut().enumerate() {
                if path.names_element(depth, index) {
                    without_in_tree(inner, path, depth + 1);
                }
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn cutting_the_text_is_cutting_the_tree(
        value in json_value(),
        pointer in "(/([a-c*0-2]{0,2})){1,3}",
    ) {
        let path = FieldPath::parse(&pointer).unwrap();
        let text = value.to_string();
        let left = cut(text.as_bytes(), &[&path]).unwrap();
        let mut tree = json!(value);
        without_in_tree(&mut tree, &path, 0);
        prop_assert_eq!(left.is_some(), tree != value);
        let left = left.unwrap_or_else(|| text.into_bytes());
        prop_assert_eq!(serde_json::from_slice::<Value>(&left).unwrap(), tree);
    }

    #[test]
    fn a_text_as_strangers_write_it_is_cut_as_by_taking_it_apart_token_by_token(
        text in hostile_text(),
        pointers in proptest::collection::vec("(/([a-c*0-2]{0,2})){1,3}", 1..4),
        harm in proptest::option::of((any::<prop::sample::Index>(), "[{}\\[\\],:\"\\\\a1 ]{0,2}")),
    ) {
        let text = harmed(format!("{{\"payload\":{text},\"a\":1}}"), harm);
        let fields: Vec<_> = pointers.iter().map(|it| FieldPath::in_payload(it).unwrap()).collect();
        let paths: Vec<_> = fields.iter().collect();
        let mut plain = Vec::new();
        let expected = plain::cut(text.as_bytes(), &paths, &mut plain);
        let left = cut(text.as_bytes(), &paths);
        prop_assert_eq!(left.is_err(), expected.is_err());
        let is_found = NameSearch::new(&fields).may_find_in(text.as_bytes());
        prop_assert!(is_found || text.contains(r"\u") || expected != Ok(true));
        if let (Ok(left), Ok(has_cut)) = (left, expected) {
            prop_assert!(left.is_some() || !has_cut);
            let left = left.as_deref().unwrap_or(text.as_bytes());
            prop_assert_eq!(without_space(left), without_space(&plain));
        }
    }
}

/// JSON with names that come twice and in disguise, numbers of any size, and space anywhere.
fn hostile_text() -> impl Strategy<Value = String> {
    let space = "[ \t\r\n]{0,2}";
    let letter = prop_oneof![
        "[a-c*0-2~ü]",
        Just(r"\u0061".into()),
        Just(r"\u0062".into()),
        Just(r#"\""#.into()),
        Just(r"\\".into())
    ];
    let name =
        proptest::collection::vec(letter, 0..3).prop_map(|it| format!("\"{}\"", it.concat()));
    let leaf = prop_oneof![
        Just("null".into()),
        Just("true".into()),
        r"-?[1-9][0-9]{0,40}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        name.clone(),
        r#""([a-c{}:, \[\]]|\\["\\/bfnrt]|\\ud800){0,6}""#,
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let element = (space, inner.clone(), space).prop_map(|(a, value, b)| a + &value + &b);
        let member = (space, name.clone(), space, element.clone())
            .prop_map(|(a, name, b, value)| format!("{a}{name}{b}:{value}"));
        let joined = |parts: Vec<String>| parts.join(",");
        prop_oneof![
            proptest::collection::vec(element, 0..5)
                .prop_map(move |it| format!("[{}]", joined(it))),
            proptest::collection::vec(member, 0..5)
                .prop_map(move |it| format!("{{{}}}", joined(it))),
        ]
    })
}

/// The text with what stands at a place replaced.
fn harmed(text: String, harm: Option<(prop::sample::Index, String)>) -> String {
    let Some((place, instead)) = harm else { return text };
    let mut letters: Vec<char> = text.chars().collect();
    let at = place.index(letters.len());
    letters.splice(at..=at, instead.chars());
    letters.into_iter().collect()
}

/// The same JSON without the space between its parts.
fn without_space(text: &[u8]) -> String {
    let (mut inside, mut escaped) = (false, false);
    let stays = |letter: &char| {
        if inside {
            inside = escaped || *letter != '"';
            escaped = *letter == '\\' && !escaped;
            return true;
        }
        inside = *letter == '"';
        !matches!(letter, ' ' | '\t' | '\n' | '\r')
    };
    String::from_utf8_lossy(text).chars().filter(stays).collect()
}
