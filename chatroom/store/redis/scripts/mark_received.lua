-- All private messages up to a place have safely arrived. ARGV: user, seq, origin.
local user, seq, origin = ARGV[1], ARGV[2], ARGV[3]
local box = 'chatroom:mailbox:' .. user
local state = box .. ':state'
local mark = redis.call('HGET', state, 'received') or '0-0'
local last = newest(box)
if is_after(seq, last) then seq = last end
if not is_after(seq, mark) then return mark end
local others, all, from = 0, 0, mark
while true do
  local page = redis.call('XRANGE', box, '(' .. from, seq, 'COUNT', 500)
  for _, entry in ipairs(page) do
    all = all + 1
    if entry[2][2] ~= user then others = others + 1 end
  end
  if #page < 500 then break end
  from = page[#page][1]
end
local unread = redis.call('HINCRBY', state, 'unread', -others)
if unread <= 0 then
  redis.call('HSET', state, 'received', last, 'unread', 0, 'after', 0)
else
  redis.call('HSET', state, 'received', seq)
  redis.call('HINCRBY', state, 'after', -all)
end
if others > 0 then wake(user, 'k', 'received', 'o', origin, 's', seq) end
return seq
