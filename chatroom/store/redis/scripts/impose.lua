-- Ban or mute an account. ARGV: id, "ban" or "mute", milliseconds ("0" = for good), reason.
-- Returns 1, or 0: there is no such account.
local id, measure = ARGV[1], ARGV[2]
local account = 'chatroom:account:' .. id
if redis.call('EXISTS', account) == 0 then return 0 end
redis.call('HSET', account, measure .. '_until', ends_after(ARGV[3]), measure .. '_reason', ARGV[4])
redis.call('SADD', 'chatroom:sanctioned', id)
wake(id, 'k', 'standing')
return 1
