-- Applies retention to a tenant that has become quiet. KEYS: 1 head, 2 stream, 3 dead letters, then its notes, a kind each.
-- ARGV: 1-4 retention, 5 now in milliseconds. Answers whether there is more to do.
local head = read_head()
if not head then return 0 end
local retention, now_ms = retention_at(1), tonumber(ARGV[5])
trim(head, retention, now_ms, 1024)
write_head(head)
for place = 4, #KEYS do
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
return lets_go(head, retention, now_ms) and 1 or 0
