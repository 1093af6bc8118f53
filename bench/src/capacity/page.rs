//! The tables of the page.

use std::fmt::Write;

use super::inputs::Inputs;
use super::model::{Balancer, Hubs, Load};
use super::placement::Placement;
use crate::report::number;

const CONNECTIONS: [f64; 4] = [1e4, 1e5, 1e6, 1e7];

/// All of them, in Markdown.
pub(super) fn tables(inputs: &Inputs) -> String {
    let mut text = String::new();
    write_measured(inputs, &mut text);
    write_costs(inputs, &mut text);
    for (balancer, title) in [
        (Balancer::RoundRobin, "Through a round-robin balancer"),
        (Balancer::ByTenant, "Through a balancer that keeps each tenant at one node"),
    ] {
        let _ = writeln!(text, "\n### {title}\n");
        write_hubs(inputs, balancer, &mut text);
    }
    write_placements(inputs, &mut text);
    text.trim_start().to_owned()
}

fn write_measured(inputs: &Inputs, text: &mut String) {
    if inputs.measured.iter().any(|measure| !measure.quiet) {
        text.push_str(
            "\n**Figures with a star were not measured on a quiet machine**: they are of the right size and no more, and so is all that follows.\n",
        );
    }
    text.push_str("\n### Measured\n\n| figure | value | from | row | column |\n| --- | ---: | --- | --- | --- |\n");
    for measure in &inputs.measured {
        let star = if measure.quiet { "" } else { " \\*" };
        let _ = writeln!(
            text,
            "| `{}` | {} {}{star} | `{}` | {} | {} |",
            measure.name,
            number(Some(measure.value)),
            measure.unit,
            measure.command,
            measure.row,
            measure.column
        );
    }
}

fn write_costs(inputs: &Inputs, text: &mut String) {
    text.push_str(
        "\n### What an event costs, beside its deliveries\n\n| CPU us | durable | volatile |\n| --- | ---: | ---: |\n",
    );
    let (durable, volatile) = (inputs.costs.durable, inputs.costs.volatile);
    for (name, durable, volatile) in [
        ("the node where it is published", durable.publish_us, volatile.publish_us),
        ("each further node that follows its tenant", durable.follow_us, volatile.follow_us),
        ("Redis", durable.redis_us, volatile.redis_us),
        ("Redis, for each further node", durable.redis_follow_us, volatile.redis_follow_us),
    ] {
        let _ =
            writeln!(text, "| {name} | {} | {} |", number(Some(durable)), number(Some(volatile)));
    }
}

/// A row: what it is called, and its value for each number of connections.
type Row = (&'static str, fn(&Inputs, Load, &Hubs) -> String);

const ROWS: [Row; 15] = [
    ("tenants", |_, load, _| round(load.tenants)),
    ("durable events/s", |_, load, _| round(load.durable)),
    ("volatile events/s", |_, load, _| round(load.volatile)),
    ("deliveries/s", |_, load, _| round(load.deliveries)),
    ("**hubs** (a prefix and a Redis master each)", |_, _, hubs| hubs.hubs.to_string()),
    ("**nodes** of a hub", |_, _, hubs| hubs.nodes.to_string()),
    ("**nodes** in all", |_, _, hubs| round(f64::from(hubs.nodes) * f64::from(hubs.hubs))),
    ("nodes that follow an event's tenant", |_, _, hubs| number(Some(hubs.followers))),
    ("busy cores of a hub's nodes", |_, _, hubs| number(Some(hubs.node_cores))),
    ("memory of a node, GiB", |_, _, hubs| number(Some(hubs.node_gib))),
    ("busy part of a Redis's core", |_, _, hubs| number(Some(hubs.redis_cores))),
    ("memory of a Redis, GiB", |_, _, hubs| number(Some(hubs.redis_gib))),
    ("what limits a hub first: its Redis's", |inputs, _, hubs| {
        let [core, memory] = hubs.redis_used(inputs);
        if core >= memory { "core" } else { "memory" }.to_owned()
    }),
    ("network of a node to clients, Mbit/s", |inputs, _, hubs| {
        number(Some(mbit(inputs, hubs.load.deliveries) / f64::from(hubs.nodes)))
    }),
    ("network of a Redis to nodes, Mbit/s", |inputs, _, hubs| {
        let events = hubs.load.durable + hubs.load.volatile;
        number(Some(mbit(inputs, events * hubs.followers)))
    }),
];

fn mbit(inputs: &Inputs, events: f64) -> f64 {
    events * inputs.costs.event_bytes * 8.0 / 1e6
}

fn write_hubs(inputs: &Inputs, balancer: Balancer, text: &mut String) {
    let columns: Vec<(Load, Option<Hubs>)> = CONNECTIONS
        .iter()
        .map(|&connections| {
            let load = Load::of(inputs, connections);
            (load, Hubs::for_load(inputs, load, balancer))
        })
        .collect();
    text.push_str("| connections |");
    columns.iter().for_each(|(load, _)| {
        let _ = write!(text, " {} |", round(load.connections));
    });
    let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(columns.len()));
    for (name, value) in ROWS {
        let _ = write!(text, "| {name} |");
        for (load, hubs) in &columns {
            let value =
                hubs.as_ref().map_or_else(|| "-".to_owned(), |hubs| value(inputs, *load, hubs));
            let _ = write!(text, " {value} |");
        }
        text.push('\n');
    }
}

