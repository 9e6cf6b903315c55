-- Where a user has logged in from, newest first, each followed by when that is forgotten. ARGV: user.
local now = redis.call('TIME')[1]
return redis.call('ZREVRANGEBYSCORE', addresses_of(ARGV[1]), '+inf', '(' .. now, 'WITHSCORES')
