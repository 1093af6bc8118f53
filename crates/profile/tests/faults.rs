//! Tables that are wrong are told so, with the line and what was probably meant.
#![allow(clippy::unwrap_used)]

use foodtrack_contract::{ApplicationType, EventType};
use foodtrack_profile::{BUILTIN, Profile, Tables};

/// The problems of an operator's file over the built-in tables.
fn problems(text: &str) -> Vec<String> {
    let own = Tables { file: "own.toml", text };
    let problems = Profile::read(&[BUILTIN, own]).err().map(|problems| problems.0);
    problems.unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn check(text: &str, expected: &str) {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(expected), "{} is not {expected}", problems[0]);
}

#[test]
fn what_is_unknown_is_told_with_its_line_and_the_nearest_name() {
    check(
        "[applications.kitchen_app.outgoing]\n\"order:craeted\" = { name = \"x\" }",
        "own.toml:2: no such event: order:craeted; did you mean order:created?",
    );
    check(
        "\n[applications.kitchen]\nform = \"flat\"",
        "own.toml:2: no such application: kitchen; there are client_app",
    );
    check(
        "[origins]\n\"https://kitchen.example\" = \"kitchen_ap\"",
        "own.toml:2: no such application: kitchen_ap; did you mean kitchen_app?",
    );
    check(
        "[applications.client_app]\nstatuses = { redy = \"processing\" }",
        "own.toml:2: no such status: redy; did you mean ready?",
    );
    check(
        "[applications.client_app.incoming]\njoin = { control = \"subscribe:oder\" }",
        "own.toml:2: no such control event: subscribe:oder; did you mean subscribe:order?",
    );
    check(
        "[applications.client_app.outgoing]\n\"order:created\" = { name = \"A\", shape = \"ordr\" }",
        "own.toml:2: no such shape: ordr; did you mean order?",
    );
    check(
        "[applications.client_app.outgoing]\n\"order:created\" = { name = \"A\", fields = { a = { is = \"txt\" } } }",
        "own.toml:2: no such kind of field: txt; did you mean text?",
    );
    check(
        "[applications.client_app.outgoing]\n\"order:created\" = { name = \"A\", required = [\"id\"] }",
        "own.toml:2: no such field: id",
    );
    check(
        "[roles]\ncook = { role = \"cheff\" }",
        "own.toml:2: no such role: cheff; did you mean chef?",
    );
    check(
        "[roles]\ncook = { role = \"chef\", permissions = [\"read:order\"] }",
        "own.toml:2: no such permission: read:order; did you mean read:orders?",
    );
    check(
        "[applications.client_app]\nform = \"flt\"",
        "own.toml:2: no such form: flt; did you mean flat?",
    );
    check("[applications.client_app]\nfrom = \"flat\"", "own.toml:2: unknown field `from`");
    check("[roles\n", "own.toml:1: ");
}

#[test]
fn aliases_that_collide_are_refused() {
    for (name, what) in [
        ("subscribe:order", "a control event"),
        ("order:created", "the contract's event of that name"),
        ("disconnect", "a name of the library's own"),
    ] {
        check(
            &format!("[applications.client_app.incoming]\n\"{name}\" = {{ ignored = true }}"),
            &format!("own.toml:2: {name} collides with {what}"),
        );
    }
    check(
        "[applications.client_app.outgoing]\n\"order:created\" = { name = \"pong\" }",
        "own.toml:2: pong collides with a name of the library's or the hub's own",
    );
    check("[statuses]\nplated = []", "own.toml:2: plated means preparing already");
    check(
        "[applications.client_app.incoming]\nx = { ignored = true, control = \"ping\" }",
        "own.toml:2: x means one of event, control and ignored = true",
    );
    check("[roles]\nrobot = { role = \"system\" }", "own.toml:2: no login is a back end");
    check(
        "[applications.client_app.incoming]\nx = { event = \"system:error\" }",
        "own.toml:2: no such event: system:error",
    );
}

#[test]
fn an_operators_file_adds_and_replaces() {
    let text = "
        [origins]
        \"https://kitchen.example\" = \"kitchen_app\"
        [statuses]
        plating = [\"being_plated\"]
        [applications.client_app.statuses]
        plating = \"processing\"
        [applications.kitchen_app.outgoing]
        \"kitchen:order_received\" = { name = \"order:received\" }
        \"order:created\" = { name = \"order:brand-new\" }
    ";
    assert!(problems(text).is_empty(), "{:?}", problems(text));
    let profile = Profile::read(&[BUILTIN, Tables { file: "own.toml", text }]).unwrap();
    let kitchen = ApplicationType::KitchenApp;
    let name = |event| profile.outgoing_name(kitchen, event);
    assert_eq!(name(EventType::OrderCreated), Some("order:brand-new"));
    assert_eq!(name(EventType::KitchenOrderReceived), Some("order:received"));
    assert_eq!(name(EventType::OrderUpdated), Some("order:modified"), "as it was");
    assert_eq!(profile.application_of("https://kitchen.example"), Some(kitchen));
}

#[test]
fn the_tables_of_the_guide_are_good() {
    let guide = include_str!("../../../docs/guides/todays-applications.md");
    let tables = guide.split("```toml\n").map(|block| block.split("```").next().unwrap());
    let tables = tables.filter(|block| block.starts_with("# tables.toml"));
    let tables: Vec<&str> = tables.collect();
    assert_eq!(tables.len(), 1);
    assert!(problems(tables[0]).is_empty(), "{:?}", problems(tables[0]));
}
