-- Renew a node's lease, drop the events that it has read, and clear dead nodes. The node gets the
-- heartbeat back over the bus. ARGV: node, run, lease in milliseconds, oldest place to keep, number.
-- Returns "alive"; "lease lost": it had been taken for dead; "taken": another run has the name.
local name, run = ARGV[1], ARGV[2]
local node = 'chatroom:node:' .. name
local holder = redis.call('GET', node .. ':alive')
local known = redis.call('SISMEMBER', 'chatroom:nodes', name) == 1
redis.call('SET', node .. ':alive', run, 'PX', ARGV[3])
redis.call('SADD', 'chatroom:nodes', name)
redis.call('XTRIM', node .. ':events', 'MINID', ARGV[4])
redis.call('XADD', node .. ':events', '*', 'u', 0, 'k', 'beat', 'r', run, 'n', ARGV[5])
redis.call('PERSIST', node .. ':events')
redis.call('EXPIRE', node .. ':counters', COUNTERS_SECONDS)
for _, other in ipairs(redis.call('SMEMBERS', 'chatroom:nodes')) do
  if redis.call('EXISTS', 'chatroom:node:' .. other .. ':alive') == 0 then
    redis.call('SREM', 'chatroom:nodes', other)
    clear_node(other)
    redis.call('EXPIRE', 'chatroom:node:' .. other .. ':events', 3600)
  end
end
if holder and holder ~= run then return 'taken' end
if holder and known then return 'alive' end
return 'lease lost'
