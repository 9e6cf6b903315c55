-- Count a wrong password. ARGV: user (0 = none), address, seconds that it counts from the first one on.
local user, address, window = ARGV[1], ARGV[2], ARGV[3]
count_up('chatroom:failures:address:' .. address, window)
if user ~= '0' then
  count_up('chatroom:failures:account:' .. user, window)
  if logged_in_before(user, address) then
    count_up('chatroom:failures:pair:' .. user .. ':' .. address, window)
  end
end
return 1
