//! Connections and rooms of every node of the cluster, asked of one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_shard::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, ConnectionManager, DisconnectTarget, Page,
    PageQuery, PresenceInfo, PresenceQuery, RoomInfo, page_limit,
};
use tokio::task::JoinSet;

use super::node_book::NodeBook;
use super::node_client::{NodeClient, NodeFault};
use super::node_id::NodeId;
use super::node_question::{AskedOfTenant, NodeAnswer, NodeConnections, NodeQuestion, answer_here};
use super::node_routes::ASK;

/// How long other nodes may take; who has not answered by then is named.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Looks up, counts and ends a tenant's connections, on all nodes of the cluster. Cheap to clone. Each answer is there within about a
/// second, and names the nodes that did not answer in that time.
#[derive(Clone)]
pub struct ClusterConnections {
    here: ConnectionManager,
    /// `None` where there are no other nodes, by configuration.
    others: Option<OtherNodes>,
}

#[derive(Clone)]
pub(super) struct OtherNodes {
    pub(super) book: Arc<NodeBook>,
    pub(super) client: NodeClient,
}

/// What was found, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<T> {
    /// Of all nodes that answered.
    pub found: T,
    /// The ids of those that did not.
    pub missing_nodes: Vec<String>,
}

/// A part of a tenant's connections, and how many there are.
#[derive(Clone, Debug)]
pub struct CountedConnections {
    /// All of the tenant's.
    pub counts: ConnectionCounts,
    /// Those asked for.
    pub page: Page<ConnectionInfo>,
}

impl ClusterConnections {
    pub(super) fn new(here: ConnectionManager, others: Option<OtherNodes>) -> Self {
        Self { here, others }
    }

