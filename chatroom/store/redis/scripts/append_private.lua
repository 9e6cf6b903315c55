-- Give private messages their place in both mailboxes and wake the nodes that hold the two people:
-- one atomic step, so no message can be sent by half.
-- ARGV: unread messages a mailbox holds, read ones to keep, and a MessagePack list of: sender,
-- recipient, id ("" = none), digest, message, origin. Returns for each: {outcome, seq, code}.
local most_unread, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = now_ms()

-- Everything up to the received mark counts as read; with nothing unread, that is the whole mailbox.
local function tidy(box)
  local state = box .. ':state'
  if tonumber(redis.call('HGET', state, 'unread') or '0') <= 0 then
    redis.call('HSET', state, 'received', newest(box), 'after', 0)
  end
  local after = tonumber(redis.call('HGET', state, 'after') or '0')
  trim(box, redis.call('XLEN', box) - after - keep)
end

local function put(sender, recipient, id, digest, message, origin)
  local box = 'chatroom:mailbox:' .. sender
  if id ~= '' then
    local known, code, seq = recall(box .. ':ids', id)
    if known == digest then
      local sent = sent_at(box, seq)
      wake(sender, 'k', 'known', 'o', origin, 'i', id, 's', seq, 'c', code, 't', sent)
      return {'known', seq, code}
    elseif known then
      return {'conflict', '0-0', '400'}
    end
  end
  if redis.call('EXISTS', 'chatroom:account:' .. recipient) == 0
      and redis.call('HEXISTS', 'users', recipient) == 0 then
    return {'no recipient', '0-0', '404'}
  end
  if redis.call('SISMEMBER', 'chatroom:deleted', sender) == 1 then
    -- The sender's account is deleted and its sessions are ending: don't create its mailbox again.
    return {'no recipient', '0-0', '404'}
  end
  if tonumber(redis.call('HGET', box .. ':state', 'after') or '0') >= 2 * most_unread then
    return {"sender's mailbox full", '0-0', '507'}
  end
  local code = '200'
  if recipient ~= sender then
    local theirs = 'chatroom:mailbox:' .. recipient
    if tonumber(redis.call('HGET', theirs .. ':state', 'unread') or '0') >= most_unread then
      return {'mailbox full', '0-0', '507'}
    end
    local their_seq = redis.call('XADD', theirs, '*', 'f', sender, 'm', message, 'c', '200', 't', now)
    redis.call('HINCRBY', theirs .. ':state', 'unread', 1)
    redis.call('HINCRBY', theirs .. ':state', 'after', 1)
    if not wake(recipient, 'k', 'private', 's', their_seq, 'm', message, 'c', '200', 't', now) then
      code = '202'
    end
    tidy(theirs)
  end
  local seq = redis.call('XADD', box, '*', 'f', sender, 'm', message, 'c', code, 't', now)
  redis.call('HINCRBY', box .. ':state', 'after', 1)
  if id ~= '' then remember(box .. ':ids', box .. ':order', id, digest, code, seq) end
  wake(sender, 'k', 'private', 's', seq, 'm', message, 'c', code, 't', now)
  tidy(box)
  return {'stored', seq, code}
end

local replies = {}
for _, post in ipairs(cmsgpack.unpack(ARGV[3])) do
  replies[#replies + 1] = put(unpack(post))
end
return replies
