-- Puts or removes a dead letter. KEYS: 1 head, 2 dead letters by offset. ARGV: offset, what the kept text begins with, and the text, or ''
-- to remove it.
if redis.call('HGET', KEYS[1], 'layout') ~= '1' then return 0 end
for _, letter in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], ARGV[1])) do
  if string.sub(letter, 1, #ARGV[2]) == ARGV[2] then redis.call('ZREM', KEYS[2], letter) end
end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[2], ARGV[1], ARGV[3]) end
return 1
