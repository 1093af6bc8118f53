//! A tenant's effects over the shard's reactor and its link to the log.

use foodtrack_contract::TenantId;
use foodtrack_session::NamespaceId;
use foodtrack_tenant_log::{EntryRef, SubmitError, TenantLog};
use foodtrack_transport::{
    ClientKey, CloseReason, FrameId, FrameMeta, PacketKind, PacketParts, Reactor,
};
use foodtrack_wire::socket_io;

use crate::cursor_suffix::CursorSuffix;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::log_link::{Asker, LogLink, OwnerAsker, ReadJob};
use crate::tag::Tag;

/// The effects of one tenant's turn.
pub(crate) struct ShardEffects<'s> {
    pub(super) io: &'s mut Reactor,
    pub(super) log: &'s mut LogLink,
}

impl Effects for ShardEffects<'_> {
    type Frame = FrameId;

    fn encode(&mut self, event: &EventFrame<'_>) -> FrameId {
        with_parts(event, |parts| self.io.frame(parts, |out| event.write_arguments(out)))
    }

    #[inline]
    fn send(&mut self, to: ClientKey, frame: FrameId) -> bool {
        self.io.send(to, frame)
    }

    fn send_event(&mut self, to: ClientKey, event: &EventFrame<'_>) {
        with_parts(event, |parts| {
            self.io.send_packet(to, parts, |out| event.write_arguments(out));
        });
    }

    fn emit(
        &mut self,
        to: ClientKey,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    ) {
        let meta = FrameMeta { place: suffix.place(), ..FrameMeta::default() };
        with_suffix(suffix, |shared| {
            let parts =
                PacketParts { suffix: shared, ..PacketParts::event(NamespaceId::ROOT, meta) };
            self.io.send_packet(to, &parts, |out| {
                socket_io::write_json_string(out, event);
                out.push(b',');
                argument(out);
                suffix.write_own(out);
            });
        });
    }

    fn acknowledge(&mut self, to: ClientKey, id: u64, answer: impl FnOnce(&mut Vec<u8>)) {
        self.io.send_packet(to, &PacketParts::ack(NamespaceId::ROOT, id), answer);
    }

    fn take_unsayable(&mut self) -> Vec<ClientKey> {
        self.io.take_unsayable()
    }

    fn ping(&mut self, to: ClientKey, mark: u64) {
        self.io.ping(to, mark);
    }

    fn close(&mut self, who: ClientKey, reason: CloseReason) {
        self.io.close(who, reason);
    }

    fn disconnect(&mut self, who: ClientKey) {
        self.io.disconnect(who, NamespaceId::ROOT);
        self.io.close(who, CloseReason::Disconnected);
    }

    fn place_of(&self, client: ClientKey) -> Option<u32> {
        Tag::of(self.io, client).map(|tag| tag.place)
    }

    fn is_backlogged(&self, client: ClientKey) -> bool {
        self.io.is_backlogged(client)
    }

    fn tell_when_drained(&mut self, client: ClientKey) {
        self.io.tell_when_drained(client);
    }

    fn is_polling(&self, client: ClientKey) -> bool {
        self.io.is_polling(client)
    }

    fn heard_ms(&self, client: ClientKey) -> u64 {
        self.io.heard_ms(client)
    }

    fn is_log_in_memory(&self) -> bool {
        self.log.is_in_memory
    }

    fn submit(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) -> Result<(), SubmitError> {
        self.log.submit(tenant, entry)
    }

    fn log(&mut self) -> &dyn TenantLog {
        self.log.log()
    }

    fn read(&mut self, tenant: &TenantId, asker: Asker, job: ReadJob) {
        self.log.read(tenant, asker, job);
    }

    fn read_owners(&mut self, tenant: &TenantId, asker: OwnerAsker, orders: Vec<Box<str>>) {
        self.log.read_owners(tenant, asker, orders);
    }
}

/// Works with an event in the parts that a frame has.
fn with_parts<R>(event: &EventFrame<'_>, work: impl FnOnce(&PacketParts<'_>) -> R) -> R {
    with_suffix(event.suffix, |suffix| {
        work(&PacketParts {
            kind: PacketKind::Event { ack_id: event.ack_id },
            namespace: NamespaceId::ROOT,
            suffix,
            attachments: event.attachments,
            meta: event.meta,
        })
    })
}

/// Works with the part of a suffix that all recipients share.
fn with_suffix<R>(
    suffix: &CursorSuffix,
    work: impl FnOnce(Option<foodtrack_transport::CursorSuffix<'_>>) -> R,
) -> R {
    match suffix {
        CursorSuffix::At(epoch, offset) => work(Some(foodtrack_transport::CursorSuffix {
            epoch: epoch.digits().as_bytes(),
            offset: offset.get(),
        })),
        CursorSuffix::None | CursorSuffix::Behind(_) => work(None),
    }
}
