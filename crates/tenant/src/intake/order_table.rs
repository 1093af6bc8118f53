//! What memory knows of orders, each by its name.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::Offset;

/// What is known of one order.
pub(super) trait OrderFact {
    /// The bytes of text that it holds.
    fn text_bytes(&self) -> usize;
}

/// One fact of each order, as far as memory knows.
///
/// What was forgotten here must be looked up. What is not on disk yet is not forgotten, for there it would not be found.
#[derive(Debug)]
pub(super) struct OrderTable<F> {
    orders: AHashMap<Arc<str>, Known<F>>,
    /// Oldest first. An order that is not here any more is still listed, by a number that is nobody's.
    listed: VecDeque<(u64, Arc<str>)>,
    number: u64,
    /// Whether the log says nothing of what is not here: then nothing need be looked up.
    is_whole: bool,
    /// Up to here the log has everything on disk.
    committed: Offset,
    max: usize,
    /// What the texts of `orders` take.
    text_bytes: usize,
}

#[derive(Debug)]
struct Known<F> {
    fact: F,
    number: u64,
    /// The entry that said so, if this server accepted it.
    said_at: Offset,
}

impl<F> Default for OrderTable<F> {
    fn default() -> Self {
        Self {
            orders: AHashMap::new(),
            listed: VecDeque::new(),
            number: 0,
            is_whole: false,
            committed: Offset::ZERO,
            max: 0,
            text_bytes: 0,
        }
    }
}

impl<F: OrderFact> OrderTable<F> {
    /// A log was opened. `is_whole` where it says nothing of orders that are not here.
    pub(super) fn opened(&mut self, is_whole: bool, max: usize) {
        (self.is_whole, self.max) = (is_whole, max);
    }

    /// Whether the log says nothing of what is not here.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn get(&self, order: &str) -> Option<&F> {
        self.orders.get(order).map(|known| &known.fact)
    }

    /// The entry that said what is known of an order.
    pub(super) fn said_at(&self, order: &str) -> Option<Offset> {
        self.orders.get(order).map(|known| known.said_at)
    }

    /// The log has everything on disk up to here.
    pub(super) fn committed(&mut self, through: Offset) {
        self.committed = self.committed.max(through);
    }

    /// Takes an order out, of which the log says nothing.
    pub(super) fn remove(&mut self, order: &str) {
        if let Some((order, known)) = self.orders.remove_entry(order) {
            self.text_bytes -= text_bytes(&order, &known.fact);
        }
    }

    /// Takes an order out, of which the log may say something.
    pub(super) fn forget(&mut self, order: &str) {
        self.remove(order);
        self.is_whole = false;
    }

    /// Forgets what the log can be asked for.
    pub(super) fn give_up(&mut self) {
        let (before, committed) = (self.orders.len(), self.committed);
        let kept = std::mem::take(&mut self.orders);
        let is_kept = |(_, known): &(Arc<str>, Known<F>)| known.said_at > committed;
        self.orders = kept.into_iter().filter(is_kept).collect();
        self.is_whole &= self.orders.len() == before;
        let orders = &self.orders;
        self.listed
            .retain(|(number, order)| orders.get(order).map(|it| it.number) == Some(*number));
        self.listed.shrink_to_fit();
        self.text_bytes = orders.iter().map(|(order, it)| text_bytes(order, &it.fact)).sum();
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.orders.capacity() * (size_of::<(Arc<str>, Known<F>)>() + 1)
            + self.listed.capacity() * size_of::<(u64, Arc<str>)>()
            + self.text_bytes
    }

    /// Notes what the entry at `said_at` says of an order, in the place of what was known.
    pub(super) fn insert(&mut self, order: &str, fact: F, said_at: Offset) {
        self.number += 1;
        let (number, order): (u64, Arc<str>) = (self.number, order.into());
        self.listed.push_back((number, Arc::clone(&order)));
        self.text_bytes += text_bytes(&order, &fact);
        let new = Known { fact, number, said_at };
        if let Some(old) = self.orders.insert(Arc::clone(&order), new) {
            self.text_bytes -= text_bytes(&order, &old.fact);
        }
        while self.orders.len() > self.max
            && let Some((number, oldest)) = self.listed.front()
        {
            if let Some(known) = self.orders.get(oldest).filter(|it| it.number == *number) {
                if known.said_at > self.committed {
                    break;
                }
                self.text_bytes -= text_bytes(oldest, &known.fact);
                self.orders.remove(oldest);
                self.is_whole = false;
            }
            self.listed.pop_front();
        }
        if self.listed.len() > 2 * self.orders.len().max(self.max) {
            let orders = &self.orders;
            let is_listed = |(number, order): &(u64, Arc<str>)| {
                orders.get(order).map(|it| it.number) == Some(*number)
            };
            self.listed.retain(is_listed);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    #[cfg(test)]
    pub(super) fn listed_len(&self) -> usize {
        self.listed.len()
    }

    #[cfg(test)]
    pub(super) fn all_text_bytes(&self) -> usize {
        self.text_bytes
    }
}

/// What the texts of an order take, as allocators give it out.
fn text_bytes(order: &str, fact: &impl OrderFact) -> usize {
    // An `Arc` counts its references in two words.
    allocated(order.len() + 16) + fact.text_bytes()
}

/// What an allocation takes: with 8 bytes of the allocator's own, in sixteens, and 32 at least.
pub(super) fn allocated(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}
