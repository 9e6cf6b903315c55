-- The person has seen the conversation with a peer up to a place. ARGV: user, peer, seq, origin.
local user, peer, seq, origin = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- The peer's account must exist: otherwise anybody could fill their hash with made-up ids.
if redis.call('EXISTS', 'chatroom:account:' .. peer) == 0
    and redis.call('HEXISTS', 'users', peer) == 0 then
  return '0-0'
end
local box = 'chatroom:mailbox:' .. user
local last = newest(box)
if is_after(seq, last) then seq = last end
local mark = redis.call('HGET', box .. ':read', peer) or '0-0'
if not is_after(seq, mark) then return mark end
redis.call('HSET', box .. ':read', peer, seq)
wake(user, 'k', 'read', 'o', origin, 'p', peer, 's', seq)
return seq
