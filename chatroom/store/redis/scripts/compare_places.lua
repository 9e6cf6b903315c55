-- From where a node that was cut off resumes reading: the store may not be the same as before.
-- ARGV: for each stream: its key, "1" = a room, number of places, and these places, which the node has
-- read, newest first. Returns for each: nil, if the node resumes from the newest of them; otherwise,
-- as the store lacks what was read, the place to resume from.

-- What Redis knows of the stream, by Redis's names; "last-generated-id" is the newest place ever given.
local function facts(stream)
  if redis.call('EXISTS', stream) == 0 then return {['last-generated-id'] = '0-0'} end
  local named, info = {}, redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do named[info[i]] = info[i + 1] end
  return named
end

local function holds(stream, place)
  return place == '0-0' or #redis.call('XRANGE', stream, place, place) > 0
end

-- Is the message missing, though it was neither trimmed (by us or by hand) nor removed? Then others
-- were stored instead of it.
local function replaced(stream, place, known)
  if holds(stream, place) or not is_after(place, known['max-deleted-entry-id']) then return false end
  local trimmed = redis.call('HGET', stream .. ':state', 'trimmed') or '0-0'
  local first = known['first-entry'] and known['first-entry'][1]
  local by_hand = known['entries-added'] > known['length'] and first and is_after(first, place)
  return is_after(place, trimmed) and not by_hand
end

local function go_on(stream, is_room, places)
  local known = facts(stream)
  local last = known['last-generated-id']
  local newest, oldest = places[1], places[#places]
  if newest == last then return false end
  if not is_after(newest, last) and not (is_room and replaced(stream, newest, known)) then
    return false
  end
  for _, place in ipairs(places) do
    if holds(stream, place) then return place end
  end
  -- All that the node has read since the oldest of the places is gone.
  return is_after(last, oldest) and oldest or last
end

local replies, at = {}, 1
while at <= #ARGV do
  local count, places = tonumber(ARGV[at + 2]), {}
  for i = 1, count do places[i] = ARGV[at + 2 + i] end
  replies[#replies + 1] = go_on(ARGV[at], ARGV[at + 1] == '1', places)
  at = at + 3 + count
end
return replies
