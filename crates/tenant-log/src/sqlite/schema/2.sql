-- Heads and bodies may be packed (packing.rs): what was there before is not.
UPDATE runs SET
    heads = CAST(x'00000000' || heads AS BLOB),
    bodies = CAST(x'00000000' || bodies AS BLOB);
