-- Says that a node lives and what it holds, and asks what nobody holds any more. KEYS: 1 leases, and 2 nodes, by when they end. ARGV: 1 this
-- node, 2 for how many milliseconds, 3 how many leases are asked for at most, then the leases that this node holds.
-- Answers the leases that have ended, each to one node in a lease's time, the nodes that live, and whether this one was not among them.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local now, ends = string.format('%.0f', now_ms), string.format('%.0f', now_ms + tonumber(ARGV[2]))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local is_new = redis.call('ZADD', KEYS[2], ends, ARGV[1])
for at = 4, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[at]) end
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])
for _, lease in ipairs(ended) do redis.call('ZADD', KEYS[1], ends, lease) end
return { ended, redis.call('ZRANGE', KEYS[2], 0, -1), is_new }
