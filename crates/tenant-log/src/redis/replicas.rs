//! Waiting until replicas have what was written.

use std::time::Duration;

use redis::{Pipeline, RedisError, Value};

use super::batch::Step;

/// How long it is waited for replicas that did not have it the last time: whatever comes behind it waits as well.
const LOOK_FOR: Duration = Duration::from_millis(100);

/// How many replicas must have a durable entry.
#[derive(Debug)]
pub(super) struct Replicas {
    wanted: u16,
    patience: Duration,
    is_lacking: bool,
}

impl Replicas {
    pub(super) fn new(wanted: u16, patience: Duration) -> Self {
        Self { wanted, patience, is_lacking: false }
    }

    /// Whether fewer than must had what was written last.
    pub(super) fn is_lacking(&self) -> bool {
        self.is_lacking
    }

    /// Adds to a pipeline of such a step that it waits for them. Returns whether it does.
    pub(super) fn wait_behind(&self, pipeline: &mut Pipeline, is_for_them: bool) -> bool {
        if self.wanted == 0 || !is_for_them {
            return false;
        }
        let patience = if self.is_lacking { LOOK_FOR } else { self.patience };
        let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        // 0 would be without end.
        pipeline.cmd("WAIT").arg(self.wanted).arg(milliseconds.max(1));
        true
    }

    /// Hears how many have it. A server that cannot say has none.
    pub(super) fn heard(&mut self, answer: Option<&Result<Value, RedisError>>) {
        self.is_lacking = match answer {
            Some(Ok(Value::Int(replicas))) => *replicas < i64::from(self.wanted),
            _ => true,
        };
    }

    /// Whether a step is to be followed by waiting: somebody is to be told that it is kept, or it is looked whether they are back.
    pub(super) fn is_for(step: &Step) -> bool {
        step.is_durable() || matches!(step, Step::Probe)
    }
}
