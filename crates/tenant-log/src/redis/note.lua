-- Notes something beside a tenant's log, and tells its followers. KEYS: 1 head, 2 the notes of its kind. ARGV: key, '' or the text
-- that is kept, how to publish, channel, what is published. Answers 0 where the tenant has no log.
if redis.call('HGET', KEYS[1], 'layout') ~= '1' then return 0 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
redis.call(ARGV[3], ARGV[4], ARGV[5])
return 1
