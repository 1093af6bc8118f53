-- Looks where a tenant's log stands, and whether it still has what it had. KEYS: 1 head, 2 stream. ARGV: 1 epoch, 2 a known offset, 3 what
-- stood there, 4 a new epoch, 5 how to publish, 6 channel, 7 who looks. Answers the epoch and the last offset.
local head = read_head()
if not head then return {} end
if head.epoch == ARGV[1] then
  is_renewed(head, tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
end
return { head.epoch, head.last }
