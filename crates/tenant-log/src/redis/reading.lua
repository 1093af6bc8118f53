-- Reads a stretch of a log, with where the log stands at that moment: not in a transaction, which a server that is full refuses.
-- KEYS: 1 head, 2 stream. ARGV: the first and the last id, how many entries at most, then the fields of the head.
local fields = {}
for at = 4, #ARGV do fields[#fields + 1] = ARGV[at] end
return { redis.call('HMGET', KEYS[1], unpack(fields)), redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[2], 'COUNT', ARGV[3]) }
