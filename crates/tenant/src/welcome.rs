//! What a client that came in is told of its session.

use foodtrack_wire::Sid;

use crate::connection_slot::ConnectionSlot;
use crate::tenant::Tenant;

/// A session that began, or is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Its public id.
    pub sid: Sid,
    /// What it brings when it comes again; `None` where its tenant's log is not known, so that there is nothing to come back to.
    pub pid: Option<String>,
    /// Whether it is back.
    pub is_recovered: bool,
}

impl Welcome {
    /// The JSON object of the answer to a Socket.IO client's CONNECT.
    pub fn to_json(&self) -> String {
        let sid = self.sid.as_str();
        match &self.pid {
            Some(pid) => format!("{{\"sid\":\"{sid}\",\"pid\":\"{pid}\"}}"),
            None => format!("{{\"sid\":\"{sid}\"}}"),
        }
    }
}

impl Tenant {
    /// The JSON object that tells a client without a Socket.IO library who it is here; `None` where it has gone.
    pub fn introduction(&self, client: ConnectionSlot, welcome: &Welcome) -> Option<String> {
        let connection = self.present(client)?;
        let mut about = serde_json::json!({
            "sid": welcome.sid.as_str(),
            "recovered": welcome.is_recovered,
            "tenant": self.id.as_str(),
            "user": connection.principal.user().as_str(),
            "role": connection.principal.role(),
            "application": connection.application,
        });
        if let (Some(pid), Some(fields)) = (&welcome.pid, about.as_object_mut()) {
            fields.insert("session".to_owned(), pid.as_str().into());
        }
        Some(about.to_string())
    }
}
