-- What operators say of a webhook. KEYS: 1 head, 2 webhooks. ARGV: 1 the webhook, 2 what is said: 'begins' where it has no place yet,
-- 'moves' to a place, 'pauses' or 'goes on', 3 the place, 4 how to publish, 5 channel, 6 who says it. Whoever tells the webhook hears it.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'last', 'layout')
if not head[1] or head[3] ~= '1' then return 0 end
local webhook, what = ARGV[1], ARGV[2]
if what == 'begins' then return redis.call('HSETNX', KEYS[2], webhook .. ' place', ARGV[3]) end
if what == 'moves' then
  redis.call('HINCRBY', KEYS[2], webhook .. ' moves', 1)
  redis.call('HSET', KEYS[2], webhook .. ' place', ARGV[3])
elseif what == 'pauses' then
  redis.call('HSET', KEYS[2], webhook .. ' paused', '1')
else
  redis.call('HDEL', KEYS[2], webhook .. ' paused')
end
redis.call(ARGV[4], ARGV[5], 'L' .. ARGV[6] .. struct.pack('>I8', tonumber(head[2]) or 0) .. head[1] .. ' ')
return 1
