-- Opens a tenant's log, or makes one. KEYS: 1 head, 2 stream, 3 orders. ARGV: 1 of how many orders it is said whose they are, 2 how to
-- publish, 3 channel, 4 who opens, 5 the epoch that it was known to have ('' where it was not), 6 a known offset, 7 what stood there,
-- 8 the epoch of a new one. Answers the orders, or nothing where there are more.
if redis.call('HSETNX', KEYS[1], 'epoch', ARGV[8]) == 1 then
  redis.call('HSET', KEYS[1], 'layout', '1', 'last', '0', 'trimmed', '0', 'entries', '0', 'bytes', '0', 'assigned', '0')
elseif ARGV[5] ~= '' then
  local head = read_head()
  if head and head.epoch == ARGV[5] then
    is_renewed(head, tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[2], ARGV[3], ARGV[4])
  end
end
if redis.call('HLEN', KEYS[3]) > tonumber(ARGV[1]) then return {} end
return redis.call('HGETALL', KEYS[3])
