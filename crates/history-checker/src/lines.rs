//! Histories as text, and several of them as one.

use std::io::{self, BufRead, Write};

use crate::Record;

/// Writes one JSON object a line.
///
/// # Errors
/// The output does not take it.
pub fn write_lines(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    for record in records {
        serde_json::to_writer(&mut *out, record)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Reads what [`write_lines`] wrote; empty lines are nothing.
///
/// # Errors
/// The input does not read, or a line is no record.
pub fn read_lines(input: impl BufRead) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for line in input.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            records.push(serde_json::from_str(&line)?);
        }
    }
    Ok(records)
}

/// Makes one history of several, by their times; those of one time keep their order.
pub fn merge(histories: impl IntoIterator<Item = Vec<Record>>) -> Vec<Record> {
    let mut records: Vec<Record> = histories.into_iter().flatten().collect();
    records.sort_by_key(|record| record.at_us);
    records
}
