//! One node of several that share a log in Redis.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use foodtrack_tenant_log::{
    Answer, Completion, EntryRef, Fact, Head, LogAdmin, LogEntry, LogReader, LogWriter, RedisLog,
    RedisOptions, RefusedReason, StorageState, SubmitError, Submitted, TenantLog,
};
use test_support::RedisServer;

use crate::support::{KEEPS_ALL, entry, id, is_redis_here, offset, request, tenant};

const PATIENCE: Duration = Duration::from_secs(20);

/// One node's log, with the tenant `t` open.
pub(crate) struct Node {
    pub(crate) log: RedisLog,
    pub(crate) writer: Box<dyn LogWriter>,
    pub(crate) completions: Receiver<Completion>,
    pub(crate) head: Head,
}

pub(crate) fn options(server: &RedisServer) -> RedisOptions {
    let patience = Duration::from_millis(1_500);
    RedisOptions { url: server.url(), retention: KEEPS_ALL, patience, ..RedisOptions::default() }
}

impl Node {
    pub(crate) fn of(server: &RedisServer) -> Self {
        Self::with(&options(server))
    }

    pub(crate) fn with(options: &RedisOptions) -> Self {
        let (sender, completions) = channel();
        let log = RedisLog::open(options, Box::new(move |it| _ = sender.send(it))).unwrap();
        let writer = log.writer();
        let head = open(&log, &completions);
        Self { log, writer, completions, head }
    }

    pub(crate) fn open_again(&mut self) {
        self.head = open(&self.log, &self.completions);
    }

    pub(crate) fn submit_entry(&mut self, entry: &LogEntry) -> u64 {
        let submitted = self.writer.submit(&tenant("t"), &entry.by_ref()).unwrap();
        self.writer.flush();
        let Submitted::Later(ticket) = submitted else { panic!("{submitted:?}") };
        ticket
    }

    /// Appends an entry that tells something; returns what became of it.
    pub(crate) fn tell(&mut self, n: u64, fact: Fact<'_>) -> Answer {
        let entry = entry(offset(1), id(n));
        let told = EntryRef { fact: Some(fact), ..entry.by_ref() };
        let submitted = self.writer.submit(&tenant("t"), &told).unwrap();
        self.writer.flush();
        let Submitted::Later(ticket) = submitted else { panic!("{submitted:?}") };
        self.answer(ticket)
    }

    /// Whether something came meanwhile that says so; what came else is let go.
    pub(crate) fn is_told_that_something_is_left(&self) -> bool {
        self.completions.try_iter().any(|it| matches!(it, Completion::Abandoned { .. }))
    }

    pub(crate) fn submit(&mut self, n: u64) -> u64 {
        self.submit_entry(&entry(offset(1), id(n)))
    }

    pub(crate) fn next(&self, is_wanted: impl Fn(&Completion) -> bool) -> Completion {
        next(&self.completions, is_wanted)
    }

    pub(crate) fn answer(&self, ticket: u64) -> Answer {
        let is_it = |it: &Completion| matches!(it, Completion::Answered { ticket: of, .. } if *of == ticket);
        match self.next(is_it) {
            Completion::Answered { answer, .. } => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn append(&mut self, n: u64) -> Answer {
        match self.writer.submit(&tenant("t"), &entry(offset(1), id(n)).by_ref()) {
            Ok(Submitted::Later(ticket)) => {
                self.writer.flush();
                self.answer(ticket)
            }
            // What is known is answered at once.
            Err(SubmitError::Away) => Answer::Refused(RefusedReason::Away),
            other => panic!("{other:?}"),
        }
    }

    /// Appends as a publisher does who sends again what was refused, until it is taken.
    pub(crate) fn append_until_taken(&mut self, n: u64) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.append(n) {
                Answer::Refused(RefusedReason::Away | RefusedReason::Unknown) => {
                    assert!(Instant::now() < deadline, "{n} is never taken");
                }
                answer => return answer,
            }
        }
    }

    /// Whether it says that its Redis is away.
    pub(crate) fn is_away(&self) -> bool {
        self.log.storage().state == StorageState::Away
    }

    pub(crate) fn hears_of(&self, n: u64) {
        self.next(|it| matches!(it, Completion::Grown { through, .. } if *through == offset(n)));
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        let page = self.log.read(&request(&tenant("t"), 0, 10_000)).unwrap();
        assert!(page.entries.windows(2).all(|it| it[0].offset.next() == it[1].offset));
        page.entries.iter().map(|it| it.id.as_u128() as u64).collect()
    }
}

pub(crate) fn next(
    completions: &Receiver<Completion>,
    is_wanted: impl Fn(&Completion) -> bool,
) -> Completion {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let completion = completions.recv_timeout(left).expect("the log does not say it");
        if is_wanted(&completion) {
            return completion;
        }
    }
}

pub(crate) fn open(log: &RedisLog, completions: &Receiver<Completion>) -> Head {
    log.open(&tenant("t"), 0).unwrap();
    match next(completions, |it| {
        matches!(it, Completion::Opened { .. } | Completion::OpenFailed { .. })
    }) {
        Completion::Opened { head, .. } => head,
        other => panic!("{other:?}"),
    }
}

/// Whether the log is another one now, of which the node knows, or finds it out by this.
pub(crate) fn is_shut_out(answer: Answer) -> bool {
    use RefusedReason::{Fenced, OutOfSequence};
    matches!(answer, Answer::Refused(Fenced | OutOfSequence))
}

/// A server, where there is one to start.
pub(crate) fn server(arguments: &[&str]) -> Option<RedisServer> {
    is_redis_here().then(|| RedisServer::start(arguments).unwrap())
}

/// One that has everything again after a crash.
pub(crate) const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
