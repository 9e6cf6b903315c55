-- Keep a user's status, and tell every node. ARGV: id, status. Gives the place where it is told last.
local id, status = ARGV[1], tonumber(ARGV[2])
local told = false
local account = 'chatroom:account:' .. id
if redis.call('EXISTS', account) == 1 then redis.call('HSET', account, 'status', status) end
for _, name in ipairs(redis.call('SMEMBERS', 'chatroom:nodes')) do
  local users = 'chatroom:node:' .. name .. ':users'
  local text = redis.call('HGET', users, id)
  if text then
    -- As text: cjson would not write an id above 10^14 as an integer.
    text = string.gsub(text, '"userStatus":%d+}$', '"userStatus":' .. status .. '}')
    redis.call('HSET', users, id, text)
    told = tell_presence('n', name, 'p', '[' .. text .. ']', 'g', '[]')
  end
end
return told
