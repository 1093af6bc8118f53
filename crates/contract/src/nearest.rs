//! The known name that somebody most likely meant.

/// Longer names are told no nearest one: to compare them would cost more than it helps. In bytes.
const NAME_BYTES_MAX: usize = 64;
/// No name that differs in more than so many characters is near.
const EDITS_MAX: usize = 3;
/// No more known names are looked at.
const KNOWN_MAX: usize = 1_024;

/// The one of `known` that is nearest to `name`: another case, other separators, or a typo, one for three characters and at most
/// three. Of several that are equally near the first; `None` where none is near.
///
/// Cost: at most 1 024 names of at most 64 bytes are looked at, and of those of about the same length no more than seven
/// places for each character are compared; so a stranger may ask.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let wanted: Vec<char> = plain(name).collect();
    let mut edits_max = (wanted.len() / 3).clamp(1, EDITS_MAX);
    let mut found = None;
    let mut candidate = Vec::new();
    for known in known.into_iter().take(KNOWN_MAX).filter(|known| known.len() <= NAME_BYTES_MAX) {
        candidate.clear();
        candidate.extend(plain(known));
        if let Some(edits) = edits(&wanted, &candidate, edits_max) {
            found = Some(known);
            // A later one has to be nearer.
            let Some(fewer) = edits.checked_sub(1) else { break };
            edits_max = fewer;
        }
    }
    found
}

/// Without case, and with one separator for all.
fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|c| if "-_.: ".contains(c) { '_' } else { c.to_ascii_lowercase() })
}

/// How many characters must be put in, taken out, replaced, or exchanged with their neighbour; `None` for more than `edits_max`.
fn edits(a: &[char], b: &[char], edits_max: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > edits_max {
        return None;
    }
    // Further from the diagonal than `edits_max`, everything costs more than that.
    const FAR: usize = usize::MAX / 2;
    let mut before_last = [FAR; NAME_BYTES_MAX + 1];
    let mut last = [FAR; NAME_BYTES_MAX + 1];
    for (j, cost) in last.iter_mut().enumerate().take(b.len().min(edits_max) + 1) {
        *cost = j;
    }
    for i in 1..=a.len() {
        let mut row = [FAR; NAME_BYTES_MAX + 1];
        if i <= edits_max {
            row[0] = i;
        }
        for j in i.saturating_sub(edits_max).max(1)..=(i + edits_max).min(b.len()) {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut cheapest = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cheapest = cheapest.min(before_last[j - 2] + 1);
            }
            row[j] = cheapest;
        }
        before_last = last;
        last = row;
    }
    Some(last[b.len()]).filter(|edits| *edits <= edits_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventType;

    #[test]
    fn a_typo_another_case_and_other_separators_are_told_the_known_name() {
        let events = || EventType::ALL.iter().map(|event| event.as_str());
        for (name, meant) in [
            ("order:craeted", "order:created"),
            ("order_created", "order:created"),
            ("ORDER_CREATED", "order:created"),
            ("Order:Created", "order:created"),
            ("kitchen:order_recieved", "kitchen:order_received"),
            ("delivery:location_update", "delivery:location_updated"),
            ("order:update", "order:updated"),
        ] {
            assert_eq!(nearest(name, events()), Some(meant), "{name}");
        }
        for name in ["", "x", "loyalty:points_earned", "weather:changed"] {
            assert_eq!(nearest(name, events()), None, "{name}");
        }
        assert_eq!(nearest("chef", ["client_app", "kitchen_app"]), None);
        assert_eq!(nearest("read:order", ["read:orders", "write:orders"]), Some("read:orders"));
    }

    #[test]
    fn a_long_name_is_compared_with_nothing() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        let most = "a".repeat(NAME_BYTES_MAX);
        assert_eq!(nearest(&most, [most.as_str()]), Some(most.as_str()));
    }
}
