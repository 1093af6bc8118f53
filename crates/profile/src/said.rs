//! Tables as they are written; [`crate::check`] says what they mean.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Said {
    pub(crate) origins: BTreeMap<String, Spanned<String>>,
    pub(crate) roles: BTreeMap<String, Spanned<SaidRole>>,
    pub(crate) statuses: BTreeMap<String, Spanned<Vec<String>>>,
    pub(crate) applications: BTreeMap<String, Spanned<SaidApplication>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidRole {
    pub(crate) role: Spanned<String>,
    pub(crate) applications: Option<Vec<Spanned<String>>>,
    pub(crate) permissions: Option<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SaidApplication {
    pub(crate) form: Option<Spanned<String>>,
    pub(crate) other_statuses: Option<Spanned<String>>,
    pub(crate) statuses: BTreeMap<String, Spanned<String>>,
    pub(crate) shapes: BTreeMap<String, Spanned<SaidShape>>,
    pub(crate) outgoing: BTreeMap<String, Spanned<SaidOutgoing>>,
    pub(crate) incoming: BTreeMap<String, Spanned<SaidIncoming>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SaidShape {
    pub(crate) nest: Option<String>,
    pub(crate) beside: Vec<String>,
    pub(crate) fields: BTreeMap<String, Spanned<SaidField>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SaidField {
    pub(crate) from: Option<Vec<String>>,
    pub(crate) is: Option<Spanned<String>>,
    pub(crate) required: bool,
    pub(crate) default: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidOutgoing {
    pub(crate) name: String,
    pub(crate) shape: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, Spanned<SaidField>>,
    #[serde(default)]
    pub(crate) required: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) leave_out: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SaidIncoming {
    pub(crate) event: Option<Spanned<String>>,
    pub(crate) control: Option<Spanned<String>>,
    pub(crate) ignored: bool,
    pub(crate) fields: BTreeMap<String, Spanned<SaidField>>,
    pub(crate) leave_out: Vec<String>,
}
