-- Retention, for the scripts that follow. KEYS[1] is the head, KEYS[2] the stream, KEYS[3] the dead letters.

-- Up to 2^53 a number is written as digits; Lua would write some of them as 1e+15.
local function digits(number)
  return string.format('%.0f', number)
end

local function read_head()
  local found = redis.call('HMGET', KEYS[1], 'epoch', 'last', 'trimmed', 'entries', 'bytes',
    'oldest_ms', 'oldest_bytes', 'emitted', 'assigned', 'layout')
  -- What a later version keeps otherwise is left alone, as if there were no log.
  if not found[1] or found[10] ~= '1' then return nil end
  local number = function(place) return tonumber(found[place] or '0') end
  return { epoch = found[1], last = number(2), trimmed = number(3), entries = number(4), bytes = number(5),
    oldest_ms = number(6), oldest_bytes = number(7), emitted = number(8), assigned = number(9) }
end

local function write_head(head)
  redis.call('HSET', KEYS[1], 'last', digits(head.last), 'trimmed', digits(head.trimmed),
    'entries', digits(head.entries), 'bytes', digits(head.bytes), 'oldest_ms', digits(head.oldest_ms),
    'oldest_bytes', digits(head.oldest_bytes), 'emitted', digits(head.emitted), 'assigned', digits(head.assigned))
end

-- Whether the oldest entry goes: the limit on bytes holds in any case, the others not below the floor.
local function lets_go(head, retention, now_ms)
  if head.entries == 0 then return false end
  if head.bytes - head.oldest_bytes >= retention.bytes_max then return true end
  local left = head.entries - 1
  return left >= retention.entries_min
    and (now_ms - head.oldest_ms > retention.age_ms_max or left >= retention.entries_max)
end

-- Takes at most about `most` entries off, oldest first.
local function trim(head, retention, now_ms, most)
  local before = head.trimmed
  while most > 0 and lets_go(head, retention, now_ms) do
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 33)
    for place, entry in ipairs(oldest) do
      local fields = entry[2]
      head.oldest_ms, head.oldest_bytes = tonumber(fields[2]), tonumber(fields[4])
      -- The last of them is looked at alone, unless there is no other.
      if (place == 33) or not lets_go(head, retention, now_ms) then break end
      head.entries, head.bytes = head.entries - 1, head.bytes - head.oldest_bytes
      head.trimmed = tonumber(string.match(entry[1], '^%d+'))
      most = most - 1
    end
    redis.call('XTRIM', KEYS[2], 'MINID', digits(head.trimmed + 1) .. '-0')
    if #oldest == 0 then
      head.entries, head.bytes = 0, 0
    end
  end
  if head.trimmed > before then
    local letters = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', digits(head.trimmed))
    if #letters > 0 then
      redis.call('ZREM', KEYS[3], unpack(letters, 1, math.min(#letters, 1000)))
    end
  end
end

local function retention_at(place)
  return { age_ms_max = tonumber(ARGV[place]), entries_max = tonumber(ARGV[place + 1]),
    bytes_max = tonumber(ARGV[place + 2]), entries_min = tonumber(ARGV[place + 3]) }
end
