//! A disk that is slow, fills up, fails, and loses what was not made safe.

use fastrand::Rng;

/// Why the disk did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// There is no room: nothing was written.
    Full,
    /// It failed: what it holds of what was not yet safe is unknown, and asking again proves nothing.
    Failed,
}

/// An append-only file: records that are safe, and records that only the page cache has. Times are milliseconds on the
/// caller's clock.
#[derive(Debug)]
pub struct Disk<R> {
    records: Vec<R>,
    /// How many of them survive everything.
    safe: usize,
    room: usize,
    sync_ms_max: u64,
    fails_next_sync: bool,
    has_failed: bool,
    /// A sync that is under way: when it is over, and how much it makes safe.
    syncing: Option<(u64, usize)>,
    rng: Rng,
}

impl<R> Disk<R> {
    /// An empty disk with room for so many records, whose syncs take up to `sync_ms_max`.
    pub fn new(seed: u64, room: usize, sync_ms_max: u64) -> Self {
        let (records, rng) = (Vec::new(), Rng::with_seed(seed));
        let (fails_next_sync, has_failed, syncing) = (false, false, None);
        Self { records, safe: 0, room, sync_ms_max, fails_next_sync, has_failed, syncing, rng }
    }

    /// What reading finds: also what is not safe yet.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// How many records, from the first, survive everything.
    pub fn safe(&self) -> usize {
        self.safe
    }

    /// Writes a record behind the others; it is not safe before a sync that began later.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn append(&mut self, record: R) -> Result<(), DiskError> {
        if self.has_failed {
            return Err(DiskError::Failed);
        }
        if self.records.len() >= self.room {
            return Err(DiskError::Full);
        }
        self.records.push(record);
        Ok(())
    }

    /// Begins to make safe what was appended until now; one that is under way goes on as it was.
    pub fn begin_sync(&mut self, now_ms: u64) {
        if self.syncing.is_none() {
            let over_ms = now_ms + self.rng.u64(0..=self.sync_ms_max);
            self.syncing = Some((over_ms, self.records.len()));
        }
    }

    /// When the sync that is under way is over.
    pub fn sync_over_ms(&self) -> Option<u64> {
        self.syncing.map(|(over_ms, _)| over_ms)
    }

    /// The sync's answer once its time has come: how many records are safe, or that it failed.
    pub fn finish_sync(&mut self, now_ms: u64) -> Option<Result<usize, DiskError>> {
        let (_, reach) = self.syncing.take_if(|(over_ms, _)| *over_ms <= now_ms)?;
        if std::mem::take(&mut self.fails_next_sync) || self.has_failed {
            self.has_failed = true;
            return Some(Err(DiskError::Failed));
        }
        self.safe = self.safe.max(reach);
        Some(Ok(self.safe))
    }

    /// Lets the next sync fail, and everything after it.
    pub fn fail_next_sync(&mut self) {
        self.fails_next_sync = true;
    }

    /// Lets it fail no more than it has.
    pub fn spare_next_sync(&mut self) {
        self.fails_next_sync = false;
    }

    /// Changes how much fits: 0 fills it up, whatever is there stays.
    pub fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// Whether so many more records fit.
    pub fn has_room_for(&self, records: usize) -> bool {
        self.records.len() + records <= self.room
    }

    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Changes how long syncs that begin from now on take.
    pub fn set_sync_ms_max(&mut self, sync_ms_max: u64) {
        self.sync_ms_max = sync_ms_max;
    }

    /// The process that wrote is gone, and the machine runs on: what was written is there, and nobody waits for a sync.
    pub fn lose_process(&mut self) {
        self.syncing = None;
    }

    /// The power goes: of what was not safe a part that chance chooses is there when it comes back, from the first on. A disk
    /// that had failed is another one then.
    pub fn lose_power(&mut self) {
        let survives = self.rng.usize(self.safe..=self.records.len());
        self.records.truncate(survives);
        self.safe = survives;
        (self.syncing, self.fails_next_sync, self.has_failed) = (None, false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(records: u32) -> Disk<u32> {
        let mut disk = Disk::new(1, 100, 20);
        (0..records).for_each(|record| disk.append(record).expect("there is room"));
        disk
    }

    fn sync(disk: &mut Disk<u32>) -> Result<usize, DiskError> {
        disk.begin_sync(0);
        let over_ms = disk.sync_over_ms().expect("it has begun");
        disk.finish_sync(over_ms).expect("its time has come")
    }

    #[test]
    fn a_sync_makes_safe_what_was_there_when_it_began() {
        let mut disk = disk_with(3);
        disk.begin_sync(100);
        disk.append(3).expect("there is room");
        let over_ms = disk.sync_over_ms().expect("it has begun");
        if over_ms > 100 {
            assert_eq!(disk.finish_sync(over_ms - 1), None, "not before its time");
        }
        assert_eq!(disk.finish_sync(over_ms), Some(Ok(3)));
        assert_eq!(disk.finish_sync(over_ms), None, "once");
        assert_eq!((disk.safe(), disk.records().len()), (3, 4));
    }

    #[test]
    fn power_takes_what_was_not_safe_or_a_part_of_it_and_never_more() {
        let mut left = std::collections::HashSet::new();
        for seed in 0..100 {
            let mut disk = Disk::new(seed, 100, 0);
            (0..3).for_each(|record| disk.append(record).expect("there is room"));
            sync(&mut disk).expect("it works");
            (3..6).for_each(|record| disk.append(record).expect("there is room"));
            disk.lose_power();
            let records = disk.records().to_vec();
            assert_eq!(records, (0..6).take(records.len()).collect::<Vec<u32>>());
            assert_eq!(disk.safe(), records.len());
            left.insert(records.len());
        }
        assert_eq!(left, (3..=6).collect());
    }

    #[test]
    fn a_full_disk_takes_nothing_and_again_something_when_there_is_room() {
        let mut disk = disk_with(3);
        disk.set_room(0);
        assert_eq!(disk.append(3), Err(DiskError::Full));
        assert_eq!(disk.records(), [0, 1, 2]);
        assert_eq!(sync(&mut disk), Ok(3), "what is there may be made safe");
        disk.set_room(4);
        assert_eq!(disk.append(3), Ok(()));
    }

    #[test]
    fn a_disk_that_failed_once_has_failed_until_it_is_another() {
        let mut disk = disk_with(3);
        disk.fail_next_sync();
        assert_eq!(sync(&mut disk), Err(DiskError::Failed));
        assert_eq!(disk.append(3), Err(DiskError::Failed));
        assert_eq!(sync(&mut disk), Err(DiskError::Failed), "asking again proves nothing");
        assert_eq!(disk.safe(), 0);
        disk.lose_power();
        assert_eq!(disk.append(9), Ok(()));
    }
}
