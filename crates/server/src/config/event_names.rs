//! Whether the event types exist that the configuration's rules and promises of delivery name.

use foodtrack_contract::{EventType, HubEvent, TenantId, nearest};
use foodtrack_router::Rule;

use super::problems::meant;
use crate::WebSocketConfig;

/// A rule names an event type that is built in or in `[[events]]`, of its tenant where it has one. A group may be one that
/// tenants fill over HTTP, unless it is nearly a group that exists.
pub(super) fn check_rule(rule: &Rule, said: &WebSocketConfig) -> Result<(), String> {
    check_pattern((&rule.events, rule.tenant.as_ref()), said)
}

/// The same of whatever names events, of one tenant or of all.
pub(super) fn check_pattern(
    (name, tenant): (&str, Option<&TenantId>),
    said: &WebSocketConfig,
) -> Result<(), String> {
    let declared = said
        .events
        .iter()
        .filter(|event| tenant.is_none_or(|own| own.as_str() == event.tenant))
        .map(|event| event.name.as_str());
    let names: Vec<&str> = builtin().chain(declared).collect();
    // What is no pattern is told by the router.
    let Some((group, of_group)) = name.split_once(':') else {
        return match nearest(name, names.iter().copied()) {
            Some(nearest) => Err(format!("no such event type; {}", meant(nearest))),
            None => Ok(()),
        };
    };
    if group == "system" || names.contains(&name) {
        return Ok(());
    }
    if of_group == "*" {
        let groups: Vec<&str> =
            names.iter().filter_map(|name| Some(name.split_once(':')?.0)).collect();
        return match nearest(group, groups.iter().copied()) {
            Some(nearest) if nearest != group => {
                Err(format!("no event type is in this group; {}", meant(&format!("{nearest}:*"))))
            }
            _ => Ok(()),
        };
    }
    match nearest(name, names.iter().copied()) {
        Some(nearest) => Err(format!("no such event type; {}", meant(nearest))),
        None => Err("no such event type; declare it in [[events]], or route what is declared over HTTP with POST /api/v1/rules".into()),
    }
}

/// What is promised of a type may be said before a tenant declares it; a name that is nearly that of one that exists is a fault.
pub(super) fn check_delivery(name: &str, said: &WebSocketConfig) -> Result<(), String> {
    let declared = said.events.iter().map(|event| event.name.as_str());
    let own = HubEvent::ALL.map(HubEvent::as_str);
    let names: Vec<&str> = builtin().chain(declared).chain(own).collect();
    match nearest(name, names.iter().copied()) {
        Some(nearest) if nearest != name => Err(format!("no such event type; {}", meant(nearest))),
        _ => Ok(()),
    }
}

fn builtin<'a>() -> impl Iterator<Item = &'a str> {
    EventType::ALL.iter().map(|event| -> &'a str { event.as_str() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_and_a_promise_name_what_exists_or_are_told_the_nearest() {
        let check = |events: &str| {
            let text = format!(
                "[[events]]\ntenant = 't1'\nname = 'loyalty:earned'\nschema = {{}}\n\
                 [[rules]]\nid = 'one'\ntenant = 't1'\nevents = '{events}'\nfrom = ['system']\nto = []"
            );
            let said: WebSocketConfig = toml::from_str(&text).unwrap();
            (check_rule(&said.rules[0], &said), check_delivery(events, &said))
        };
        for (events, nearest) in [
            ("order:craeted", "order:created"),
            ("order_created", "order:created"),
            ("loyalty:earnd", "loyalty:earned"),
        ] {
            let told = Err(format!("no such event type; did you mean {nearest}?"));
            assert_eq!(check(events), (told.clone(), told), "{events}");
        }
        let group = "no event type is in this group; did you mean kitchen:*?";
        assert_eq!(check("kitchn:*").0, Err(group.into()));
        assert!(check("weather:changed").0.unwrap_err().contains("POST /api/v1/rules"));
        for good in ["order:created", "order:*", "loyalty:earned", "loyalty:*", "weather:*", "*"] {
            assert_eq!(check(good).0, Ok(()), "{good}");
        }
        assert_eq!(check("weather:changed").1, Ok(()));
    }

    #[test]
    fn another_tenant_s_event_type_is_none_of_a_tenant_s_rule() {
        let text = "[[events]]\ntenant = 't1'\nname = 'loyalty:earned'\nschema = {}\n\
             [[rules]]\nid = 'one'\ntenant = 't2'\nevents = 'loyalty:earned'\nfrom = ['system']\nto = []";
        let said: WebSocketConfig = toml::from_str(text).unwrap();
        assert!(check_rule(&said.rules[0], &said).is_err());
    }
}
