-- Make a token void, and the one that it replaced. ARGV: digest.
local token = 'chatroom:token:' .. ARGV[1]
local previous = redis.call('HGET', token, 'prev')
redis.call('DEL', token)
if previous and previous ~= '' then redis.call('DEL', 'chatroom:token:' .. previous) end
return 1
