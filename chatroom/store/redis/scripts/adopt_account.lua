-- An account of the original program becomes one of ours; its clear text is gone.
-- ARGV: id, its JSON as it was checked, then field, value, ... Returns 1, or 0: it is not that any more.
local account = 'chatroom:account:' .. ARGV[1]
if redis.call('HGET', 'users', ARGV[1]) ~= ARGV[2] or redis.call('EXISTS', account) == 1 then
  return 0
end
redis.call('HSET', account, unpack(ARGV, 3))
redis.call('HDEL', 'users', ARGV[1])
return 1
