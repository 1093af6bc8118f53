//! Whose a room is that a back end names.

use foodtrack_contract::TenantId;

/// Where the tenant stands in a name.
const TENANT: &str = "{tenant}";

/// How rooms are named.
#[derive(Clone, Debug)]
pub(crate) struct RoomNames(Vec<RoomName>);

#[derive(Clone, Debug)]
struct RoomName {
    before: String,
    after: String,
    /// Whether anything may follow.
    is_open: bool,
}

impl RoomNames {
    /// Reads names such as `order:{tenant}:*`.
    ///
    /// # Errors
    /// A sentence that says which one is none.
    pub(crate) fn parse(names: &[String]) -> Result<Self, String> {
        let read = |name: &String| {
            let fault = || format!("{name:?}: write {TENANT} once, and * at the end alone");
            let (before, rest) = name.split_once(TENANT).ok_or_else(fault)?;
            let (after, is_open) = match rest.strip_suffix('*') {
                // It would be the tenant's name that goes on.
                Some("") => {
                    return Err(format!("{name:?}: something must stand between {TENANT} and *"));
                }
                Some(after) => (after, true),
                None => (rest, false),
            };
            if [before, after].iter().any(|part| part.contains(TENANT) || part.contains('*')) {
                return Err(fault());
            }
            Ok(RoomName { before: before.into(), after: after.into(), is_open })
        };
        names.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The tenant whose room it is; `None` where no name says so.
    pub(crate) fn tenant(&self, room: &str) -> Option<TenantId> {
        self.0.iter().find_map(|name| name.tenant(room))
    }
}

impl RoomName {
    fn tenant(&self, room: &str) -> Option<TenantId> {
        let rest = room.strip_prefix(self.before.as_str())?;
        let tenant = if self.is_open {
            rest.split_once(self.after.as_str())?.0
        } else {
            rest.strip_suffix(self.after.as_str())?
        };
        TenantId::parse(tenant).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Result<RoomNames, String> {
        RoomNames::parse(&names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_room_is_the_tenants_that_its_name_names() {
        let names = names(&["tenant:{tenant}", "order:{tenant}:*", "r/{tenant}/staff"]).unwrap();
        let tenant = |room: &str| names.tenant(room).map(|it| it.as_str().to_owned());
        for (room, owner) in [
            ("tenant:pizza-roma", Some("pizza-roma")),
            ("order:pizza-roma:42", Some("pizza-roma")),
            ("order:pizza-roma:42:7", Some("pizza-roma")),
            ("r/sushi/staff", Some("sushi")),
            ("r/sushi/staff2", None),
            ("order:pizza-roma", None),
            ("tenant:", None),
            ("everybody", None),
            ("", None),
        ] {
            assert_eq!(tenant(room).as_deref(), owner, "{room}");
        }
    }

    #[test]
    fn a_name_without_a_tenant_or_with_two_is_refused() {
        for name in ["all", "{tenant}:{tenant}", "a:*:{tenant}", "order:{tenant}*", "{tenant}:*:a"]
        {
            assert!(names(&[name]).is_err(), "{name}");
        }
    }
}
