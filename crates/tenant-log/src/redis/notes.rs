//! Notes as they stand in Redis: a hash of each kind, whose values begin with when they expire.

use redis::Value;

use super::values::{pairs, text};
use crate::{Note, NoteKind};

/// What is kept of a note, empty where it is taken away.
pub(super) fn note_text(note: &Note) -> String {
    let expires = note.expires_at_ms.map(|it| it.to_string()).unwrap_or_default();
    note.value.as_ref().map_or_else(String::new, |value| format!("{expires} {value}"))
}

/// What followers are told of it: who wrote it, its kind, its key behind the length, and what is kept.
pub(super) fn published_note(node: [u8; 8], note: &Note) -> Vec<u8> {
    let mut news = vec![b'N'];
    news.extend_from_slice(&node);
    let text = note_text(note);
    news.extend_from_slice(
        format!("{} {} {}{text}", note.kind.as_str(), note.key.len(), note.key).as_bytes(),
    );
    news
}

pub(super) fn parse_note(kind: NoteKind, key: &str, kept: &str) -> Option<Note> {
    if kept.is_empty() {
        return Some(Note { kind, key: key.into(), value: None, expires_at_ms: None });
    }
    let (expires, value) = kept.split_once(' ')?;
    let expires_at_ms = if expires.is_empty() { None } else { Some(expires.parse().ok()?) };
    Some(Note { kind, key: key.into(), value: Some(value.into()), expires_at_ms })
}

/// The notes of one kind. What cannot be understood is left out.
pub(super) fn read_notes(kind: NoteKind, hash: &Value) -> Vec<Note> {
    let notes = pairs(hash).into_iter();
    notes.filter_map(|(key, kept)| parse_note(kind, text(key)?, text(kept)?)).collect()
}
