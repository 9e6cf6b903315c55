-- Store what a node has counted since its start. ARGV: node, then name and number of each.
local counters = 'chatroom:node:' .. ARGV[1] .. ':counters'
redis.call('DEL', counters)
for i = 2, #ARGV, 2 do redis.call('HSET', counters, ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', counters, COUNTERS_SECONDS)
return 1
