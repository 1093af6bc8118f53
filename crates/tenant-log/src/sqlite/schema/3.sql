-- The bytes of runs that came in large commits are in files beside the database (segments.rs). Then ids, heads and bodies
-- are empty, here and in their places, and these say where they are.
ALTER TABLE runs ADD COLUMN segment INTEGER;
ALTER TABLE runs ADD COLUMN position INTEGER;
ALTER TABLE runs ADD COLUMN heads_bytes INTEGER;
ALTER TABLE runs ADD COLUMN bodies_bytes INTEGER;
ALTER TABLE runs ADD COLUMN checksum INTEGER;

-- One row a segment. Its bytes that runs still name are live; those runs are between the two seqs.
CREATE TABLE segments (
    no INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    live INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
) STRICT;

-- The number of the segment that is appended to. None is given out twice.
ALTER TABLE progress ADD COLUMN last_segment INTEGER NOT NULL DEFAULT 0;
