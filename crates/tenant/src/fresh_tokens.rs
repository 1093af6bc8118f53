//! Tokens that end: a client shows a fresh one of the same subject, or its transport closes.

use foodtrack_contract::{ErrorCode, EventType, Refusal};
use serde::Deserialize;

use crate::connection_slot::ConnectionSlot;
use crate::effects::{CloseReason, Effects};
use crate::now::rfc3339;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How long before its token ends a connection is told, in seconds; half of what is left, where that is less.
const TOKEN_WARNING_S: u64 = 60;
/// An alarm may come so much before its second: the two clocks are not read at once, and both are rounded.
const ALARM_EARLY_MS: u64 = 50;

/// The argument of `authenticate`: the token, or an object that names it.
#[derive(Deserialize)]
#[serde(untagged)]
enum FreshToken {
    Alone(String),
    Named { token: String },
}

impl Tenant {
    /// `authenticate`: a fresh token of the same subject takes the old one's place.
    pub(crate) fn renew_token(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        slot: ConnectionSlot,
        argument: &str,
        ack_id: Option<u64>,
    ) -> Result<(), Refusal> {
        let fresh: FreshToken = serde_json::from_str(argument).map_err(|_| {
            let message = "authenticate takes the token, or an object with the token";
            Refusal::new(ErrorCode::MessageMalformed, message)
        })?;
        let (FreshToken::Alone(token) | FreshToken::Named { token }) = fresh;
        let principal = turn.settings.authenticator.principal(&token, turn.now.wall_ms / 1_000)?;
        let expires_at_s = principal.expires_at_s();
        let Some(connection) = self.members.get(slot.place()) else { return Ok(()) };
        let opens = connection
            .application
            .is_none_or(|application| principal.applications().contains(application));
        if !connection.principal.same_subject(&principal) || !opens {
            let message = "the fresh token speaks for somebody else than this connection";
            return Err(Refusal::new(ErrorCode::TokenSubject, message));
        }
        self.members.renew(slot.place(), principal);
        let expires_at = rfc3339(expires_at_s.saturating_mul(1_000));
        let answer = format!("{{\"expiresAt\":\"{expires_at}\"}}");
        self.emit(turn, slot, "authenticated", &answer);
        if let Some(id) = ack_id {
            Self::acknowledge_success(turn, slot, id, &answer);
        }
        self.watch_token(turn, slot);
        Ok(())
    }

    /// Has the tenant told some time before a connection's token ends.
    pub(crate) fn watch_token(&self, turn: &mut Turn<'_, impl Effects>, slot: ConnectionSlot) {
        let Some(connection) = self.present(slot) else { return };
        let (now_s, ends_s) = (turn.now.wall_ms / 1_000, connection.token_ends_s());
        let warn_s = match ends_s.saturating_sub(now_s) {
            // It knows already that its token is to be replaced.
            _ if connection.is_in_grace() => ends_s,
            left_s if left_s <= TOKEN_WARNING_S => now_s + left_s / 2,
            _ => ends_s - TOKEN_WARNING_S,
        };
        turn.effects.watch_expiry(slot, warn_s);
    }

    /// A token may have ended: then the transport alone closes, and the client comes back by itself, with a fresh token. Before that it is
    /// warned once.
    pub(crate) fn token_ends(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(connection) = self.members.get(place) else { return };
        let slot = connection.slot;
        let expires_at_s = connection.token_ends_s();
        let now_s = (turn.now.wall_ms + ALARM_EARLY_MS) / 1_000;
        if expires_at_s > now_s + TOKEN_WARNING_S {
            return self.watch_token(turn, slot);
        }
        if expires_at_s > now_s {
            if !connection.is_in_grace() && !self.entering.contains_key(&place) {
                self.warn_of_expiry(turn, slot, expires_at_s);
            }
            return turn.effects.watch_expiry(slot, expires_at_s);
        }
        let message = "the token has expired: get a fresh one and connect again";
        self.tell_expired(turn, slot, message);
        turn.effects.close(slot, CloseReason::ServerClosed);
    }

    /// Tells a client that came back with a token that has just expired to show a fresh one.
    pub(crate) fn ask_for_fresh_token(&self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(connection) = self.members.get(place) else { return };
        let message = "the token has expired: emit authenticate with a fresh one, or the connection closes soon";
        self.tell_expired(turn, connection.slot, message);
    }

    fn warn_of_expiry(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        slot: ConnectionSlot,
        expires_at_s: u64,
    ) {
        let payload = serde_json::json!({
            "reason": "token_expiring",
            "message": "the token ends soon: emit authenticate with a fresh one, or the connection closes then",
            "expiresAt": rfc3339(expires_at_s.saturating_mul(1_000)),
        });
        turn.counters.tokens_expiring.add(1);
        self.tell(turn, slot, EventType::SystemReconnectionRequired, &payload.to_string());
    }

    fn tell_expired(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        slot: ConnectionSlot,
        message: &'static str,
    ) {
        let refusal = Refusal::new(ErrorCode::TokenExpired, message);
        self.tell(turn, slot, EventType::SystemError, &refusal.to_json());
    }
}
