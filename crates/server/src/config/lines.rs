//! Where in a TOML file each key stands.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

/// The line of each key, by its path: `heartbeat.intervalMs`, `rules.0.to`.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<String, usize>);

impl Lines {
    /// Those of a file that parses; none of one that does not.
    pub(super) fn of(text: &str) -> Self {
        let mut lines = HashMap::new();
        if let Ok(table) = DeTable::parse(text) {
            look(table.get_ref(), "", text, &mut lines);
        }
        Self(lines)
    }

    /// The line of `path`, or of the nearest that it is in.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

fn look(table: &DeTable<'_>, section: &str, text: &str, lines: &mut HashMap<String, usize>) {
    for (name, value) in table {
        let path = if section.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{section}.{}", name.get_ref())
        };
        lines.entry(path.clone()).or_insert(line_at(text, name.span().start));
        inside(value.get_ref(), &path, text, lines);
    }
}

fn inside(value: &DeValue<'_>, path: &str, text: &str, lines: &mut HashMap<String, usize>) {
    match value {
        DeValue::Table(table) => look(table, path, text, lines),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let path = format!("{path}.{i}");
                lines.insert(path.clone(), line_at(text, item.span().start));
                inside(item.get_ref(), &path, text, lines);
            }
        }
        _ => {}
    }
}

/// Counted from 1.
pub(super) fn line_at(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_line_and_what_is_in_a_list_too() {
        let lines = Lines::of(
            "port = 1\n\n[heartbeat]\nintervalMs = 5\n[[rules]]\nid = 'a'\n[[rules]]\nto = 1\n",
        );
        for (path, line) in [
            ("port", 1),
            ("heartbeat.intervalMs", 4),
            ("rules.0.id", 6),
            ("rules.1.to", 8),
            ("rules.1.from", 7),
            ("heartbeat.unsaid", 3),
        ] {
            assert_eq!(lines.line(path), Some(line), "{path}");
        }
        assert_eq!(lines.line("weather"), None);
    }
}
