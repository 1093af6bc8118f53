//! Where a connection's catching up starts: at what it has, or at what its subscriber has confirmed.

use std::collections::VecDeque;

use foodtrack_contract::{Cursor, Offset};
use foodtrack_tenant_log::SavedCursor;

use super::{CatchUp, Start, Step};
use crate::log_link::{Asker, ReadJob};
use crate::replay_plan::{Owed, Plan};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Starts to bring a connection up to date. From now on what is sent to it says where it stands; [`Tenant::go_on`] sends
    /// what it missed, and it is live at once if that is nothing.
    pub(crate) fn start_catch_up(&mut self, turn: &mut Turn<'_>, place: u32, start: Start) {
        let Some(position) = self.ledger.position() else { return };
        let (epoch, delivered_through) = (position.epoch, position.delivered_through);
        let Some(connection) = self.members.get_mut(place) else { return };
        let subscriber = connection.subscriber;
        let known = self.reliability.subscriber(subscriber).and_then(|it| it.confirmed());
        let asks = turn.policies.delivery.any_acknowledged();
        let serial = turn.next_serial();
        let mut catch_up = CatchUp {
            serial,
            step: Step::Ready,
            cursor: Cursor::new(epoch, delivered_through),
            had: Cursor::new(epoch, Offset::ZERO),
            has_brought: matches!(start, Start::Recovered(_) | Start::Brought(_)),
            at: delivered_through,
            owed: Owed::These(Vec::new()),
            was_away: !matches!(start, Start::Recovered(_)),
            plan: Plan::default(),
            read: VecDeque::new(),
            has_lists: false,
            started_ms: turn.now.monotonic_ms,
            replayed: 0,
            began: None,
            session_start: None,
            left: Vec::new(),
            owns: Box::default(),
        };
        let brought = match start {
            Start::Recovered(cursor) | Start::Brought(cursor) => Some(cursor),
            Start::Confirmed => {
                catch_up.session_start = Some(delivered_through);
                None
            }
            Start::Since(since) => {
                catch_up.began = (!asks).then_some(since);
                catch_up.session_start = Some(since);
                (catch_up.cursor, catch_up.at) = (Cursor::new(epoch, since), since);
                None
            }
        };
        let mut to_find = None;
        if let Some(cursor) = &brought {
            (catch_up.cursor, catch_up.had) = (cursor.clone(), cursor.clone());
            catch_up.at = cursor.through();
        }
        match (brought, known) {
            (Some(cursor), None) if !asks => {
                // It brings back what it got: that is a confirmation.
                self.reliability.known(subscriber, cursor.through());
                self.save_cursor(turn, subscriber);
            }
            (Some(cursor), Some(_)) => {
                catch_up.owe(self.reliability.owed(subscriber, cursor.through()));
                self.arrived(turn, subscriber, cursor.through());
            }
            (None, Some(confirmed)) => {
                let confirmed = catch_up.not_beyond_began(confirmed);
                catch_up.cursor = Cursor::new(epoch, confirmed);
                (catch_up.had, catch_up.at) = (catch_up.cursor.clone(), confirmed);
                catch_up.owe(self.reliability.owed(subscriber, confirmed));
            }
            (brought, None) => {
                let since = self.reliability.here_since(subscriber, catch_up.at);
                if brought.is_none() {
                    (catch_up.cursor, catch_up.at) = (Cursor::new(epoch, since), since);
                }
                catch_up.step = Step::Finding;
                to_find = self.reliability.subscriber(subscriber).map(|it| it.key.clone());
                self.begin_cursor(turn, subscriber, &catch_up.cursor);
            }
        }
        self.members.set_behind(place, Box::new(catch_up));
        self.keep_where_it_goes_on(turn, place);
        let asker = Asker { place, serial };
        match to_find {
            // Memory keeps nobody waiting.
            Some(key) if turn.log.is_in_memory => {
                let saved = turn.log.log().cursor(&self.id, &key).ok().flatten();
                self.found(turn, place, saved);
            }
            Some(key) => turn.log.read(&self.id, asker, ReadJob::Cursor(key)),
            None => {}
        }
    }

    /// Keeps where a client is sent what it missed from, where that is before its session began: what it brings back when
    /// it comes again may be as old, and nothing older is its own.
    fn keep_where_it_goes_on(&mut self, turn: &mut Turn<'_>, place: u32) {
        let catch_up = self.members.get(place).and_then(|it| it.catch_up.as_ref());
        let Some(catch_up) = catch_up else { return };
        let (Some(start), Some(cursor)) = (catch_up.session_start, catch_up.cursor()) else {
            return;
        };
        let from = cursor.through();
        if from < start {
            self.keep_from(turn, place, from);
        }
    }

    /// The store said how far a subscriber had confirmed.
    pub(super) fn found(&mut self, turn: &mut Turn<'_>, place: u32, saved: Option<SavedCursor>) {
        let Some(position) = self.ledger.position() else { return };
        let (epoch, trimmed_through) = (position.epoch, position.trimmed_through);
        let asking = turn.policies.delivery.acknowledged();
        let Some(connection) = self.members.get_mut(place) else { return };
        let subscriber = connection.subscriber;
        let Some(catch_up) = connection.catch_up.as_mut() else { return };
        catch_up.step = Step::Ready;
        let has_brought = catch_up.has_brought;
        let mut lost = false;
        let confirmed = match saved {
            Some(saved) if saved.cursor.epoch() == epoch => saved.cursor.through(),
            // Its log is gone with what it missed.
            Some(_) => {
                lost = true;
                catch_up.cursor.through()
            }
            // Somebody who was never here has missed nothing.
            None => catch_up.cursor.through(),
        };
        if has_brought {
            // What it owes is somewhere behind; it has the rest.
            catch_up.owed = Owed::AllOf(asking);
            catch_up.at = confirmed.min(catch_up.had.through()).max(trimmed_through);
        } else {
            let at = catch_up.not_beyond_began(confirmed);
            (catch_up.cursor, catch_up.at) = (Cursor::new(epoch, at), at);
        }
        let through = catch_up.had.through();
        self.reliability.known(subscriber, confirmed);
        self.reliability.arrived(subscriber, through);
        self.save_cursor(turn, subscriber);
        self.keep_where_it_goes_on(turn, place);
        if lost {
            self.tell_reset(turn, place);
        }
    }
}
