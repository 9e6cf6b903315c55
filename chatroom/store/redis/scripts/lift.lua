-- End a ban or a mute. ARGV: id, "ban" or "mute". Returns 1, or 0: there was none in force.
local id, measure = ARGV[1], ARGV[2]
local account = 'chatroom:account:' .. id
local ends = redis.call('HGET', account, measure .. '_until')
if not ends then return 0 end
redis.call('HDEL', account, measure .. '_until', measure .. '_reason')
wake(id, 'k', 'standing')
return is_over(ends) and 0 or 1
