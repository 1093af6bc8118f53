-- Keeps a tenant's document where it is still the one that its writer knows.
-- KEYS: the order of changes, the documents. ARGV: tenant, the number of its change that is known, the document ('' takes it away).
-- Answers the number of the change; 0 where somebody else was first.

local known = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if known ~= tonumber(ARGV[2]) then
  return 0
end
local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local change = tonumber(newest[2] or 0) + 1
redis.call('ZADD', KEYS[1], change, ARGV[1])
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
return change
