//! What one thread submits, of many tenants: gathered and handed over, whole and in order.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    Admission, Durability, LogEntry, LogWriter, SqliteOptions, SubmitError,
};

use crate::support::{
    Holding, KEEPS_ALL, Store, Writer, entry, id, offset, open_sqlite, suite, tenant,
};

suite! {
    what_many_tenants_submit_by_one_way_keeps_each_ones_order
    dropping_the_way_hands_over_what_was_submitted
}

/// Submits a tenant's next entry, and does not hand it over.
fn submit(
    submitter: &mut dyn LogWriter,
    writer: &mut Writer<'_>,
    durability: Durability,
) -> LogEntry {
    let n = writer.sequence.next().get();
    assert_eq!(writer.sequence.admit(id(n), durability), Admission::New(offset(n)));
    let entry = LogEntry { durability, ..entry(offset(n), id(n)) };
    submitter.submit(&writer.tenant, &entry.by_ref()).unwrap();
    entry
}

fn what_many_tenants_submit_by_one_way_keeps_each_ones_order<S: Store>() {
    let mut random = fastrand::Rng::with_seed(7);
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writers = ["a", "b", "c"].map(|name| (open.writer(name), Vec::new()));
    let mut submitter = open.log.writer();
    for _ in 0..60 {
        let (writer, submitted) = &mut writers[random.usize(..3)];
        // One, a few, or more than a run takes.
        for _ in 0..[1, 7, 300][random.usize(..3)] {
            let is_durable = random.u8(..) < 8;
            let durability = if is_durable { Durability::Durable } else { Durability::Recoverable };
            submitted.push(submit(&mut *submitter, writer, durability));
        }
        if random.bool() {
            submitter.flush();
        }
    }
    submitter.flush();
    for (writer, submitted) in &mut writers {
        writer.settle_by_reading();
        let page = open.page(&writer.tenant, 0, usize::MAX);
        assert!(page.entries == *submitted, "{} has others, or in another order", writer.tenant);
    }
}

fn dropping_the_way_hands_over_what_was_submitted<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    let mut submitter = open.log.writer();
    for _ in 0..300 {
        submit(&mut *submitter, &mut writer, Durability::Recoverable);
    }
    drop(submitter);
    writer.settle_by_reading();
    assert_eq!(open.everything(&writer.tenant).len(), 300);
}

#[test]
fn what_is_handed_over_is_there_to_be_read_at_once_though_the_disk_has_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let (gate, held) = Holding::new();
    let options = SqliteOptions { commit_gate: gate, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    // Dropped before the log, whose end waits for its writer.
    let held = held;
    held.let_go();
    let mut writer = open.writer("t");
    held.wait();
    let mut submitter = open.log.writer();
    let mut submitted = Vec::new();
    let read = |submitted: &[LogEntry]| {
        let offsets: Vec<Offset> = submitted.iter().map(|entry| entry.offset).collect();
        open.log.tail(&tenant("t"), Offset::MAX).read_at(&offsets, u64::MAX)
    };
    for count in [1, 300, 2] {
        for _ in 0..count {
            submitted.push(submit(&mut *submitter, &mut writer, Durability::Recoverable));
        }
        submitter.flush();
        assert!(read(&submitted) == submitted);
    }
}

#[test]
fn too_much_at_once_is_refused_and_all_that_was_taken_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (gate, held) = Holding::new();
    let options = SqliteOptions { commit_gate: gate, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    held.let_go();
    let mut writer = open.writer("t");
    held.wait();
    let large = LogEntry { message: vec![b'x'; 10_000].into(), ..entry(offset(1), id(1)) };
    let mut taken = 0;
    let refused = loop {
        let n = writer.sequence.next().get();
        let entry = LogEntry { offset: offset(n), id: id(n), ..large.clone() };
        match writer.try_submit(&entry) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        let _ = writer.sequence.admit(entry.id, entry.durability);
        assert!(taken < 100_000, "everything is taken, though nothing can be written");
    };
    assert_eq!(refused, SubmitError::Overloaded);
    drop(held);
    writer.settle();
    // There is room again.
    writer.append(taken + 1);
    assert_eq!(open.log.stats(&writer.tenant).unwrap().entries, taken + 1);
}
