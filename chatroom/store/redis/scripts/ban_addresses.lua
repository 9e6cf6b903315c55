-- Ban a network, or end its ban. ARGV: network, milliseconds ("0" = for good, "" = end it), reason.
-- Returns 1, or 0: there was no ban to end.
local bans, network, lasts = 'chatroom:bans', ARGV[1], ARGV[2]
local before = redis.call('HGET', bans, network)
if lasts == '' then
  if not before then return 0 end
  redis.call('HDEL', bans, network)
else
  redis.call('HSET', bans, network, ends_after(lasts) .. ' ' .. ARGV[3])
end
tell_nodes('k', 'addresses')
if lasts == '' and is_over(string.match(before, '^%d+')) then return 0 end
return 1
