-- Remember that a user logged in from an address. ARGV: user, address, how many are kept, for how long.
local key, now = addresses_of(ARGV[1]), tonumber(redis.call('TIME')[1])
redis.call('ZADD', key, now + ARGV[4], ARGV[2])
redis.call('ZREMRANGEBYRANK', key, 0, -1 - ARGV[3])
redis.call('EXPIRE', key, ARGV[4])
return 1
