//! One client, one request at a time: emit with an acknowledgement, wait for it, repeat.

use std::time::Duration;

use super::{Fixture, OPEN_TIMEOUT, Snapshot, TENANT, WorkloadError};
use crate::dialect::{Dialect, Refused};
use crate::frame::{Opcode, encode};
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::stamp::{self, Template};
use crate::swarm::Attention;

struct Asker {
    dialect: Dialect,
    template: Template,
    asked_ns: u64,
    latencies: Latencies,
}

impl Asker {
    fn on_frame(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.dialect.is_answer(payload)? {
            let now_ns = stamp::now_ns();
            self.latencies.push(now_ns - self.asked_ns);
            self.asked_ns = now_ns;
            encode(Opcode::Text, self.template.stamped(now_ns), out);
        }
        Ok(())
    }
}

/// Runs the load.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let template = fixture.swarm.dialect().request();
    Ok(vec![ask(fixture, "request, 1 in flight", template)?])
}

/// One client says `template` again and again, each time once it was answered.
pub(super) fn ask(
    fixture: &mut Fixture,
    name: &str,
    template: Template,
) -> Result<Cell, WorkloadError> {
    let member = fixture.member(TENANT, "asker", Vec::new())?;
    let client = fixture.swarm.open(vec![(member, Attention::Watches)], OPEN_TIMEOUT)?;
    let dialect = fixture.swarm.dialect();
    let latencies = Latencies::default();
    let mut asker = Asker { dialect, template, asked_ns: stamp::now_ns(), latencies };
    fixture.swarm.send(client, asker.template.stamped(asker.asked_ns))?;
    fixture.swarm.run_for(fixture.pace.warm_up, &mut |_, p, out| asker.on_frame(p, out))?;
    asker.latencies.clear();
    let start = Snapshot::take(fixture)?;
    // A clock tick of CPU time is a lot beside one request, so this window is longer.
    let duration: Duration = fixture.pace.measured.mul_f32(1.5);
    fixture.swarm.run_for(duration, &mut |_, p, out| asker.on_frame(p, out))?;
    let measured = start.until_now(fixture)?;
    let requests = asker.latencies.len();
    if requests == 0 {
        return Err(WorkloadError::Silence { cell: name.to_owned(), waited: duration });
    }
    let cell = measured.cell(name, &mut asker.latencies);
    Ok(cell.with(Metric::CpuUsPerRequest, measured.server.total_us() / requests as f64))
}
