//! Leaves fields out of a JSON text without making a tree of it: what stays is copied byte for byte.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::field_path::FieldPath;

/// The text is no JSON, as far as it was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// The paths that may still lead to a field, and how far each has come.
type Under<'p> = SmallVec<[(&'p FieldPath, usize); 4]>;

/// A JSON text that is read once, from its beginning to its end.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

/// Appends the JSON value at the beginning of `text` without the fields, whitespace outside of what stays among them. A member that
/// is there twice is left out twice, however its name is escaped. Returns whether anything was left out.
pub(super) fn cut(text: &[u8], paths: &[&FieldPath], out: &mut Vec<u8>) -> Result<bool, NotJson> {
    let mut reader = Reader { text, at: 0 };
    let under: Under<'_> = paths.iter().map(|path| (*path, 0)).collect();
    reader.value(&under, out)
}

/// What becomes of a member or an element.
enum Fate<'p> {
    LeftOut,
    Looked(Under<'p>),
}

fn fate<'p>(under: &Under<'p>, is_named: impl Fn(&FieldPath, usize) -> bool) -> Fate<'p> {
    let mut further = Under::new();
    for (path, depth) in under {
        if is_named(path, *depth) {
            if depth + 1 == path.len() {
                return Fate::LeftOut;
            }
            further.push((*path, depth + 1));
        }
    }
    Fate::Looked(further)
}

impl<'t> Reader<'t> {
    /// Copies the next value without what the paths lead to. Recursion ends with the paths.
    fn value(&mut self, under: &Under<'_>, out: &mut Vec<u8>) -> Result<bool, NotJson> {
        match self.peek()? {
            b'{' if !under.is_empty() => self.object(under, out),
            b'[' if !under.is_empty() => self.list(under, out),
            _ => {
                out.extend_from_slice(self.skip_value()?);
                Ok(false)
            }
        }
    }

    fn object(&mut self, under: &Under<'_>, out: &mut Vec<u8>) -> Result<bool, NotJson> {
        let (mut has_cut, mut is_first, mut comma) = (false, true, false);
        self.take(b'{')?;
        out.push(b'{');
        while !self.ends(b'}', &mut comma)? {
            let name = self.skip_string()?;
            self.take(b':')?;
            let plain = plain_name(name);
            match fate(under, |path, depth| path.names_member(depth, &plain)) {
                Fate::LeftOut => {
                    self.skip_value()?;
                    has_cut = true;
                }
                Fate::Looked(further) => {
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    out.extend_from_slice(name);
                    out.push(b':');
                    has_cut |= self.value(&further, out)?;
                }
            }
        }
        out.push(b'}');
        Ok(has_cut)
    }

    fn list(&mut self, under: &Under<'_>, out: &mut Vec<u8>) -> Result<bool, NotJson> {
        let (mut has_cut, mut is_first, mut comma) = (false, true, false);
        self.take(b'[')?;
        out.push(b'[');
        for index in 0.. {
            if self.ends(b']', &mut comma)? {
                break;
            }
            match fate(under, |path, depth| path.names_element(depth, index)) {
                Fate::LeftOut => {
                    self.skip_value()?;
                    has_cut = true;
                }
                Fate::Looked(further) => {
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    has_cut |= self.value(&further, out)?;
                }
            }
        }
        out.push(b']');
        Ok(has_cut)
    }

    /// Whether the object or list ends here; the comma before what follows is taken, but for the first time.
    fn ends(&mut self, end: u8, comma: &mut bool) -> Result<bool, NotJson> {
        if self.peek()? == end {
            self.at += 1;
            return Ok(true);
        }
        if std::mem::replace(comma, true) {
            self.take(b',')?;
        }
        Ok(false)
    }

    /// The next byte that is no whitespace.
    fn peek(&mut self) -> Result<u8, NotJson> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(NotJson),
            }
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek()? != byte {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// The string that comes next, with its quotes.
    fn skip_string(&mut self) -> Result<&'t [u8], NotJson> {
        self.take(b'"')?;
        let start = self.at - 1;
        loop {
            match self.text.get(self.at).ok_or(NotJson)? {
                b'"' => {
                    self.at += 1;
                    return self.text.get(start..self.at).ok_or(NotJson);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// The value that comes next, whatever it is. Nesting costs no recursion.
    fn skip_value(&mut self) -> Result<&'t [u8], NotJson> {
        self.peek()?;
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.skip_string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(NotJson)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return Err(NotJson),
                _ => self.skip_scalar(),
            }
            if depth == 0 {
                return self.text.get(start..self.at).ok_or(NotJson);
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn skip_scalar(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| b",:]} \t\n\r\"[{".contains(byte);
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }
}

/// A member's name as it is meant. One that is no text, such as half of a pair of surrogates, is no field's.
fn plain_name(quoted: &[u8]) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains(&b'\\') {
        return Cow::Owned(serde_json::from_slice(quoted).unwrap_or_default());
    }
    String::from_utf8_lossy(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn without(text: &str, pointers: &[&str]) -> String {
        let paths: Vec<_> = pointers.iter().map(|it| FieldPath::parse(it).unwrap()).collect();
        let mut out = Vec::new();
        cut(text.as_bytes(), &paths.iter().collect::<Vec<_>>(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_stays_is_as_it_was_byte_for_byte() {
        let text = r#"{"a": 1.50, "b":{"c":"\u0064}","d":[1, {"e":2,"f":3}]},"g":null}"#;
        assert_eq!(
            without(text, &["/b/c", "/b/d/1/e"]),
            r#"{"a":1.50,"b":{"d":[1,{"f":3}]},"g":null}"#
        );
        assert_eq!(without(text, &["/a", "/b", "/g"]), "{}");
        assert_eq!(without(text, &["/b/d/*"]), r#"{"a":1.50,"b":{"c":"\u0064}","d":[]},"g":null}"#);
        assert_eq!(
            without(r#"{"i":[{"x":1,"y":2},{"x":3}]}"#, &["/i/*/x"]),
            r#"{"i":[{"y":2},{}]}"#
        );
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
            assert_eq!(cut(&text[..length], &[&path], &mut Vec::new()), Err(NotJson), "{length}");
        }
        for bad in ["{,}", "{\"a\"}", "[1 2]", "{\"a\":}", "{\"a\" 1}", "}", "{\"a\":{]}"] {
            let _ = cut(bad.as_bytes(), &[&path], &mut Vec::new());
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
            let mut out = Vec::new();
            let has_cut = cut(value.to_string().as_bytes(), &[&path], &mut out).unwrap();
            let mut tree = json!(value);
            without_in_tree(&mut tree, &path, 0);
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), tree.clone());
            prop_assert_eq!(has_cut, tree != value);
        }
    }
}
