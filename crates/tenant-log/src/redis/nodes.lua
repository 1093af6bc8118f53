-- Renews a node's lease, or gives it up, and says which nodes have one.
-- KEYS: the nodes. ARGV: the node's id, its card ('' gives the lease up), for how many milliseconds, how many nodes at most, the longest card.
-- Answers Redis's time in milliseconds, how many values are no node's, and the living ones: id and card in turn.

local key, id, card = KEYS[1], ARGV[1], ARGV[2]
local lease_ms, nodes_max, card_bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- More values than all nodes could have are cleaned of those that are no node's, a part at a time.
local VALUES_MAX, PARTS_MAX = 16 * nodes_max, 16

if card == '' then
  redis.call('HDEL', key, id)
else
  redis.call('HSET', key, id, string.format('%.0f ', now + lease_ms) .. card)
  -- What a cluster leaves that is gone for good does not stay.
  redis.call('PEXPIRE', key, 100 * lease_ms)
end

-- When the lease of a value ends, and the card; nothing where it is no node's.
local function parse(value)
  if #value <= card_bytes_max + 24 then
    local ends, of_node = string.match(value, '^(%d+) (.*)$')
    return tonumber(ends), of_node
  end
end

local parts = 0
while redis.call('HLEN', key) > VALUES_MAX and parts < PARTS_MAX do
  local some = redis.call('HRANDFIELD', key, VALUES_MAX / 2, 'WITHVALUES')
  for i = 1, #some, 2 do
    local ends = parse(some[i + 1])
    if not ends or ends <= now then
      redis.call('HDEL', key, some[i])
    end
  end
  parts = parts + 1
end

local stored
if redis.call('HLEN', key) <= VALUES_MAX then
  stored = redis.call('HGETALL', key)
else
  stored = redis.call('HRANDFIELD', key, VALUES_MAX, 'WITHVALUES')
end

local living, strange = {}, 0
for i = 1, #stored, 2 do
  local ends, of_node = parse(stored[i + 1])
  if not ends then
    strange = strange + 1
  elseif ends <= now then
    redis.call('HDEL', key, stored[i])
  elseif #living < 4 * nodes_max then
    living[#living + 1] = stored[i]
    living[#living + 1] = of_node
  else
    strange = strange + 1
  end
end
return { string.format('%.0f', now), strange, living }
