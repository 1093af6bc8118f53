//! Fields of events, and shapes that several events have.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{Checked, unknown};
use crate::field_rule::{FieldRule, Path};
use crate::kind::Kind;
use crate::problem::Source;
use crate::said::{SaidField, SaidOutgoing, SaidShape};

/// Shapes by their names.
pub(super) type Shapes = BTreeMap<Box<str>, Shape>;

/// What several events have in common.
#[derive(Clone, Default)]
pub(super) struct Shape {
    pub(super) nest: Option<Box<str>>,
    pub(super) beside: Vec<Box<str>>,
    pub(super) fields: Vec<FieldRule>,
}

impl Checked {
    pub(super) fn take_shapes(
        &mut self,
        source: Source<'_>,
        place: usize,
        said: BTreeMap<String, Spanned<SaidShape>>,
    ) {
        for (name, shape) in said {
            let shape = shape.into_inner();
            let fields = self.fields(source, shape.fields);
            let beside = shape.beside.into_iter().map(Into::into).collect();
            let shape = Shape { nest: shape.nest.map(Into::into), beside, fields };
            self.shapes[place].insert(name.into(), shape);
        }
    }

    pub(super) fn fields(
        &mut self,
        source: Source<'_>,
        said: BTreeMap<String, Spanned<SaidField>>,
    ) -> Vec<FieldRule> {
        said.into_iter().map(|(to, field)| self.field(source, to, field)).collect()
    }

    fn field(&mut self, source: Source<'_>, to: String, said: Spanned<SaidField>) -> FieldRule {
        let at = said.span().start;
        let said = said.into_inner();
        let mut kind = Kind::Any;
        if let Some(word) = &said.is {
            match Kind::ALL.into_iter().find(|(name, _)| name == word.get_ref()) {
                Some((_, known)) => kind = known,
                None => {
                    let known = Kind::ALL.iter().map(|(name, _)| *name);
                    let sentence = unknown("kind of field", word.get_ref(), known);
                    self.fault(source, word.span().start, sentence);
                }
            }
        }
        let mut from = Vec::new();
        for path in said.from.unwrap_or_else(|| vec![to.clone()]) {
            match Path::parse(&path) {
                Ok(path) => from.push(path),
                Err(sentence) => self.fault(source, at, sentence),
            }
        }
        let default = said.default.and_then(|value| serde_json::to_string(&value).ok());
        FieldRule {
            to: to.into(),
            from,
            kind,
            is_required: said.required,
            default: default.map(Into::into),
        }
    }

    /// The shape that an outgoing event names, with what is said of the event itself.
    pub(super) fn shape_of(
        &mut self,
        source: Source<'_>,
        place: usize,
        said: &mut SaidOutgoing,
    ) -> Shape {
        let mut shape = Shape::default();
        if let Some(name) = &said.shape {
            match self.shapes[place].get(&**name.get_ref()) {
                Some(known) => shape = known.clone(),
                None => {
                    let known = self.shapes[place].keys().map(|name| &**name);
                    let sentence = unknown("shape", name.get_ref(), known);
                    self.fault(source, name.span().start, sentence);
                }
            }
        }
        for rule in self.fields(source, std::mem::take(&mut said.fields)) {
            shape.fields.retain(|other| other.to != rule.to);
            shape.fields.push(rule);
        }
        for name in &said.required {
            match shape.fields.iter_mut().find(|rule| *rule.to == **name.get_ref()) {
                Some(rule) => rule.is_required = true,
                None => {
                    let known = shape.fields.iter().map(|rule| &*rule.to);
                    let sentence = unknown("field", name.get_ref(), known);
                    self.fault(source, name.span().start, sentence);
                }
            }
        }
        shape
    }
}
