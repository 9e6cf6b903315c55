-- The accounts that are banned or muted; those that no longer are leave the list. Returns their ids.
local found = {}
for _, id in ipairs(redis.call('SMEMBERS', 'chatroom:sanctioned')) do
  local account = 'chatroom:account:' .. id
  local ban, mute = unpack(redis.call('HMGET', account, 'ban_until', 'mute_until'))
  if (ban and not is_over(ban)) or (mute and not is_over(mute)) then
    found[#found + 1] = id
  else
    redis.call('SREM', 'chatroom:sanctioned', id)
  end
end
return found
