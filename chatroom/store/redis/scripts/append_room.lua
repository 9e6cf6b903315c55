-- Give messages their place in a room, each id once.
-- ARGV: room, messages to keep, and a MessagePack list of: sender, id ("" = none), digest, message.
-- Returns for each: its seq if it was stored; otherwise {"known", seq, code, when it was sent} or
-- {"conflict", seq}.
local stream = 'chatroom:room:' .. ARGV[1]
local keep = tonumber(ARGV[2])
local now = now_ms()
local replies = {}
for _, post in ipairs(cmsgpack.unpack(ARGV[3])) do
  local sender, id, digest, message = unpack(post)
  local ids, order = stream .. ':ids:' .. sender, stream .. ':order:' .. sender
  local known, code, seq
  if id ~= '' then known, code, seq = recall(ids, id) end
  if not known then
    seq = redis.call('XADD', stream, '*', 'm', message, 't', now)
    if id ~= '' then remember(ids, order, id, digest, '200', seq) end
    replies[#replies + 1] = seq
  elseif known == digest then
    replies[#replies + 1] = {'known', seq, code, sent_at(stream, seq)}
  else
    replies[#replies + 1] = {'conflict', '0-0'}
  end
end
trim(stream, redis.call('XLEN', stream) - keep)
return replies