    /// Counts a tenant's connections, and lists a page of those that match, by id.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard on this node does not take the question.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: ConnectionFilter,
    ) -> Result<Gathered<CountedConnections>, Refusal> {
        let limit = page_limit(filter.limit);
        let pick = |answer| match answer {
            NodeAnswer::Connections(answer) => Some(answer),
            _ => None,
        };
        let asked = self.ask(tenant, NodeQuestion::Connections(filter), pick).await?;
        Ok(asked.map(|answers| {
            let counts = sum(&answers);
            let pages = answers.into_iter().map(|it| it.page).collect();
            // A session that moved may be known to the node that it left for a moment: the newer one counts.
            let newer = |known: &mut ConnectionInfo, other: ConnectionInfo| {
                if other.connected_at > known.connected_at {
                    *known = other;
                }
            };
            let page = merge(pages, limit, |it| &it.id, newer);
            CountedConnections { counts, page }
        }))
    }

    /// A page of a tenant's rooms, by name; their members are those of all nodes.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard on this node does not take the question.
    pub async fn rooms(
        &self,
        tenant: &TenantId,
        query: PageQuery,
    ) -> Result<Gathered<Page<RoomInfo>>, Refusal> {
        let limit = page_limit(query.limit);
        let pick = |answer| match answer {
            NodeAnswer::Rooms(page) => Some(page),
            _ => None,
        };
        let asked = self.ask(tenant, NodeQuestion::Rooms(query), pick).await?;
        let join = |room: &mut RoomInfo, other: RoomInfo| {
            room.members += other.members;
            if other.created_at < room.created_at {
                room.created_at = other.created_at;
            }
            if room.metadata == Default::default() {
                room.metadata = other.metadata;
            }
        };
        Ok(asked.map(|pages| merge(pages, limit, |it| &it.name, join)))
    }

    /// A page of those who are online in a tenant and match, by their subscribers' keys, each once.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard on this node does not take the question.
    pub async fn present(
        &self,
        tenant: &TenantId,
        query: PresenceQuery,
    ) -> Result<Gathered<Page<PresenceInfo>>, Refusal> {
        let limit = page_limit(query.limit);
        let pick = |answer| match answer {
            NodeAnswer::Present(page) => Some(page),
            _ => None,
        };
        let asked = self.ask(tenant, NodeQuestion::Present(query), pick).await?;
        let join = |known: &mut PresenceInfo, other: PresenceInfo| {
            known.connections += other.connections;
            if other.since < known.since {
                known.since = other.since;
            }
            // Who went from one node and is at another is here.
            let (one, two) = (known.gone_since.take(), other.gone_since);
            known.gone_since = if known.connections == 0 { one.max(two) } else { None };
        };
        Ok(asked.map(|pages| merge(pages, limit, |it| &it.subscriber, join)))
    }

    /// As [`ClusterConnections::present`], a page of each node by itself, which is named; `None` for this one.
    pub(crate) async fn present_by_node(
        &self,
        tenant: &TenantId,
        query: PresenceQuery,
    ) -> Result<Gathered<Vec<(Option<String>, Page<PresenceInfo>)>>, Refusal> {
        let pick = |answer| match answer {
            NodeAnswer::Present(page) => Some(page),
            _ => None,
        };
        self.ask_each(tenant, NodeQuestion::Present(query), pick).await
    }

    /// Ends connections for good, wherever they are. Returns how many there were.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard on this node does not take the order; other nodes may have ended theirs.
    pub async fn disconnect(
        &self,
        tenant: &TenantId,
        target: DisconnectTarget,
    ) -> Result<Gathered<usize>, Refusal> {
        let pick = |answer| match answer {
            NodeAnswer::Disconnected(count) => Some(count),
            _ => None,
        };
        let asked = self.ask(tenant, NodeQuestion::Disconnect(target), pick).await?;
        Ok(asked.map(|counts| counts.into_iter().sum()))
    }

    /// Asks this node and all others at once; `pick` takes out of an answer what was asked for.
    async fn ask<T>(
        &self,
        tenant: &TenantId,
        question: NodeQuestion,
        pick: impl Fn(NodeAnswer) -> Option<T>,
    ) -> Result<Gathered<Vec<T>>, Refusal> {
        let asked = self.ask_each(tenant, question, pick).await?;
        Ok(asked.map(|answers| answers.into_iter().map(|(_, answer)| answer).collect()))
    }

    /// As [`ClusterConnections::ask`], with who answered; `None` for this node.
    async fn ask_each<T>(
        &self,
        tenant: &TenantId,
        question: NodeQuestion,
        pick: impl Fn(NodeAnswer) -> Option<T>,
    ) -> Result<Gathered<Vec<(Option<String>, T)>>, Refusal> {
        let others = async {
            match &self.others {
                Some(others) => others.ask(tenant, &question).await,
                None => Gathered { found: Vec::new(), missing_nodes: Vec::new() },
            }
        };
        let (here, others) =
            tokio::join!(answer_here(&self.here, tenant, question.clone()), others);
        let mut gathered = Gathered { found: Vec::new(), missing_nodes: others.missing_nodes };
        gathered.found.extend(pick(here?).map(|answer| (None, answer)));
        for (node, answer) in others.found {
            match pick(answer) {
                Some(answer) => gathered.found.push((Some(node.as_str().into()), answer)),
                None => gathered.missing_nodes.push(node.as_str().into()),
            }
        }
        gathered.missing_nodes.sort_unstable();
        Ok(gathered)
    }
}

impl OtherNodes {
    async fn ask(
        &self,
        tenant: &TenantId,
        question: &NodeQuestion,
    ) -> Gathered<Vec<(NodeId, NodeAnswer)>> {
        let asked = AskedOfTenant { tenant: tenant.as_str().to_owned(), about: question };
        // Texts and numbers only: it cannot fail.
        let body = Bytes::from(serde_json::to_vec(&asked).unwrap_or_default());
        let tenant = tenant.clone();
        self.post_all(ASK, body, move |answer| read(answer, &tenant)).await
    }

