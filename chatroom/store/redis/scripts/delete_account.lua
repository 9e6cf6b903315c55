-- Delete an account, of this program or the original one, and everything that belongs only to it.
-- ARGV: id, rooms in which its message ids may be remembered. Returns 1, or 0: there is no such account.
local id = ARGV[1]
local account, box = 'chatroom:account:' .. id, 'chatroom:mailbox:' .. id
if redis.call('EXISTS', account) == 0 and redis.call('HEXISTS', 'users', id) == 0 then return 0 end
redis.call('SADD', 'chatroom:deleted', id)
redis.call('UNLINK', account, addresses_of(id), tokens_of(id))
redis.call('UNLINK', box, box .. ':state', box .. ':ids', box .. ':order', box .. ':read')
redis.call('HDEL', 'users', id)
redis.call('SREM', 'chatroom:sanctioned', id)
for i = 2, #ARGV do
  local room = 'chatroom:room:' .. ARGV[i]
  redis.call('UNLINK', room .. ':ids:' .. id, room .. ':order:' .. id)
end
wake(id, 'k', 'standing')
tell_nodes('k', 'deleted', 'd', id)
return 1
