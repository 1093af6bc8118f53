-- Moves a webhook on, for who tells it. KEYS: 1 head, 2 webhooks, 3 the tokens that were given out, 4 dead letters by offset. ARGV: 1 the
-- duty, 2 the token under which it was done, 3 the webhook, 4 how often others had moved it, 5 its place, then, where something was given
-- up: its offset, what the kept text begins with, and the text. Answers whether that was taken: not from who was replaced meanwhile, and
-- not where somebody moved it.
if redis.call('HGET', KEYS[1], 'layout') ~= '1' or redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2]
  or (redis.call('HGET', KEYS[2], ARGV[3] .. ' moves') or '0') ~= ARGV[4] then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[3] .. ' place', ARGV[5])
if ARGV[6] then
  for _, letter in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], ARGV[6], ARGV[6])) do
    if string.sub(letter, 1, #ARGV[7]) == ARGV[7] then redis.call('ZREM', KEYS[4], letter) end
  end
  redis.call('ZADD', KEYS[4], ARGV[6], ARGV[8])
end
return 1
