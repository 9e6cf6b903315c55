-- Put a new hash in place of the one that was checked.
-- ARGV: id, old hash, new hash, by how much the generation rises. Returns 1, or 0: not that hash.
local account = 'chatroom:account:' .. ARGV[1]
if redis.call('HGET', account, 'pwd') ~= ARGV[2] then return 0 end
redis.call('HSET', account, 'pwd', ARGV[3])
redis.call('HINCRBY', account, 'gen', ARGV[4])
return 1
