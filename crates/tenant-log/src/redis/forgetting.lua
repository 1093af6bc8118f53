-- Cursors of those who never come back, for the scripts that follow. `cursors` is the key of a tenant's.

-- Where the devices of a user are that a subscriber is one of; nothing where it names no device.
local function devices_of(cursors, subscriber)
  local login = string.match(subscriber, '^([^:]*:[^:]*):.')
  return login and (cursors .. ':of:' .. login)
end

local function forget_cursor(cursors, subscriber)
  redis.call('HDEL', cursors, subscriber)
  local devices = devices_of(cursors, subscriber)
  if devices then redis.call('ZREM', devices, subscriber) end
end

-- A subscriber was heard of. A user who names ever new devices keeps the newest of them.
local function heard_of(cursors, subscriber, at_ms, devices_max)
  local devices = devices_of(cursors, subscriber)
  if not devices then return end
  redis.call('ZADD', devices, at_ms, subscriber)
  local over = redis.call('ZCARD', devices) - devices_max
  if over <= 0 then return end
  for _, oldest in ipairs(redis.call('ZRANGE', devices, 0, over)) do
    if over > 0 and oldest ~= subscriber then
      forget_cursor(cursors, oldest)
      over = over - 1
    end
  end
end
