//! What shards tell of connections, as records.

use foodtrack_contract::{ApplicationType, ErrorCode};
use foodtrack_shard::{ConnectionAudit, ConnectionChange, ConnectionNews};

use super::audit_log::{AuditLog, Share};
use super::record::AuditEntry;

impl ConnectionAudit for AuditLog {
    fn tell(&self, news: &ConnectionNews<'_>) {
        let is_told = match news.change {
            ConnectionChange::Connected { .. } => self.has_connections(),
            ConnectionChange::Refused(_) => true,
            ConnectionChange::Disconnected(reason) => {
                self.has_connections() || is_somebodys_doing(reason)
            }
        };
        if is_told {
            self.tell_of(Share::Rest, news.principal.tenant(), || entry(news));
        }
    }

    fn stranger_refused(&self, code: ErrorCode) {
        Self::stranger_refused(self, code);
    }
}

/// Whether a connection ended because somebody ended it.
fn is_somebodys_doing(reason: &str) -> bool {
    reason == "disconnected" || reason == ErrorCode::TokenRevoked.as_str()
}

fn entry(news: &ConnectionNews<'_>) -> AuditEntry {
    let application = news.application.map_or("system", ApplicationType::as_str);
    let about = |act: &'static str| AuditEntry {
        application: Some(application.into()),
        device: news.device.map(|device| device.as_str().to_owned()),
        connection: news.connection.map(str::to_owned),
        address: Some(news.address.to_string()),
        ..AuditEntry::new(act).by(news.principal)
    };
    match news.change {
        ConnectionChange::Connected { is_recovered: true } => {
            about("client.connected").because("its session is back")
        }
        ConnectionChange::Connected { is_recovered: false } => about("client.connected"),
        ConnectionChange::Refused(code) => {
            AuditEntry { code: Some(code.as_str().into()), ..about("client.refused") }
        }
        ConnectionChange::Disconnected(reason) => about("client.disconnected").because(reason),
    }
}
