-- Gives a lease back. KEYS: 1 the lease. ARGV: 1 what stands there while it is the caller's.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
