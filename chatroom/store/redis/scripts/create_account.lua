-- Store a new account, unless this program or the original one has, or had, one with that id.
-- ARGV: id, then field, value, ... Returns 1, or 0: the id is taken.
local account = 'chatroom:account:' .. ARGV[1]
if redis.call('EXISTS', account) == 1 or redis.call('HEXISTS', 'users', ARGV[1]) == 1
    or redis.call('SISMEMBER', 'chatroom:deleted', ARGV[1]) == 1 then
  return 0
end
redis.call('HSET', account, unpack(ARGV, 2))
return 1
