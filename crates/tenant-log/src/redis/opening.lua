-- Opens a tenant's log, or makes one. KEYS: 1 head, 2 orders. ARGV: 1 the epoch of a new one, 2 of how many orders it is said whose
-- they are. Answers that, or nothing where there are more.
if redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'layout', '1', 'last', '0', 'trimmed', '0', 'entries', '0', 'bytes', '0', 'assigned', '0')
end
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[2]) then return {} end
return redis.call('HGETALL', KEYS[2])
