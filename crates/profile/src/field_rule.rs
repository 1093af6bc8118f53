//! Where a field comes from, and what it must be.

use crate::fields::Fields;
use crate::kind::{Dictionary, Kind, quoted};

/// Where a field may be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Field(Box<str>),
    /// A field of a field.
    Inner(Box<str>, Box<str>),
    /// Who sent it.
    User,
    /// When it was taken.
    Timestamp,
    /// The payload itself.
    Payload,
}

/// What there is beside the fields.
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    pub(crate) user: &'a str,
    /// Raw JSON.
    pub(crate) timestamp: &'a str,
    /// Raw JSON.
    pub(crate) payload: &'a str,
}

/// Where a field comes from, and what it must be.
#[derive(Clone, Debug)]
pub(crate) struct FieldRule {
    pub(crate) to: Box<str>,
    pub(crate) from: Vec<Path>,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// Raw JSON.
    pub(crate) default: Option<Box<str>>,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "@user" => Ok(Self::User),
            "@timestamp" => Ok(Self::Timestamp),
            "@payload" => Ok(Self::Payload),
            _ if text.starts_with('@') => {
                Err(format!("{text} is none of @user, @timestamp and @payload"))
            }
            _ => match text.split_once('.') {
                None if !text.is_empty() => Ok(Self::Field(text.into())),
                Some((field, inner))
                    if !field.is_empty() && !inner.is_empty() && !inner.contains('.') =>
                {
                    Ok(Self::Inner(field.into(), inner.into()))
                }
                _ => Err(format!("{text:?} is no field, and no field of a field")),
            },
        }
    }

    fn value(
        &self,
        fields: &Fields<'_>,
        beside: Beside<'_>,
        make: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        match self {
            Self::Field(name) => make(fields.get(name)?),
            Self::Inner(name, inner) => make(Fields::read(fields.get(name)?)?.get(inner)?),
            Self::User => make(&quoted(beside.user)),
            Self::Timestamp => make(beside.timestamp),
            Self::Payload => make(beside.payload),
        }
    }
}

impl FieldRule {
    /// The field's value; `None` where nothing fits and there is no default.
    fn value(
        &self,
        fields: &Fields<'_>,
        beside: Beside<'_>,
        dictionary: Dictionary<'_>,
    ) -> Option<String> {
        let make = |raw: &str| self.kind.of(raw, dictionary).map(|made| made.into_owned());
        let found = self.from.iter().find_map(|path| path.value(fields, beside, make));
        found.or_else(|| self.default.as_deref().map(str::to_owned))
    }

    /// Makes the field right, or leaves it out. Returns whether it may be missing if it is.
    pub(crate) fn apply(
        &self,
        fields: &mut Fields<'_>,
        beside: Beside<'_>,
        dictionary: Dictionary<'_>,
    ) -> bool {
        match self.value(fields, beside, dictionary) {
            Some(value) => fields.set(&self.to, value),
            None => {
                fields.take(&self.to);
                return !self.is_required;
            }
        }
        true
    }

    /// As [`FieldRule::apply`], but what does not fit stays as it is, for its schema to refuse.
    pub(crate) fn offer(
        &self,
        fields: &mut Fields<'_>,
        beside: Beside<'_>,
        dictionary: Dictionary<'_>,
    ) {
        if let Some(value) = self.value(fields, beside, dictionary) {
            fields.set(&self.to, value);
        }
    }
}
