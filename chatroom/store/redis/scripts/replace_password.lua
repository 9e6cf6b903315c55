-- Replace the password hash that was checked by a new one. If that invalidates the tokens, it also
-- ends the user's sessions, all but one.
-- ARGV: id, old hash, new hash, by how much the generation rises, why sessions end, the tag of the one
-- that stays. Returns 1, or 0: the old hash has changed.
local account = 'chatroom:account:' .. ARGV[1]
if redis.call('HGET', account, 'pwd') ~= ARGV[2] then return 0 end
redis.call('HSET', account, 'pwd', ARGV[3])
if ARGV[4] ~= '0' then
  redis.call('HINCRBY', account, 'gen', ARGV[4])
  wake(ARGV[1], 'k', 'end', 'w', ARGV[5], 'o', ARGV[6], 't', '')
end
return 1
