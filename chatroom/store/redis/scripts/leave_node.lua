-- A node stops. ARGV: node, run.
local name = ARGV[1]
local alive = 'chatroom:node:' .. name .. ':alive'
if redis.call('GET', alive) ~= ARGV[2] then return 0 end
redis.call('DEL', alive)
redis.call('SREM', 'chatroom:nodes', name)
clear_node(name)
redis.call('EXPIRE', 'chatroom:node:' .. name .. ':events', 3600)
return 1
