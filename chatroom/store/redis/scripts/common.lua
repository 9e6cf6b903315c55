-- Code that all steps share; it is put before each of them.
--
-- Keys. All begin with "chatroom:".
--   account:ID        hash    name, pwd, status, sex, gen; ban_until, ban_reason, mute_until,
--                             mute_reason: milliseconds since 1970, 0 = for good
--   addresses:ID      zset    where the user logged in from, by when that is forgotten; expires
--   token:DIGEST      hash    user, gen, prev; expires
--   tokens:ID         zset    digests of the user's tokens, by when they lapse in microseconds; expires
--   failures:…        string  wrong guesses: of an address, at an account, of a pair of both; expires
--   taken:WHAT        string  how often something limited was used; expires
--   room:NAME         stream  m = the message as JSON, t = when it was sent
--   mailbox:ID        stream  f = sender, m and t as above, c = the code that its sender gets
--   STREAM:state      hash    trimmed; of a mailbox also received, unread, after
--   STREAM:ids[:ID]   hash    message id -> digest code seq; STREAM:order[:ID] list, oldest first
--   mailbox:ID:read   hash    peer -> seq
--   nodes             set     names of the nodes
--   node:NAME:alive   string  which run of the node; expires
--   node:NAME:users   hash    id -> person as JSON
--   node:NAME:events  stream  what concerns users on that node
--   node:NAME:counters  hash  what that node has refused since its start; expires
--   presence          stream  users who came online, changed status or went offline
--   store             string  of a private store: its own id
--   sanctioned        set     ids of accounts that are, or were lately, banned or muted
--   bans              hash    network -> until and reason
--   deleted           set     ids whose accounts are gone; never given out again
--   audit             stream  a = what an operator asked for, as JSON, t = when
-- and "users", the hash of the original program: id -> account as JSON.
-- A stream's ids give the order, not the time: once the clock was wrong and one is in the future, so are
-- all later ones. So each message has a time of its own; those of an older version have none.

local REMEMBERED_IDS = 1000
local REMEMBERED_SECONDS = 30 * 86400
-- How long a node's counters are kept after it has stopped.
local COUNTERS_SECONDS = 3600

local function newest(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or '0-0'
end

-- The time, in milliseconds since 1970, of Redis and not of the nodes, whose clocks may differ: so
-- all use one clock, and the same one by which bans and tokens end.
local function now_ms()
  local now = redis.call('TIME')
  return string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
end

-- When the message at a place was sent. If an older version stored it, or it has been removed, the
-- time is taken from its place.
local function sent_at(stream, seq)
  local entry = redis.call('XRANGE', stream, seq, seq)[1]
  local fields = entry and entry[2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == 't' then return fields[i + 1] end
  end
  return string.match(seq, '^(%d+)')
end

-- Is the place a after the place b?
local function is_after(a, b)
  local a_ms, a_n = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_n = string.match(b, '(%d+)-(%d+)')
  a_ms, a_n, b_ms, b_n = tonumber(a_ms), tonumber(a_n), tonumber(b_ms), tonumber(b_n)
  return a_ms > b_ms or (a_ms == b_ms and a_n > b_n)
end

-- Drop the oldest messages beyond the limit, and remember the newest one dropped, so that a client
-- that comes back learns exactly whether it missed something. Up to 100 over the limit are allowed:
-- a trim costs the same for one and for a hundred. At most 1000 at once keeps the step short.
local function trim(stream, excess)
  if excess < 100 then return end
  local count = math.min(excess, 1000)
  local page = redis.call('XRANGE', stream, '-', '+', 'COUNT', count + 1)
  if #page <= count then return end
  redis.call('HSET', stream .. ':state', 'trimmed', page[count][1])
  redis.call('XTRIM', stream, 'MINID', page[count + 1][1])
end

-- What is stored for a message id: its digest, code and seq; nil if nothing is.
local function recall(ids, id)
  local known = redis.call('HGET', ids, id)
  if not known then return nil end
  return string.match(known, '^(%S+) (%S+) (%S+)$')
end

local function remember(ids, order, id, digest, code, seq)
  redis.call('HSET', ids, id, digest .. ' ' .. code .. ' ' .. seq)
  if redis.call('RPUSH', order, id) > REMEMBERED_IDS then
    redis.call('HDEL', ids, redis.call('LPOP', order))
  end
  redis.call('EXPIRE', ids, REMEMBERED_SECONDS)
  redis.call('EXPIRE', order, REMEMBERED_SECONDS)
end

-- Put an event into the stream of each living node that holds a session of the user.
local function wake(user, ...)
  local awake = false
  for _, name in ipairs(redis.call('SMEMBERS', 'chatroom:nodes')) do
    local node = 'chatroom:node:' .. name
    if redis.call('HEXISTS', node .. ':users', user) == 1
        and redis.call('EXISTS', node .. ':alive') == 1 then
      redis.call('XADD', node .. ':events', '*', 'u', user, ...)
      awake = true
    end
  end
  return awake
end

-- Count up; the counter expires this many seconds after the first count.
local function count_up(key, seconds)
  if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, seconds) end
end

local function addresses_of(user)
  return 'chatroom:addresses:' .. user
end

local function token_key(digest)
  return 'chatroom:token:' .. digest
end

local function tokens_of(user)
  return 'chatroom:tokens:' .. user
end

local function logged_in_before(user, address)
  local known_until = redis.call('ZSCORE', addresses_of(user), address)
  return known_until and tonumber(known_until) > tonumber(redis.call('TIME')[1])
end

-- Put an event into the stream of each living node. Returns how many there are.
local function tell_nodes(...)
  local told = 0
  for _, name in ipairs(redis.call('SMEMBERS', 'chatroom:nodes')) do
    local node = 'chatroom:node:' .. name
    if redis.call('EXISTS', node .. ':alive') == 1 then
      redis.call('XADD', node .. ':events', '*', 'u', 0, ...)
      told = told + 1
    end
  end
  return told
end

-- The time when something ends that lasts this many milliseconds; "0" means for good, in both.
local function ends_after(milliseconds)
  if milliseconds == '0' then return '0' end
  local now = redis.call('TIME')
  return string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + milliseconds)
end

local function is_over(ends)
  if ends == '0' then return false end
  local now = redis.call('TIME')
  return tonumber(ends) <= now[1] * 1000 + now[2] / 1000
end

local function tell_presence(...)
  return redis.call('XADD', 'chatroom:presence', 'MAXLEN', '~', 10000, '*', ...)
end

-- All users of a node have gone: it stopped, died, or is starting again.
local function clear_node(name)
  redis.call('UNLINK', 'chatroom:node:' .. name .. ':users')
  -- Emptied, not deleted: a new event must have an id after all that the node has read.
  redis.call('XTRIM', 'chatroom:node:' .. name .. ':events', 'MAXLEN', 0)
  tell_presence('n', name, 'p', '[]', 'g', '[]', 'r', '1')
end

