-- How long nobody from an address may guess at an account: 0 = a password may be tried now.
-- Whoever has logged in to the account from there before is stopped by failures of that pair alone.
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
