-- Applies retention to a tenant that has become quiet. KEYS: 1 head, 2 stream, 3 dead letters, 4 cursors, 5 webhooks, then its notes, a kind each.
-- ARGV: 1-4 retention, 5 now in milliseconds, 6 after how many milliseconds without news a cursor goes, if what it leads to is gone, 7 what
-- the keys of leases begin with, then all webhooks.
-- Answers whether there is more to do, and the webhooks that are not told of all and that no node tells.
local head = read_head()
if not head then return {} end
local retention, now_ms = retention_at(1), tonumber(ARGV[5])
trim(head, retention, now_ms, 1024)
write_head(head)
for place = 6, #KEYS do
  local cursor, rounds = '0', 0
  repeat
    local found = redis.call('HSCAN', KEYS[place], cursor, 'COUNT', 512)
    cursor, rounds = found[1], rounds + 1
    for field = 1, #found[2], 2 do
      local expires_ms = string.match(found[2][field + 1], '^(%d*) ')
      if expires_ms ~= '' and tonumber(expires_ms) <= now_ms then
        redis.call('HDEL', KEYS[place], found[2][field])
      end
    end
  until cursor == '0' or rounds >= 64
end

-- Some of the cursors in each call, from where the last one ended.
local found = redis.call('HSCAN', KEYS[4], redis.call('HGET', KEYS[1], 'looked_at') or '0', 'COUNT', 2048)
redis.call('HSET', KEYS[1], 'looked_at', found[1])
for field = 1, #found[2], 2 do
  local through, epoch, saved_ms = string.match(found[2][field + 1], '^(%d+) (%S+) (%d+) ')
  if through and now_ms - tonumber(saved_ms) > tonumber(ARGV[6])
    and (epoch ~= head.epoch or tonumber(through) < head.trimmed) then
    forget_cursor(KEYS[4], found[2][field])
  end
end

local answer = { lets_go(head, retention, now_ms) and 1 or 0 }
for at = 8, #ARGV do
  local place = redis.call('HGET', KEYS[5], ARGV[at] .. ' place')
  local through = place and tonumber(string.match(place, '^(%d+) '))
  if (not through or through < head.last) and redis.call('EXISTS', ARGV[7] .. ARGV[at]) == 0 then
    answer[#answer + 1] = ARGV[at]
  end
end
return answer
