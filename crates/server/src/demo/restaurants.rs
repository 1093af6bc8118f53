//! The demo's two restaurants: the tenants there are, what they cook and where they deliver.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use foodtrack_contract::{ApplicationType, EventType, UserRole};
use foodtrack_profile::Profile;
use serde::{Deserialize, Serialize};

/// One made-up restaurant, as `playground/menus.json` describes it for the page and for the gateway.
#[derive(Clone, Debug, Deserialize)]
pub struct Restaurant {
    /// The tenant's id.
    pub id: String,
    /// The name that people read.
    pub name: String,
    /// ISO 4217, for every price.
    pub currency: String,
    /// What can be ordered; never empty.
    pub menu: Vec<Dish>,
    /// Where the town's people live; never empty.
    pub addresses: Vec<Address>,
    /// The town's people, by first name; never empty.
    pub people: Vec<String>,
}

/// Something on the menu.
#[derive(Clone, Debug, Deserialize)]
pub struct Dish {
    /// Its id within the menu.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// What one costs, in the restaurant's currency.
    pub price: f64,
}

/// A home to deliver to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

#[derive(Deserialize)]
struct Menus {
    tenants: Vec<Restaurant>,
}

static RESTAURANTS: LazyLock<Vec<Restaurant>> = LazyLock::new(|| {
    serde_json::from_str::<Menus>(include_str!("../../playground/menus.json"))
        .expect("menus.json is part of the binary, and a test reads it")
        .tenants
});

/// The demo's restaurants, in the order in which the page shows them.
pub fn restaurants() -> &'static [Restaurant] {
    &RESTAURANTS
}

/// The answer to `GET /demo/info`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Every tenant of the demo.
    pub tenants: Vec<InfoTenant>,
    /// What today's applications call events, by the application and the event's name, where it is another name.
    pub todays_names: BTreeMap<ApplicationType, BTreeMap<&'static str, String>>,
    /// The name of every built-in event.
    pub event_types: Vec<&'static str>,
    /// Whether there are several nodes, which `/demo/nodes` tells of.
    pub has_nodes: bool,
    /// The hub's version.
    pub version: &'static str,
}

/// A tenant in [`Info`].
#[derive(Debug, Serialize)]
pub struct InfoTenant {
    /// The tenant's id.
    pub id: &'static str,
    /// The name that people read.
    pub name: &'static str,
}

/// What `GET /demo/info` tells the page.
pub fn info(has_nodes: bool) -> Info {
    let tenants = restaurants()
        .iter()
        .map(|restaurant| InfoTenant { id: &restaurant.id, name: &restaurant.name });
    let todays_names = ApplicationType::ALL.map(|it| (it, todays_names(it))).into();
    let event_types = EventType::ALL.iter().map(|event| event.as_str()).collect();
    Info {
        tenants: tenants.collect(),
        todays_names,
        event_types,
        has_nodes,
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn todays_names(application: ApplicationType) -> BTreeMap<&'static str, String> {
    let profile = Profile::builtin();
    let name = |event: &EventType| {
        let name = profile.outgoing_name(application, *event)?;
        (name != event.as_str()).then(|| (event.as_str(), name.to_owned()))
    };
    EventType::ALL.iter().filter_map(name).collect()
}

/// The role that `GET /demo/token` gives a user of `application`.
pub fn role_in(application: ApplicationType) -> UserRole {
    match application {
        ApplicationType::ClientApp => UserRole::Customer,
        ApplicationType::TenantDashboard => UserRole::RestaurantManager,
        ApplicationType::KitchenApp => UserRole::Chef,
        ApplicationType::DeliveryApp => UserRole::DeliveryPersonnel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_restaurants_that_can_take_an_order() {
        let ids = restaurants().iter().map(|restaurant| restaurant.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids, ["pizza-roma", "sushi-kyoto"]);
        for restaurant in restaurants() {
            assert!(
                !restaurant.menu.is_empty()
                    && !restaurant.addresses.is_empty()
                    && !restaurant.people.is_empty()
            );
            assert!(restaurant.menu.iter().all(|dish| dish.price > 0.0));
        }
    }

    #[test]
    fn the_page_learns_ids_and_names() {
        let info = serde_json::to_value(info(false)).unwrap();
        assert_eq!(
            info["tenants"][0],
            serde_json::json!({ "id": "pizza-roma", "name": "Pizza Roma" })
        );
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        assert!(info["todaysNames"]["kitchen_app"]["order:created"].is_string(), "{info}");
    }
}
