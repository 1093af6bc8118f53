//! Tokens that are refused before their end: who is here with one is told, and sent away for good.

use foodtrack_contract::{ErrorCode, EventType, Refusal, Revocation, RevocationTarget};

use crate::admission::Admission;
use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::hook::PermitsOf;
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Whether a client may still come in. Its token was looked at before it was on its way here.
    ///
    /// # Errors
    /// `token_revoked`.
    pub(crate) fn check_standing(
        turn: &Turn<'_, impl Effects>,
        admission: &Admission,
        session: Option<&str>,
    ) -> Result<(), Refusal> {
        let now_s = turn.now.wall_ms / 1_000;
        let device = admission.device.as_ref();
        turn.settings.authenticator.check_standing(&admission.principal, device, session, now_s)
    }

    /// Ends the connections that a revocation is about. Returns how many there were.
    pub(crate) fn revoke_tokens(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        revocation: &Revocation,
    ) -> usize {
        let covered = self.members.iter().filter(|(_, it)| {
            revocation.covers(&it.principal, it.device.as_ref(), Some(it.id.as_str()))
        });
        let ended: Vec<ConnectionSlot> = covered.map(|(_, it)| it.slot).collect();
        for slot in &ended {
            self.forget_permits_of(turn, *slot);
            self.send_off_revoked(turn, *slot);
        }
        let whose = match &revocation.target {
            RevocationTarget::User(user) => Some(PermitsOf::User(user)),
            RevocationTarget::Device(device) => Some(PermitsOf::Device(device)),
            RevocationTarget::Tenant => Some(PermitsOf::Tenant),
            RevocationTarget::Token(_) | RevocationTarget::Session(_) => None,
        };
        whose.into_iter().for_each(|whose| turn.effects.forget_permits(&self.id, whose));
        ended.len()
    }

    /// What the business back end allowed it counts no more.
    fn forget_permits_of(&self, turn: &mut Turn<'_, impl Effects>, slot: ConnectionSlot) {
        if let Some(connection) = self.present(slot) {
            let user = connection.principal.user().as_str();
            turn.effects.forget_permits(&self.id, PermitsOf::User(user));
        }
    }

    fn send_off_revoked(&mut self, turn: &mut Turn<'_, impl Effects>, slot: ConnectionSlot) {
        let message =
            "the token was revoked: this connection has ended, and does not come back with it";
        let refusal = Refusal::new(ErrorCode::TokenRevoked, message);
        self.tell(turn, slot, EventType::SystemError, &refusal.to_json());
        turn.effects.disconnect(slot);
        // Nothing more is sent to it, and what it still sends is nobody's.
        self.let_go(turn, slot.place(), ErrorCode::TokenRevoked.as_str());
        turn.effects.release(slot);
    }
}
