//! What waits for somebody who is away: everything behind their cursor, which operators may move.

use foodtrack_contract::{Cursor, ErrorCode, Offset, Refusal};
use foodtrack_tenant_log::{SavedCursor, SubscriberKey};

use crate::appending::{away, not_taken};
use crate::effects::Effects;
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Moves where a subscriber that is not here begins when it comes.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`]: it is here, or the log does not reach so far. The log's own, where it does not take it.
    pub(crate) fn move_queue(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        key: &SubscriberKey,
        through: Offset,
    ) -> Result<(), Refusal> {
        if let Some(reason) = self.ledger.away() {
            return Err(away(reason));
        }
        let Some(position) = self.ledger.position() else { return Err(self.log_unknown()) };
        if through > position.delivered_through {
            let sentence = "the log has not come so far: name a cursor of its own";
            return Err(Refusal::new(ErrorCode::Conflict, sentence));
        }
        if !self.reliability.forget(key) {
            let sentence = "it is connected and gets its events now: disconnect it first";
            return Err(Refusal::new(ErrorCode::Conflict, sentence));
        }
        let cursor = Cursor::new(position.epoch, through);
        let saved = SavedCursor { cursor, updated_at_ms: turn.now.believed_ms };
        turn.effects.save_cursor(&self.id, key, saved).map_err(not_taken)
    }
}
