//! Schedules of faults, made from a seed and judged by their histories.

mod back_end;
mod clients;
mod job;
mod plan;
mod run;
mod shared_redis;
mod supervisor;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub use plan::{Disturbance, Person, Plan, RedisKind, Setting, Step};
pub use run::{RunError, run};

use foodtrack_history_checker::{Record, Verdict, check, write_lines};

/// A number of schedules.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The schedules' seeds.
    pub seeds: Vec<u64>,
    /// The hub to test.
    pub hub: PathBuf,
    /// Where what is left of a failed schedule goes: its plan, its history, the hub's log.
    pub remains: PathBuf,
    /// Where they run.
    pub setting: Setting,
    /// Clients of the library in each, beside its own. They need Node and the packages of `tests/interop`.
    pub node_clients: usize,
    /// Schedules at once.
    pub jobs: usize,
    /// Without anything that goes wrong.
    pub calm: bool,
}

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Schedules that ran to their end.
    pub schedules: usize,
    /// All their broken promises.
    pub verdict: Verdict,
    /// What kept schedules from running.
    pub errors: Vec<String>,
}

impl Outcome {
    /// Whether every schedule ran and every promise held.
    pub fn holds(&self) -> bool {
        self.errors.is_empty() && self.verdict.holds()
    }
}

impl Campaign {
    /// Runs all schedules; tells of each that fails, as text.
    pub fn run(&self, tell: &(impl Fn(&str) + Sync)) -> Outcome {
        let next = AtomicUsize::new(0);
        let outcome = Mutex::new(Outcome::default());
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    while let Some(seed) = self.seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = self.one(*seed, tell);
                        // A thread that panicked leaves sums that are whole.
                        let mut outcome =
                            outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        match result {
                            Ok(verdict) => {
                                outcome.schedules += 1;
                                outcome.verdict.absorb(verdict);
                            }
                            Err(error) => {
                                outcome.errors.push(format!("--schedule-seed {seed}: {error}"));
                            }
                        }
                    }
                });
            }
        });
        outcome.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn one(&self, seed: u64, tell: &(impl Fn(&str) + Sync)) -> Result<Verdict, RunError> {
        let plan = match self.calm {
            true => Plan::calm(seed, self.setting),
            false => Plan::from_seed(seed, self.setting),
        };
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let records = match run(&plan, &self.hub, folder.path(), self.node_clients) {
            Ok(records) => records,
            Err(error) => {
                self.keep(&plan, &[], &Verdict::default(), folder.path())?;
                return Err(error);
            }
        };
        let verdict = check(&records);
        if !verdict.holds() {
            let kept = self.keep(&plan, &records, &verdict, folder.path())?;
            let first = verdict
                .violations
                .first()
                .map(|violation| format!("{:?}: {}", violation.kind, violation.about));
            tell(&format!(
                "--schedule-seed {seed}: {verdict}\n  {}\n  see {}",
                first.unwrap_or_default(),
                kept.display()
            ));
        }
        Ok(verdict)
    }

    fn keep(
        &self,
        plan: &Plan,
        records: &[Record],
        verdict: &Verdict,
        folder: &Path,
    ) -> io::Result<PathBuf> {
        let kept = self.remains.join(plan.seed.to_string());
        fs::create_dir_all(&kept)?;
        fs::write(kept.join("plan.txt"), plan.describe())?;
        write_lines(records, &mut BufWriter::new(File::create(kept.join("history.jsonl"))?))?;
        let mut violations = BufWriter::new(File::create(kept.join("violations.txt"))?);
        for violation in &verdict.violations {
            writeln!(violations, "{:?}: {}", violation.kind, violation.about)?;
        }
        violations.flush()?;
        for node in 0..plan.setting.nodes() {
            let log = run::node_folder(folder, plan.setting, node).join("hub.log");
            if log.is_file() {
                let name = match plan.setting {
                    Setting::Alone => String::from("hub.log"),
                    Setting::Cluster(_) => format!("node-{node}.log"),
                };
                fs::copy(log, kept.join(name))?;
            }
        }
        Ok(kept)
    }
}
