-- Renews a node's lease, or gives it up, and says which nodes have one.
-- KEYS: the nodes. ARGV: the node's id, its card ('' gives the lease up), for how many milliseconds, how many nodes at most, the longest card.
-- Answers Redis's time in milliseconds, how many values are no node's, and the living ones: id and card in turn.

local key, id, card = KEYS[1], ARGV[1], ARGV[2]
local lease_ms, nodes_max, card_bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

if card == '' then
  redis.call('HDEL', key, id)
else
  redis.call('HSET', key, id, string.format('%.0f ', now + lease_ms) .. card)
  -- What a cluster leaves that is gone for good does not stay.
  redis.call('PEXPIRE', key, 100 * lease_ms)
end

-- Not all of it where somebody else filled it: each look finds others, and lets go of those whose lease has ended.
local stored
if redis.call('HLEN', key) <= 2 * nodes_max then
  stored = redis.call('HGETALL', key)
else
  stored = redis.call('HRANDFIELD', key, 2 * nodes_max, 'WITHVALUES')
end

local living, strange = {}, 0
for i = 1, #stored, 2 do
  local value = stored[i + 1]
  local ends, of_node
  if #value <= card_bytes_max + 24 then
    ends, of_node = string.match(value, '^(%d+) (.*)$')
  end
  if not ends then
    strange = strange + 1
  elseif tonumber(ends) <= now then
    redis.call('HDEL', key, stored[i])
  elseif #living < 2 * nodes_max then
    living[#living + 1] = stored[i]
    living[#living + 1] = of_node
  else
    strange = strange + 1
  end
end
return { string.format('%.0f', now), strange, living }
