-- Appends entries to a tenant's log, each once.
--
-- KEYS: 1 head, 2 stream, 3 dead letters, 4-5 ids, 6-7 last emissions, 8-9 assignments, 10 orders, 11 devices.
-- ARGV: 1 epoch, 2-5 retention, 6 how to publish, 7 channel, 8 who appends, 9 how many orders are known at most, 10 how many
-- bytes of entries are published at most, 11 milliseconds in which an emission is a repeat, 12 a known offset, 13 what stood there, 14 a new
-- epoch; then for each entry: id, time, bytes, head,
-- body, entity, fingerprint, whose the order is that it makes ('' none, '-' nobody's, '=' and the customer, '+' and the customer where it
-- may be nobody else's), whom it assigns, and what it tells of a device ('' nothing, 'c' or 'w', the node that it came to or went from, and the device).
--
-- Answers the epoch alone where it is another one; else the epoch, of how many orders it is known whose they are, and for each entry
-- its offset, negative where it was there before, nothing where what it tells is known, or '!' where its order is another's.
local ENTRIES_AT, FIELDS = 14, 10
-- So many devices are followed, each at so many nodes at most.
local DEVICES, NODES = 100000, 16
-- Of so many ids, emissions and assignments it is known at least; of twice as many at most.
local IDS, EMISSIONS, ASSIGNMENTS = 65536, 4096, 131072

local head = read_head()
if not head or head.epoch ~= ARGV[1]
  or is_renewed(head, tonumber(ARGV[12]), ARGV[13], ARGV[14], ARGV[6], ARGV[7], ARGV[8]) then
  return { head and head.epoch or '' }
end
local retention = retention_at(2)

-- What is known of fields by a pair of tables that take turns, and in which of the two each stands.
local function look(first, fields)
  local values, places = {}, {}
  for key = first, first + 1 do
    local found = #fields > 0 and redis.call('HMGET', KEYS[key], unpack(fields)) or {}
    for at, field in ipairs(fields) do
      if found[at] and not values[field] then values[field], places[field] = found[at], key end
    end
  end
  return values, places
end

-- What is to be written to such a pair: together, since a command costs more than a field.
local gathered = {}
local function write_out(first)
  local some = gathered[first]
  gathered[first] = nil
  if some then redis.call('HSET', some.key, unpack(some)) end
end

-- Two tables take turns: the older one is dropped when it is its turn again. `before` is the table in which the field stands, if it does;
-- 0 where nobody looked. Returns where it stands now.
local function keep(first, count, span, field, value, before)
  local here = first + math.floor(count / span) % 2
  if count % span == 0 then
    write_out(first)
    redis.call('UNLINK', KEYS[here])
  end
  if before == 0 then before = first + first + 1 - here end
  if before and before ~= here then redis.call('HDEL', KEYS[before], field) end
  local some = gathered[first] or { key = KEYS[here] }
  some[#some + 1] = field
  some[#some + 1] = value
  gathered[first] = some
  return here
end

-- Notes where a device is, and returns whether that is to be told.
local function is_news(fact)
  local what, node, device = string.match(fact, '^(%a)(%x+) (.*)$')
  local at = redis.pcall('HGET', KEYS[11], device)
  -- Where something else has the key, the other entries are appended, and nothing is told of devices.
  if type(at) == 'table' then return false end
  local nodes = {}
  for name in string.gmatch(at or '', '%x+') do
    if name ~= node and #nodes < NODES - 1 then nodes[#nodes + 1] = name end
  end
  if what == 'c' then
    if not at and redis.call('HLEN', KEYS[11]) >= DEVICES then return false end
    nodes[#nodes + 1] = node
  end
  if #nodes > 0 then
    redis.call('HSET', KEYS[11], device, table.concat(nodes, ' '))
    return not at
  end
  redis.call('HDEL', KEYS[11], device)
  return at ~= false
end

-- Whether an order is known to be another's than of the customer that is said with a '+'.
local function is_others(order, owner)
  local said = string.sub(owner, 1, 1) == '+' and redis.call('HGET', KEYS[10], order)
  return said and string.match(said, '^%d+(.*)$') ~= '=' .. string.sub(owner, 2)
end

-- When an order's last emission was said, by Redis's clock: nodes' clocks may differ. Asked for once a call.
local clock_ms
local function now_of_redis()
  if not clock_ms then
    local time = redis.call('TIME')
    clock_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return clock_ms
end

local ids, entities = {}, {}
for at = ENTRIES_AT + 1, #ARGV, FIELDS do
  ids[#ids + 1] = ARGV[at]
  if ARGV[at + 6] ~= '' then entities[#entities + 1] = ARGV[at + 5] end
end
-- What this call appends is noted in them as well: an entry may repeat one in front of it.
local offsets = look(4, ids)
local emissions, emitted_in = look(6, entities)

local answers, news, news_bytes = { head.epoch, 0 }, {}, 0
local appended, now_ms, orders = 0, 0, nil
for at = ENTRIES_AT + 1, #ARGV, FIELDS do
  local id, at_ms, bytes, entity, fingerprint = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 5], ARGV[at + 6]
  local known = offsets[id]
  if not known and fingerprint ~= '' then
    local last = emissions[entity]
    if last then
      -- The id, which may be any bytes, is the end. A node of before the clock was noted goes by its own.
      local offset, ms, said, clock = string.match(string.sub(last, 1, -17), '^(%d+) (%d+) (%d+) (%d*)')
      if said == fingerprint then
        local since = clock ~= '' and now_of_redis() - tonumber(clock) or tonumber(at_ms) - tonumber(ms)
        if since <= tonumber(ARGV[11]) then known = offset end
      end
    end
  end
  if known then
    answers[#answers + 1] = -tonumber(known)
  elseif is_others(entity, ARGV[at + 7]) then
    answers[#answers + 1] = '!'
  elseif ARGV[at + 9] ~= '' and not is_news(ARGV[at + 9]) then
    answers[#answers + 1] = ''
  else
    head.last = head.last + 1
    local offset = digits(head.last)
    -- First, since a server that is full refuses it, and whatever comes behind something that it does not refuse it lets pass.
    redis.call('XADD', KEYS[2], offset .. '-0', 't', at_ms, 's', bytes, 'i', id, 'h', ARGV[at + 3], 'b', ARGV[at + 4])
    keep(4, head.last, IDS, id, offset)
    offsets[id] = offset
    now_ms = tonumber(at_ms)
    if head.entries == 0 then head.oldest_ms, head.oldest_bytes = now_ms, tonumber(bytes) end
    head.entries, head.bytes = head.entries + 1, head.bytes + tonumber(bytes)
    if fingerprint ~= '' then
      local said = offset .. ' ' .. at_ms .. ' ' .. fingerprint
      local emission = said .. ' ' .. digits(now_of_redis()) .. ' ' .. id
      emitted_in[entity] = keep(6, head.emitted, EMISSIONS, entity, emission, emitted_in[entity])
      emissions[entity] = emission
      head.emitted = head.emitted + 1
    end
    local owner, assignee = ARGV[at + 7], ARGV[at + 8]
    if owner ~= '' then
      orders = orders or redis.call('HLEN', KEYS[10])
      if orders < tonumber(ARGV[9]) then
        orders = orders + redis.call('HSETNX', KEYS[10], entity, offset .. string.gsub(owner, '^%+', '='))
      end
    end
    if assignee ~= '' then
      keep(8, head.assigned, ASSIGNMENTS, entity, offset .. ' ' .. id .. assignee, 0)
      head.assigned = head.assigned + 1
    end
    answers[#answers + 1] = head.last
    appended = appended + 1
    if news_bytes <= tonumber(ARGV[10]) then
      local heads, body = ARGV[at + 3], ARGV[at + 4]
      news[#news + 1] = struct.pack('>I8I4I4', head.last, #heads, #body) .. id .. heads .. body
      news_bytes = news_bytes + #heads + #body
    end
  end
end
if appended > 0 then
  for first = 4, 8, 2 do write_out(first) end
  trim(head, retention, now_ms, 2 * appended + 32)
  write_head(head)
  local said = news_bytes <= tonumber(ARGV[10]) and table.concat(news) or ''
  redis.call(ARGV[6], ARGV[7], 'L' .. ARGV[8] .. struct.pack('>I8', head.last) .. head.epoch .. ' ' .. said)
end
if appended == 0 then
  -- Who waits for replicas waits for this, and so for what was written before it, by whomever. Where there is no room for it, a repeat
  -- is one all the same.
  redis.pcall('HSET', KEYS[1], 'last', digits(head.last))
end
answers[2] = orders or redis.call('HLEN', KEYS[10])
return answers
