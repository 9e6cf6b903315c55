-- The banned networks; bans that are over are deleted. Returns {network, "until reason", ...}.
local found = {}
local all = redis.call('HGETALL', 'chatroom:bans')
for i = 1, #all, 2 do
  if is_over(string.match(all[i + 1], '^%d+')) then
    redis.call('HDEL', 'chatroom:bans', all[i])
  else
    found[#found + 1] = all[i]
    found[#found + 1] = all[i + 1]
  end
end
return found
