//! Duties of tenants in Redis.

use std::time::Instant;

use foodtrack_contract::TenantId;
use redis::Value;

use super::RedisLog;
use super::keys::Part;
use super::lease_keeper::read_claim;
use super::values::{pairs, text};
use crate::{Duty, Lease, Leases, LeftDevice, ReadError, SubscriberKey};

impl Leases for RedisLog {
    fn claim(&self, tenant: &TenantId, duty: &Duty) -> Result<Option<Lease>, ReadError> {
        if let Some(lease) = self.leases.in_use(tenant, duty) {
            return Ok(Some(lease));
        }
        let of = (tenant.clone(), duty.clone());
        let ask = |command| {
            let mut pipeline = redis::pipe();
            pipeline.add_command(command);
            self.questions.ask(pipeline)
        };
        let asked_at = Instant::now();
        let answers = ask(self.builder.claim(&of, None))?;
        let answer = answers.first().unwrap_or(&Value::Nil);
        let claimed = read_claim(answer, asked_at, self.builder.options.lease);
        let strange = || ReadError::Store(String::from("Redis answers no claim of this version"));
        let lease = claimed.ok_or_else(strange)?;
        self.leases.claimed(&of, None, lease);
        if lease.is_some() && ask(self.builder.note_claim(&of)).is_err() {
            // The next roll call says it, and tells if it cannot.
            tracing::debug!("that a duty was claimed is not noted yet");
        }
        Ok(lease.filter(|it| it.is_valid_at(Instant::now())))
    }

    fn want(&self, tenant: &TenantId, duty: &Duty) -> bool {
        self.leases.want(tenant, duty)
    }

    fn lease(&self, tenant: &TenantId, duty: &Duty) -> Option<Lease> {
        self.leases.lease(tenant, duty)
    }

    fn left_devices(&self, tenant: &TenantId) -> Result<Vec<LeftDevice>, ReadError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HGETALL").arg(self.keys.part(tenant, Part::Devices));
        let answers = self.questions.ask(pipeline)?;
        let devices = answers.first().map(pairs).unwrap_or_default();
        let unknown = || ReadError::Store(String::from("it is not known yet which nodes live"));
        let mut left = Vec::new();
        for (device, nodes) in devices {
            let Some((device, nodes)) = text(device).and_then(SubscriberKey::new).zip(text(nodes))
            else {
                continue;
            };
            for node in nodes.split(' ') {
                if !self.leases.is_alive(node).ok_or_else(unknown)? {
                    left.push(LeftDevice { device: device.clone(), node: node.into() });
                }
            }
        }
        Ok(left)
    }

    fn rest(&self, tenant: &TenantId, duty: &Duty) {
        self.leases.rest(tenant, duty, self.known.get(tenant).is_some());
    }
}
