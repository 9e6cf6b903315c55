-- Keep a token. The one that it replaces lapses soon, not at once: where the answer that carries the
-- new one is lost on its way, the client comes back with the old one.
-- ARGV: digest, user, generation, lifetime in seconds, digest it replaces ("" = none), grace in seconds.
local token = 'chatroom:token:' .. ARGV[1]
redis.call('HSET', token, 'user', ARGV[2], 'gen', ARGV[3], 'prev', ARGV[5])
redis.call('EXPIRE', token, ARGV[4])
if ARGV[5] ~= '' then redis.call('EXPIRE', 'chatroom:token:' .. ARGV[5], ARGV[6], 'LT') end
return 1
