-- Claims a duty for a while, or keeps it for longer. KEYS: 1 the duty's lease, 2 the tokens that were given out. ARGV: 1 who claims, 2 the
-- duty, 3 for how many milliseconds, 4 the token under which the caller has it, '' where it does not know of one. Answers the token, or 0
-- where another has it.
local held = redis.call('GET', KEYS[1])
if held then
  local token, holder = string.match(held, '^([1-9]%d*) (%x+)$')
  if not token then return redis.error_reply('FOREIGN ' .. KEYS[1] .. ' holds no lease') end
  if holder ~= ARGV[1] or (ARGV[4] ~= '' and ARGV[4] ~= token) then return 0 end
  if ARGV[4] == token then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return tonumber(token)
  end
  -- It is the caller's, who may be about to give it back: that will not be this one.
end
local token = redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
-- Beyond 2^53 Lua counts no more.
if token < 1 or token >= 9007199254740992 then
  redis.call('HINCRBY', KEYS[2], ARGV[2], -1)
  return redis.error_reply('FOREIGN ' .. KEYS[2] .. ' holds no token')
end
redis.call('SET', KEYS[1], string.format('%.0f', token) .. ' ' .. ARGV[1], 'PX', ARGV[3])
return token
