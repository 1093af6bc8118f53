-- Whether the log still has what it was known to have: a server that was restored, or a replica that took over, may have lost the
-- newest entries, and others may have come in their place. Then it is another log, and says so by its epoch.
-- `known` is an offset, `id` what stood there ('' where that is not known), `epoch` a new one. Returns whether it is another log now.
local function is_renewed(head, known, id, epoch, publish, channel, node)
  local is_there = known <= head.last
  if is_there and id ~= '' and known > head.trimmed then
    local entry = redis.call('XRANGE', KEYS[2], digits(known) .. '-0', digits(known) .. '-0')[1]
    is_there = entry and entry[2][6] == id
  end
  if is_there then return false end
  head.epoch = epoch
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call(publish, channel, 'L' .. node .. struct.pack('>I8', head.last) .. epoch .. ' ')
  return true
end
