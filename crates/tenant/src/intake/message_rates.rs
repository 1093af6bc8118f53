//! Whether who sends an event is within the rates of their connection, their user and their tenant.

use foodtrack_contract::{ErrorCode, Refusal};

use super::Intake;
use crate::members::{Connection, User};
use crate::settings::TenantLimits;
use crate::shared_rate::Party;

/// An event that came over a rate.
pub(crate) struct OverRate {
    pub(crate) refusal: Refusal,
    /// Whether its sender is told also where they did not ask for an answer.
    pub(crate) tell: bool,
}

impl Intake {
    /// Takes an event's share of all the rates that it counts for.
    ///
    /// # Errors
    /// [`OverRate`]
    pub(crate) fn check_rates(
        &mut self,
        (connection, user): (&mut Connection, &mut User),
        bytes: usize,
        limits: &TenantLimits,
        now_ms: u64,
    ) -> Result<(), OverRate> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let party = Party::of(connection.principal.role(), connection.source);
        let of_connection = connection
            .messages
            .spend(limits.messages_per_connection, 1, now_ms)
            .and_then(|()| connection.bytes.spend(limits.bytes_per_connection, bytes, now_ms));
        // A back end speaks for its whole tenant.
        let mut of_user = || match party {
            Party::BackEnds => Ok(()),
            _ => user
                .messages
                .spend(limits.messages_per_user, 1, now_ms)
                .and_then(|()| user.bytes.spend(limits.bytes_per_user, bytes, now_ms)),
        };
        let (code, what, after_ms) = if let Err(after_ms) = of_connection {
            (ErrorCode::RateLimited, "connection", after_ms)
        } else if let Err(after_ms) = of_user() {
            (ErrorCode::RateLimited, "user, over all connections,", after_ms)
        } else if let Err(after_ms) = self.spend_message(party, limits.messages_per_tenant, now_ms)
        {
            (ErrorCode::TenantRateLimited, party.whose(), after_ms)
        } else {
            return Ok(());
        };
        let tell = connection.take_over_rate_notice(now_ms);
        let message = format!("the {what} sends more than the limit allows");
        let refusal = Refusal::new(code, message).retry_after_ms(u64::from(after_ms));
        Err(OverRate { refusal, tell })
    }
}
