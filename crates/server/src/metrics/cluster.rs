//! Who else is there, and what was not theirs.

use super::page::Page;
use crate::cluster::ClusterCounts;

pub(super) fn of_cluster(page: &mut Page, cluster: &ClusterCounts) {
    let help = "Nodes of the cluster that live, this one among them.";
    page.gauge("foodtrack_cluster_nodes", help, Some(cluster.nodes));
    if let Some((state, entered)) = &cluster.redis {
        let of = |name: &str| vec![("state", name.to_owned())];
        let help =
            "How the node stands towards the cluster's Redis: 1 for the state that it is in.";
        let states = entered.iter().map(|(each, _)| (of(each.as_str()), each == state));
        page.gauges("foodtrack_redis_state", help, states);
        let changes = entered.iter().map(|(each, count)| (of(each.as_str()), *count));
        let help = "How often the node came to stand so.";
        page.counters("foodtrack_redis_state_changes", help, changes);
    }
    let help = "Values among the nodes in Redis that are no node's.";
    page.gauge("foodtrack_cluster_strange_values", help, Some(cluster.strange));
    let refused = cluster.refused.iter();
    let refused = refused.map(|(reason, n)| (vec![("reason", (*reason).to_owned())], *n));
    let help = "Requests between nodes that were refused, by why.";
    page.counters("foodtrack_node_requests_refused", help, refused);
    let passed_on = cluster.passed_on.iter();
    let passed_on = passed_on.map(|(kind, n)| (vec![("kind", (*kind).to_owned())], *n));
    let help = "Requests about other nodes' sessions that those answered, by kind.";
    page.counters("foodtrack_passed_on", help, passed_on);
}
