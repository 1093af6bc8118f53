//! What of the webhooks survives a restart, beside their places in the logs: which there were, and which are paused.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, PoisonError};

use foodtrack_contract::TenantId;
use serde::{Deserialize, Serialize};

use crate::data::{DataDir, DataDirError, MarkFile};

const FILE: &str = "webhooks";
/// How many pairs of webhook and tenant may be paused.
const PAUSES_MAX: usize = 10_000;

/// The file, and what it says.
pub(super) struct Kept {
    file: Option<MarkFile>,
    said: Mutex<Said>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    /// Webhooks that were there at the last start. Their place in a log that has none for them is its beginning.
    known: BTreeSet<String>,
    /// Tenants of which a webhook is told nothing for now.
    paused: BTreeMap<String, BTreeSet<String>>,
}

/// Why a pause is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("{PAUSES_MAX} pauses are kept and no more; resume some")]
    TooMany,
    #[error("the disk does not take it: {0}")]
    Io(#[from] io::Error),
}

impl Kept {
    /// Reads the directory's file; without a directory, all ends with the process.
    ///
    /// # Errors
    /// [`DataDirError`]: it cannot be read, or is not what a server wrote.
    pub(super) fn open(directory: Option<&DataDir>) -> Result<Self, DataDirError> {
        let Some(directory) = directory else {
            return Ok(Self { file: None, said: Mutex::default() });
        };
        let said = match directory.read(FILE)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                DataDirError::Damaged { file: directory.file(FILE), reason: error.to_string() }
            })?,
            None => Said::default(),
        };
        Ok(Self { file: Some(directory.mark(FILE)), said: Mutex::new(said) })
    }

    /// Whether a webhook of this name was there at the last start.
    pub(super) fn knows(&self, webhook: &str) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).known.contains(webhook)
    }

    /// From now on these are there, and no others. What others had paused is forgotten. Blocks for one fsync where that is news.
    ///
    /// # Errors
    /// What the system said; nothing changed.
    pub(super) fn set_known(&self, webhooks: &BTreeSet<String>) -> io::Result<()> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.known == *webhooks {
            return Ok(());
        }
        let mut next = said.clone();
        next.known.clone_from(webhooks);
        next.paused.retain(|webhook, _| webhooks.contains(webhook));
        self.write(&next)?;
        *said = next;
        Ok(())
    }

    /// Whether a webhook is told nothing of a tenant for now.
    pub(super) fn is_paused(&self, webhook: &str, tenant: &TenantId) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.paused.get(webhook).is_some_and(|tenants| tenants.contains(tenant.as_str()))
    }

    /// Pauses or resumes. Blocks for one fsync.
    ///
    /// # Errors
    /// [`KeepError`]; nothing changed.
    pub(super) fn set_paused(
        &self,
        webhook: &str,
        tenant: &TenantId,
        is_paused: bool,
    ) -> Result<(), KeepError> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = said.clone();
        if is_paused {
            next.paused.entry(webhook.into()).or_default().insert(tenant.as_str().into());
            if next.paused.values().map(BTreeSet::len).sum::<usize>() > PAUSES_MAX {
                return Err(KeepError::TooMany);
            }
        } else if let Some(tenants) = next.paused.get_mut(webhook) {
            tenants.remove(tenant.as_str());
        }
        self.write(&next)?;
        *said = next;
        Ok(())
    }

    fn write(&self, said: &Said) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.replace(&serde_json::to_vec(said)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paused_stays_so_after_a_restart_until_its_webhook_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let [roma, milano] = ["roma", "milano"].map(|name| TenantId::parse(name).unwrap());
        let open = || {
            let directory = DataDir::open(folder.path()).unwrap();
            Kept::open(Some(&directory)).unwrap()
        };
        let both: BTreeSet<String> = ["billing".into(), "crm".into()].into();
        let kept = open();
        assert!(!kept.knows("billing"));
        kept.set_known(&both).unwrap();
        kept.set_paused("billing", &roma, true).unwrap();
        kept.set_paused("crm", &roma, true).unwrap();
        kept.set_paused("crm", &roma, false).unwrap();
        let kept = open();
        assert!(kept.knows("billing") && kept.is_paused("billing", &roma));
        assert!(!kept.is_paused("billing", &milano) && !kept.is_paused("crm", &roma));
        kept.set_known(&["crm".into()].into()).unwrap();
        kept.set_known(&both).unwrap();
        assert!(!open().is_paused("billing", &roma));
    }
}
