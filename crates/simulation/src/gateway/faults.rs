//! What a gateway does wrong where a fault is planted.

use foodtrack_contract::Cursor;

/// The same event with a cursor that says more than it should.
pub(super) fn ahead(packet: String) -> String {
    let Some((front, cursor)) = cursor_of(&packet) else { return packet };
    format!("{front}\"{}\"]", Cursor::new(cursor.epoch(), cursor.through().next()))
}

/// What stands in front of the cursor at an event's end, and the cursor.
fn cursor_of(packet: &str) -> Option<(&str, Cursor)> {
    let (front, cursor) = packet.strip_suffix("\"]")?.rsplit_once('"')?;
    Some((front, Cursor::parse(cursor)?))
}
