-- Saves how far subscribers have confirmed. KEYS: 1 head, 2 cursors. ARGV: 1 how many devices of a user are kept, then for each: subscriber,
-- 'f' where it is the first and gives way to any other, epoch, through, when, and the text that is kept. Of one incarnation the furthest
-- wins.
if redis.call('HGET', KEYS[1], 'layout') ~= '1' then return 0 end
for at = 2, #ARGV, 6 do
  local known = redis.call('HGET', KEYS[2], ARGV[at])
  local wins = true
  if known then
    local through, epoch = string.match(known, '^(%d+) (%S+) ')
    wins = not through
      or ARGV[at + 1] ~= 'f' and (epoch ~= ARGV[at + 2] or tonumber(through) <= tonumber(ARGV[at + 3]))
  end
  if wins then
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 5])
    heard_of(KEYS[2], ARGV[at], ARGV[at + 4], tonumber(ARGV[1]))
  end
end
return 1
