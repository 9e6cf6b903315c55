-- How long an address has to wait before it may try a password for an account: 0 = it may try now.
-- If the account was logged in to from that address before, only failures of this pair count.
-- ARGV: user (0 = none), address, most failures of an address, most of an account and of a pair.
-- Returns seconds.
local function used_up(key, most)
  if tonumber(redis.call('GET', key) or '0') < tonumber(most) then return 0 end
  return math.max(redis.call('TTL', key), 1)
end
local user, address = ARGV[1], ARGV[2]
if logged_in_before(user, address) then
  return used_up('chatroom:failures:pair:' .. user .. ':' .. address, ARGV[4])
end
return math.max(
  used_up('chatroom:failures:address:' .. address, ARGV[3]),
  used_up('chatroom:failures:account:' .. user, ARGV[4]))
