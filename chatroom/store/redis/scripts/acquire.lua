-- Take one of so many that may be had in a time. ARGV: of what, how many, seconds from the first one on.
-- Returns 0, or the seconds until there are some again: none was taken.
local key = 'chatroom:taken:' .. ARGV[1]
if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2]) then
  return math.max(redis.call('TTL', key), 1)
end
count_up(key, ARGV[3])
return 0
