//! What the project wants its cluster to do, and what came of it.

use serde::Serialize;

use crate::report::number;

#[derive(Debug, Serialize)]
pub(super) struct Goal {
    name: String,
    /// The greatest value that reaches it.
    limit: f64,
    measured: f64,
}

impl Goal {
    /// One that was measured; none where it was not.
    pub(super) fn new(
        name: impl Into<String>,
        limit: f64,
        measured: impl Into<Option<f64>>,
    ) -> Option<Self> {
        let measured = measured.into().filter(|it| it.is_finite())?;
        Some(Self { name: name.into(), limit, measured })
    }

    pub(super) fn row(&self) -> String {
        let Self { name, limit, measured } = self;
        let met = if measured <= limit { "yes" } else { "NO" };
        format!("| {name} | {} | {} | {met} |\n", number(Some(*limit)), number(Some(*measured)))
    }
}
