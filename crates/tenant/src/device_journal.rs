//! What happened to a tenant's devices lately, for people who ask what became of an order. In memory alone, and only of this node.

use std::collections::VecDeque;

use foodtrack_tenant_log::SubscriberKey;

use crate::model::{DeviceNews, DeviceTurn};

/// So much is remembered of a tenant; of more, the oldest is forgotten. Each costs about 150 bytes.
pub(crate) const NEWS_MAX: usize = 256;

/// The newest turns of devices, oldest first.
#[derive(Debug, Default)]
pub(crate) struct DeviceJournal {
    news: VecDeque<DeviceNews>,
}

impl DeviceJournal {
    /// Remembers what happened to somebody.
    pub(crate) fn add(&mut self, subscriber: SubscriberKey, at_ms: u64, what: DeviceTurn) {
        if self.news.len() == NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(DeviceNews { subscriber, at_ms, what });
    }

    /// All that is remembered, oldest first.
    pub(crate) fn news(&self) -> Vec<DeviceNews> {
        self.news.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_forgets_the_oldest_beyond_its_bound() {
        let mut journal = DeviceJournal::default();
        let key = SubscriberKey::new("ada:kitchen_app:").unwrap();
        for at_ms in 0..NEWS_MAX as u64 + 3 {
            journal.add(key.clone(), at_ms, DeviceTurn::Went { reason: "left" });
        }
        let news = journal.news();
        assert_eq!((news.len(), news[0].at_ms), (NEWS_MAX, 3));
    }
}
