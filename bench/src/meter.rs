//! What the processes of a load use while it is measured.

use std::time::{Duration, Instant};

use crate::figures::Column;
use crate::server_process::{self, Cpu, ServerError};
use crate::servers::Servers;

/// What processes used that have no part in the load.
const OTHERS: &str = "others, both cores %";

/// What speaks against figures: a machine that others use; nothing where it is quiet.
pub(crate) fn caveat(columns: &[Column]) -> Option<String> {
    let others = columns.iter().filter_map(|column| column.get(OTHERS)).fold(0.0, f64::max);
    crate::report::not_quiet(others)
}

/// A measurement under way.
pub(crate) struct Meter {
    cores: [usize; 2],
    at: Instant,
    generator: Cpu,
    busy_us: f64,
}

/// What was used. What each server used, [`Servers`] knows.
pub(crate) struct Used {
    pub(crate) elapsed: Duration,
    generator_us: f64,
    /// CPU time that both cores spent on anything.
    busy_us: f64,
}

impl Meter {
    /// Begins to measure. `cores` are the servers' and the generator's.
    ///
    /// # Errors
    /// A server has ended.
    pub(crate) fn start(servers: &mut Servers, cores: [usize; 2]) -> Result<Self, ServerError> {
        servers.begin()?;
        let generator = server_process::cpu("self")?;
        Ok(Self { cores, at: Instant::now(), generator, busy_us: server_process::busy_us(cores)? })
    }

    /// # Errors
    /// A server has ended.
    pub(crate) fn until_now(&self, servers: &mut Servers) -> Result<Used, ServerError> {
        servers.read()?;
        Ok(Used {
            elapsed: self.at.elapsed(),
            generator_us: server_process::cpu("self")?.since(self.generator).total_us(),
            busy_us: server_process::busy_us(self.cores)? - self.busy_us,
        })
    }
}

impl Used {
    /// Adds which part of a core each process used.
    pub(crate) fn add_cores(&self, servers: &Servers, column: &mut Column) {
        let elapsed_us = self.elapsed.as_secs_f64() * 1e6;
        let percent = |us: f64| 100.0 * us / elapsed_us;
        for process in servers.all() {
            column.add(format!("{}: core %", process.name), percent(process.used_us));
        }
        column.add("all servers: core %", percent(servers.used_us()));
        let others_us = (self.busy_us - servers.used_us() - self.generator_us).max(0.0);
        column.add("generator: core %", percent(self.generator_us));
        column.add(OTHERS, percent(others_us) / 2.0);
    }
}
