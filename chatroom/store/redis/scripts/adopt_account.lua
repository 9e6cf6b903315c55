-- Turn an account of the original program into one of ours, and delete its clear-text entry.
-- ARGV: id, the JSON that was checked, then field, value, ... Returns 1, or 0: the JSON has changed.
local account = 'chatroom:account:' .. ARGV[1]
if redis.call('HGET', 'users', ARGV[1]) ~= ARGV[2] or redis.call('EXISTS', account) == 1 then
  return 0
end
redis.call('HSET', account, unpack(ARGV, 3))
redis.call('HDEL', 'users', ARGV[1])
return 1
