-- The ends and marks of a conversation, all at the same moment. ARGV: its stream.
-- Returns {newest, trimmed, received, unread, {peer, seq, ...}}.
local state = redis.call('HMGET', ARGV[1] .. ':state', 'trimmed', 'received', 'unread')
return {
  newest(ARGV[1]), state[1] or '0-0', state[2] or '0-0', state[3] or '0',
  redis.call('HGETALL', ARGV[1] .. ':read'),
}
