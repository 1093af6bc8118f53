//! Keeps a schedule's hub as the schedule wants it: up, killed, stopping, or coming back.

use std::time::{Duration, Instant};

use crate::hub::{Hub, HubError, Status};
use crate::recorder::Recorder;
use foodtrack_history_checker::What;

/// How long a hub that is asked to stop may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Between a start that failed and the next: a hub on a full disk may not be able to.
const START_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Supervisor {
    hub: Hub,
    /// Its number, where it is one of several.
    node: Option<usize>,
    recorder: Recorder,
    wish: Wish,
    /// Starts that failed.
    pub(super) failed_starts: u32,
}

#[derive(Clone, Copy)]
enum Wish {
    /// It is up, and is to stay so.
    Up,
    /// It is to start at this time.
    StartAt(Instant),
    /// It was started.
    Starting,
    /// It was asked to stop, to start so long after it did.
    Stopping { asked: Instant, down: Duration },
}

impl Supervisor {
    /// Starts the hub.
    pub(super) fn start(
        mut hub: Hub,
        node: Option<usize>,
        recorder: &Recorder,
    ) -> Result<Self, HubError> {
        hub.start_and_wait(Duration::from_secs(20))?;
        let recorder = recorder.clone();
        let supervisor = Self { hub, node, recorder, wish: Wish::Up, failed_starts: 0 };
        supervisor.note_up();
        Ok(supervisor)
    }

    /// The process, while there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.hub.pid()
    }

    fn note_up(&self) {
        self.recorder.note(self.node.map_or(What::HubUp, |node| What::NodeUp { node }));
    }

    fn note_killed(&self) {
        self.recorder.note(self.node.map_or(What::HubKilled, |node| What::NodeKilled { node }));
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.wish, Wish::Up)
    }

    pub(super) fn kill(&mut self, down: Duration) {
        if matches!(self.wish, Wish::StartAt(_)) {
            return;
        }
        self.note_killed();
        self.hub.kill();
        self.wish = Wish::StartAt(Instant::now() + down);
    }

    pub(super) fn stop(&mut self, down: Duration) {
        if self.is_up() {
            let stopping = self.node.map(|node| What::NodeStopping { node });
            self.recorder.note(stopping.unwrap_or(What::HubStopping));
            self.hub.terminate();
            self.wish = Wish::Stopping { asked: Instant::now(), down };
        }
    }

    /// Does what is due.
    pub(super) fn turn(&mut self) -> Result<(), HubError> {
        let now = Instant::now();
        match self.wish {
            Wish::StartAt(at) if at <= now => {
                self.hub.start()?;
                self.wish = Wish::Starting;
            }
            Wish::StartAt(_) => {}
            Wish::Starting => match self.hub.status() {
                Status::Up => {
                    self.note_up();
                    self.wish = Wish::Up;
                }
                Status::Down => {
                    self.failed_starts += 1;
                    self.wish = Wish::StartAt(now + START_AGAIN);
                }
                Status::Starting => {}
            },
            Wish::Stopping { asked, down } => {
                if self.hub.status() == Status::Down {
                    if !self.hub.last_exit().is_some_and(|exit| exit.success()) {
                        let about = format!("asked to stop, the hub: {:?}", self.hub.last_exit());
                        self.recorder.note(What::Stuck { about });
                    }
                    self.wish = Wish::StartAt(now + down);
                } else if asked.elapsed() > STOP_TIMEOUT {
                    let about = String::from("the hub does not stop");
                    self.recorder.note(What::Stuck { about });
                    self.kill(down);
                }
            }
            Wish::Up => {
                if self.hub.status() == Status::Down {
                    let about = format!("the hub ended by itself: {:?}", self.hub.last_exit());
                    self.recorder.note(What::Stuck { about });
                    // Whatever it had in memory alone is gone.
                    self.note_killed();
                    self.wish = Wish::StartAt(now);
                }
            }
        }
        Ok(())
    }
}
