//! Devices of a tenant that several nodes have open. Who is where stands beside the log, and changes with the entry that says so: a
//! device is told of when it comes to the first node, and when it has gone from the last.

use foodtrack_contract::HubEvent;
use foodtrack_tenant_log::{Fact, LeftDevice, ReadError, SubscriberKey};
use uuid::Uuid;

use crate::effects::Effects;
use crate::followed_devices::SaidOf;
use crate::hub_events::{AGAIN_MS, at, device};
use crate::read_job::{Asker, Job, ReadJob};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// A device is here.
    pub(crate) fn say_device_came(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        key: &SubscriberKey,
    ) {
        let payload = at(turn, device(key));
        let id = turn.effects.new_message_id();
        self.devices.said(id, SaidOf::Came(key.clone()));
        let event = (HubEvent::DeviceOnline, id);
        self.tell_of_device(turn, event, Fact::Came(key), &payload);
        // Whoever watches finds those of nodes that end.
        self.watch_over(turn);
    }

    /// A device has gone from this node, and has not come back to it.
    pub(crate) fn say_device_went(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        key: &SubscriberKey,
    ) {
        let payload = at(turn, device(key));
        let id = turn.effects.new_message_id();
        self.devices.said(id, SaidOf::Went(key.clone()));
        let event = (HubEvent::DeviceOffline, id);
        self.tell_of_device(turn, event, Fact::Went { device: key, from: None }, &payload);
    }

    /// What was said of a device is not in the log.
    pub(crate) fn device_not_told(&mut self, turn: &Turn<'_, impl Effects>, id: Uuid) {
        self.devices.is_not_known(id, turn.now.monotonic_ms + AGAIN_MS);
    }

    /// Says of all devices that are here that they are: the log may have forgotten it, or be another one.
    pub(crate) fn say_who_is_here(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if !turn.policies.hub_events.has_devices(&self.id) {
            return;
        }
        let here: Vec<SubscriberKey> = self.devices.here().cloned().collect();
        here.iter().for_each(|key| self.say_device_came(turn, key));
        let places: Vec<u32> = self.members.iter().map(|(place, _)| place).collect();
        places.into_iter().for_each(|place| self.device_came(turn, place));
    }

    /// Asks which devices are at nodes that have gone, where that is this node's to ask.
    pub(crate) fn ask_for_left_devices(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if turn.policies.hub_events.has_devices(&self.id) && turn.effects.want_watch(&self.id) {
            let serial = self.next_serial();
            turn.effects.read(&self.id, Asker::Log(serial), ReadJob(Job::LeftDevices));
        }
    }

    /// Hears of them: they are away when they have not come to another node in time.
    pub(crate) fn hear_of_left_devices(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        left: Result<Vec<LeftDevice>, ReadError>,
    ) {
        let now_ms = turn.now.monotonic_ms;
        let left = match left {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(tenant = self.id.as_str(), %error, "devices at nodes that have gone are not known yet");
                return self.devices.ask_at(now_ms + AGAIN_MS);
            }
        };
        let after_ms = turn.recovery.offline_after_ms;
        for LeftDevice { device: key, node } in self.devices.are_left(left, now_ms, after_ms) {
            let payload = at(turn, device(&key));
            let event = (HubEvent::DeviceOffline, turn.effects.new_message_id());
            let fact = Fact::Went { device: &key, from: Some(&node) };
            self.tell_of_device(turn, event, fact, &payload);
            // If that is not kept, it is found again.
            self.devices.ask_at(now_ms + AGAIN_MS);
        }
        self.rest_from_watching(turn);
    }
}