    /// Posts the same to all nodes at once; `read` makes of an answer what was asked for.
    pub(super) async fn post_all<T: Send + 'static>(
        &self,
        path: &'static str,
        body: Bytes,
        read: impl Fn(&[u8]) -> Result<T, NodeFault> + Clone + Send + 'static,
    ) -> Gathered<Vec<(NodeId, T)>> {
        let mut gathered = Gathered { found: Vec::new(), missing_nodes: Vec::new() };
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut asked = JoinSet::new();
        for (node, _) in self.book.others() {
            let (client, body, read) = (self.client.clone(), body.clone(), read.clone());
            asked.spawn(async move {
                let answer = client.post(&node, path, body, deadline).await;
                let answer = answer.and_then(|answer| read(&answer));
                (node, answer)
            });
        }
        while let Some(answered) = asked.join_next().await {
            match answered {
                Ok((node, Ok(answer))) => gathered.found.push((node, answer)),
                Ok((node, Err(error))) => {
                    tracing::warn!(node = node.as_str(), %error, "another node did not answer");
                    gathered.missing_nodes.push(node.as_str().into());
                }
                Err(error) => tracing::error!(%error, "a question to another node had no end"),
            }
        }
        gathered
    }
}

/// An answer is about the tenant that was asked about, or it is none.
fn read(answer: &[u8], tenant: &TenantId) -> Result<NodeAnswer, NodeFault> {
    let answer: AskedOfTenant<NodeAnswer> =
        serde_json::from_slice(answer).map_err(|_| NodeFault::Unreadable)?;
    if answer.tenant == tenant.as_str() { Ok(answer.about) } else { Err(NodeFault::Unreadable) }
}

impl<T> Gathered<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Gathered<U> {
        Gathered { found: change(self.found), missing_nodes: self.missing_nodes }
    }
}

fn sum(answers: &[NodeConnections]) -> ConnectionCounts {
    let mut counts = ConnectionCounts::default();
    answers.iter().for_each(|answer| counts.add(&answer.counts));
    counts.tenants = counts.tenants.min(1);
    let users: BTreeSet<u64> = answers.iter().flat_map(|it| it.users.iter().copied()).collect();
    counts.users = users.len();
    counts
}

/// Puts parts of a list together, each of another node and in the order of `key`; `join` makes one of two things with one key.
fn merge<T>(
    pages: Vec<Page<T>>,
    limit: usize,
    key: impl Fn(&T) -> &str,
    join: impl Fn(&mut T, T),
) -> Page<T> {
    let mut has_more = pages.iter().any(|page| page.next.is_some());
    let mut merged: BTreeMap<String, T> = BTreeMap::new();
    for item in pages.into_iter().flat_map(|page| page.items) {
        let name = key(&item).to_owned();
        match merged.get_mut(&name) {
            Some(known) => join(known, item),
            None => drop(merged.insert(name, item)),
        }
    }
    has_more |= merged.len() > limit;
    let items: Vec<T> = merged.into_values().take(limit).collect();
    let next = items.last().filter(|_| has_more).map(|last| key(last).to_owned());
    Page { items, next }
}

/// No tenant has this name.
pub(super) fn no_tenant() -> Refusal {
    Refusal::new(ErrorCode::MessageMalformed, "the question names no tenant")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Item = (&'static str, u32);

    fn page(items: &[Item], next: Option<&str>) -> Page<Item> {
        Page { items: items.to_vec(), next: next.map(str::to_owned) }
    }

    fn merged(pages: Vec<Page<Item>>, limit: usize) -> (Vec<Item>, Option<String>) {
        let page = merge(pages, limit, |it| it.0, |one, other| one.1 += other.1);
        (page.items, page.next)
    }

    #[test]
    fn what_several_nodes_have_is_listed_once_in_order_and_in_parts() {
        let one = page(&[("a", 1), ("c", 1)], Some("c"));
        let other = page(&[("b", 1), ("c", 2)], None);
        let (items, next) = merged(vec![one, other], 2);
        assert_eq!((items, next.as_deref()), (vec![("a", 1), ("b", 1)], Some("b")));
        // Behind "b".
        let one = page(&[("c", 1), ("d", 1)], Some("d"));
        let other = page(&[("c", 2)], None);
        let (items, next) = merged(vec![one, other], 2);
        assert_eq!((items, next.as_deref()), (vec![("c", 3), ("d", 1)], Some("d")));
        let (items, next) = merged(vec![page(&[("e", 1)], None), page(&[], None)], 2);
        assert_eq!((items, next), (vec![("e", 1)], None));
    }
}