/// One hub of so many connections is placed on each of these numbers of nodes.
const PLACED: (f64, [u32; 5]) = (200_000.0, [2, 4, 8, 16, 32]);

type PlacementRow = (&'static str, fn(&Inputs, &Hubs, &Placement) -> String);

const PLACEMENT_ROWS: [PlacementRow; 13] = [
    ("nodes that follow a tenant, on average", |_, _, it| number(Some(it.followers_mean))),
    ("a tenant of the smallest size", |_, _, it| number(Some(it.followers_smallest))),
    ("a tenant of the largest size", |_, _, it| number(Some(it.followers_largest))),
    ("tenants that a node follows, mean", |_, _, it| round(it.followed.mean)),
    ("the fullest node", |_, _, it| round(it.followed.most)),
    ("durable events/s that come to a node, mean", |_, _, it| round(it.events.mean)),
    ("the fullest node", |_, _, it| round(it.events.most)),
    ("would be, if each tenant were at one node", |_, _, it| round(it.own_events)),
    ("messages/s from Redis to its nodes", |_, _, it| round(it.published)),
    ("the largest tenant: events/s, and connections at one node", |_, _, it| {
        format!("{}, {}", round(it.largest_events), round(it.largest_at_node))
    }),
    ("busy cores of all nodes", |_, hubs, _| number(Some(hubs.node_cores))),
    ("busy part of the Redis's core", |_, hubs, _| number(Some(hubs.redis_cores))),
    ("connections that one Redis bears on so many nodes", |inputs, hubs, _| {
        round(hubs.connections_max(inputs))
    }),
];

fn write_placements(inputs: &Inputs, text: &mut String) {
    let (connections, nodes) = PLACED;
    let load = Load::of(inputs, connections);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful")]
    let spares = inputs.assumed.node_spares as u32;
    let placed = nodes.map(|nodes| {
        let needed = nodes.saturating_sub(spares).max(1);
        let hubs = Hubs::on(inputs, load, 1, needed, Balancer::RoundRobin);
        let placement = Placement::simulate(inputs, &hubs);
        (hubs, placement)
    });
    let _ = write!(
        text,
        "\n### The placement, simulated\n\nOne hub of {} connections and {} tenants, which come in a random order through a round-robin balancer.\n\n| nodes |",
        round(connections),
        round(placed[0].1.tenants),
    );
    for (hubs, _) in &placed {
        let _ = write!(text, " {} |", hubs.nodes);
    }
    let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(placed.len()));
    for (name, value) in PLACEMENT_ROWS {
        let _ = write!(text, "| {name} |");
        for (hubs, placement) in &placed {
            let _ = write!(text, " {} |", value(inputs, hubs, placement));
        }
        text.push('\n');
    }
}

/// A whole number, its thousands apart.
fn round(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn thousands_are_apart() {
        let written = [7.0, 999.4, 1_000.0, 1_234_567.0].map(round);
        assert_eq!(written, ["7", "999", "1 000", "1 234 567"]);
    }
}
