-- One row once keys seal what is kept: whose keys they are (it stands beside the keys as well). What is from before is sealed row by
-- row: up to resealed_through it is, and up to reseal_until it must be. NULL where all is.
CREATE TABLE sealing (
    keyring TEXT NOT NULL,
    resealed_through INTEGER NOT NULL,
    reseal_until INTEGER
) STRICT;
