//! Figures of several servers side by side.

use std::fmt::Write;

use serde::Serialize;

use crate::report::number;

#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
}

/// What was measured of one server.
#[derive(Debug, Serialize)]
pub(crate) struct Column {
    server: String,
    figures: Vec<Figure>,
}

impl Column {
    pub(crate) fn new(server: impl Into<String>) -> Self {
        Self { server: server.into(), figures: Vec::new() }
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// What could not be measured is left out.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            self.figures.push(Figure { name: name.into(), value });
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

/// A table in Markdown: a column each, and a row for each figure that any of them has.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for figure in columns.iter().flat_map(|column| &column.figures) {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    let mut text = String::from("\n| |");
    for column in columns {
        let _ = write!(text, " {} |", column.server);
    }
    let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(columns.len()));
    for name in names {
        let _ = write!(text, "| {name} |");
        for column in columns {
            let _ = write!(text, " {} |", number(column.get(name)));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_a_server_does_not_have_leaves_its_cell_empty() {
        let (mut first, mut second) = (Column::new("a"), Column::new("b"));
        first.add("x", 1.0);
        first.add("never", f64::NAN);
        second.add("y", Some(200.0));
        let rows = "\n| | a | b |\n| --- | ---: | ---: |\n| x | 1.00 |  |\n| y |  | 200 |\n";
        assert_eq!(table(&[first, second]), rows);
    }
}
