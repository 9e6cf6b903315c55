-- What each node has counted. Returns for each: {name, {name of a counter, number, ...}}.
local found = {}
for _, name in ipairs(redis.call('SMEMBERS', 'chatroom:nodes')) do
  found[#found + 1] = {name, redis.call('HGETALL', 'chatroom:node:' .. name .. ':counters')}
end
return found
