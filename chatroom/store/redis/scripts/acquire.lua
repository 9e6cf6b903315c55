-- Count one use of something limited. ARGV: its name, most uses, in how many seconds from the first one.
-- Returns 0, or where all are used up, the seconds until there are some again.
local key = 'chatroom:taken:' .. ARGV[1]
if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2]) then
  return math.max(redis.call('TTL', key), 1)
end
count_up(key, ARGV[3])
return 0
