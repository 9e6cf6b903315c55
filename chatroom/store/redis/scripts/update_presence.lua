-- Some of a node's users came, changed or went. ARGV: node, "1" = these are all its users,
-- those present as JSON, the ids gone as JSON, count of those present, then id, person, ..., then ids gone.
local name, reset, present, gone = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local users = 'chatroom:node:' .. name .. ':users'
-- Even for a node that is taken for dead, so that another node's next heartbeat clears what it leaves.
redis.call('SADD', 'chatroom:nodes', name)
if reset == '1' then redis.call('UNLINK', users) end
local first_gone = 6 + 2 * tonumber(ARGV[5])
for i = 6, first_gone - 1, 2 do redis.call('HSET', users, ARGV[i], ARGV[i + 1]) end
for i = first_gone, #ARGV do redis.call('HDEL', users, ARGV[i]) end
tell_presence('n', name, 'p', present, 'g', gone, 'r', reset)
return 1
