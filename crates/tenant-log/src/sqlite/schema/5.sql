-- The seq of the first run that was committed without waiting for the disk, if there may be such runs: after a power failure
-- what their segments have of them may not be there (unsynced.rs). NULL where all is on the disk.
ALTER TABLE progress ADD COLUMN unsynced_from INTEGER;
