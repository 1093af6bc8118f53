//! What a field must be, so that the page that reads it does not break.

use std::borrow::Cow;

use crate::fields::Fields;
use crate::statuses::{Statuses, Words};

/// What a field must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    Text,
    /// What a page draws as it is: text or a number.
    Label,
    /// A number; text that says one becomes it.
    Number,
    List,
    /// `{ lat, lng }`, also from `{ latitude, longitude }`.
    Point,
    /// A word for an order's status.
    Status,
}

/// By which words a status is said.
#[derive(Clone, Copy)]
pub(crate) struct Dictionary<'p> {
    pub(crate) statuses: &'p Statuses,
    /// Those of the application it is for; `None` for the hub's own.
    pub(crate) words: Option<&'p Words>,
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("any", Self::Any),
        ("text", Self::Text),
        ("label", Self::Label),
        ("number", Self::Number),
        ("list", Self::List),
        ("point", Self::Point),
        ("status", Self::Status),
    ];

    /// A raw value as this kind; `None` where it cannot be made one. Null is nothing.
    pub(crate) fn of<'a>(self, raw: &'a str, dictionary: Dictionary<'_>) -> Option<Cow<'a, str>> {
        let is_text = raw.starts_with('"');
        match self {
            _ if raw == "null" => None,
            Self::Any => Some(raw.into()),
            Self::Text => is_text.then_some(raw.into()),
            Self::Label if is_text => Some(raw.into()),
            Self::Label => is_number(raw).then_some(raw.into()),
            Self::Number => number(raw),
            Self::List => raw.starts_with('[').then_some(raw.into()),
            Self::Point => point(raw).map(Cow::Owned),
            Self::Status => {
                let said: String = serde_json::from_str(raw).ok()?;
                let meant = dictionary.statuses.meaning(&said);
                let word = match dictionary.words {
                    Some(words) => words.of(meant)?,
                    None => meant,
                };
                if word == said { Some(raw.into()) } else { Some(quoted(word).into()) }
            }
        }
    }
}

/// JSON text of a string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether the JSON value is a number that JavaScript has.
fn is_number(raw: &str) -> bool {
    let begins = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    begins && raw.parse().is_ok_and(f64::is_finite)
}

fn number(raw: &str) -> Option<Cow<'_, str>> {
    if is_number(raw) {
        return Some(raw.into());
    }
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?.trim();
    let says_number = serde_json::from_str::<serde_json::Number>(inner).is_ok();
    (says_number && is_number(inner)).then_some(inner.into())
}

fn point(raw: &str) -> Option<String> {
    let fields = Fields::read(raw)?;
    let degrees = |names: [&str; 2]| {
        names.into_iter().find_map(|name| number(fields.get(name)?).map(Cow::into_owned))
    };
    let (lat, lng) = (degrees(["lat", "latitude"])?, degrees(["lng", "longitude"])?);
    Some(format!("{{\"lat\":{lat},\"lng\":{lng}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_right_or_left_out() {
        use Kind as K;
        let statuses = Statuses::default();
        let dictionary = Dictionary { statuses: &statuses, words: None };
        for (kind, raw, made) in [
            (K::Text, "\"x\"", Some("\"x\"")),
            (K::Text, "1", None),
            (K::Text, "null", None),
            (K::Label, "1.5", Some("1.5")),
            (K::Label, "{}", None),
            (K::Label, "true", None),
            (K::Number, "12", Some("12")),
            (K::Number, "\"12.50\"", Some("12.50")),
            (K::Number, "\"-3e2\"", Some("-3e2")),
            (K::Number, "1e400", None),
            (K::Number, "\"NaN\"", None),
            (K::Number, "\"0x10\"", None),
            (K::Number, "\"\"", None),
            (K::List, "[]", Some("[]")),
            (K::List, "{\"length\":1}", None),
            (K::Point, r#"{"lat":1,"lng":"2"}"#, Some(r#"{"lat":1,"lng":2}"#)),
            (K::Point, r#"{"latitude":1.5,"longitude":2}"#, Some(r#"{"lat":1.5,"lng":2}"#)),
            (K::Point, r#"{"lat":1}"#, None),
            (K::Point, "[1,2]", None),
            (K::Any, "{}", Some("{}")),
        ] {
            assert_eq!(kind.of(raw, dictionary).as_deref(), made, "{kind:?} of {raw}");
        }
    }
}
