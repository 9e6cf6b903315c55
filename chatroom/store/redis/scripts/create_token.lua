-- Store a token. The one that it replaces expires soon, not at once: if the answer with the new token
-- is lost on the way, the client comes back with the old one. If there are too many, those that expire
-- first are deleted: otherwise a client that logs in again and again would fill the store.
-- ARGV: digest, user, generation, lifetime in seconds, digest it replaces ("" = none), grace in seconds,
-- most tokens of an account.
local digest, lifetime, replaces, grace = ARGV[1], ARGV[4], ARGV[5], ARGV[6]
local held, time = tokens_of(ARGV[2]), redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function lapses_in(seconds)
  return string.format('%.0f', now + seconds * 1000000)
end

redis.call('HSET', token_key(digest), 'user', ARGV[2], 'gen', ARGV[3], 'prev', replaces)
redis.call('EXPIRE', token_key(digest), lifetime)
redis.call('ZREMRANGEBYSCORE', held, '-inf', lapses_in(0))
redis.call('ZADD', held, lapses_in(lifetime), digest)
redis.call('EXPIRE', held, lifetime)
if replaces ~= '' then
  redis.call('EXPIRE', token_key(replaces), grace, 'LT')
  redis.call('ZADD', held, 'XX', 'LT', lapses_in(grace), replaces)
end
local over = redis.call('ZCARD', held) - ARGV[7]
if over > 0 then
  local first = redis.call('ZPOPMIN', held, over)
  for i = 1, #first, 2 do redis.call('DEL', token_key(first[i])) end
end
return 1
