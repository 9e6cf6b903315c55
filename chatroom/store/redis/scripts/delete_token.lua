-- Delete a token, and the one that it replaced. ARGV: digest.
local user, previous = unpack(redis.call('HMGET', token_key(ARGV[1]), 'user', 'prev'))
if not user then return 0 end
redis.call('DEL', token_key(ARGV[1]), token_key(previous))
redis.call('ZREM', tokens_of(user), ARGV[1], previous)
return 1
