-- A node starts: clear what the last node of that name left. ARGV: node, run, lease in milliseconds.
local name = ARGV[1]
redis.call('SADD', 'chatroom:nodes', name)
redis.call('SET', 'chatroom:node:' .. name .. ':alive', ARGV[2], 'PX', ARGV[3])
clear_node(name)
redis.call('UNLINK', 'chatroom:node:' .. name .. ':counters')
redis.call('PERSIST', 'chatroom:node:' .. name .. ':events')
return {newest('chatroom:presence'), newest('chatroom:node:' .. name .. ':events')}
