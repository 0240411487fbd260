-- The board that the nodes of a fleet share: names with a value each, for a while, by the server's clock. A script of
-- its own: no line has a part in it.
--
-- KEYS: the set of names by their end, and the hash of their values, both under one tag.
-- ARGV: the most notes; then name, value and how long it is kept (ms) of each that is put up.
-- Answer: the clock, how many found no room, then name, value and end of every note.

local ends, values = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most = tonumber(ARGV[1])

while true do
  local gone = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 1000)
  if #gone == 0 then
    break
  end
  redis.call('ZREM', ends, unpack(gone))
  redis.call('HDEL', values, unpack(gone))
end

local refused = 0
for i = 2, #ARGV, 3 do
  local name = ARGV[i]
  if redis.call('ZCARD', ends) < most or redis.call('ZMSCORE', ends, name)[1] then
    redis.call('ZADD', ends, now + tonumber(ARGV[i + 2]), name)
    redis.call('HSET', values, name, ARGV[i + 1])
  else
    refused = refused + 1
  end
end

local answer = { now, refused }
local notes = redis.call('ZRANGE', ends, 0, -1, 'WITHSCORES')
for i = 1, #notes, 2 do
  answer[#answer + 1] = notes[i]
  answer[#answer + 1] = redis.call('HMGET', values, notes[i])[1] or ''
  answer[#answer + 1] = string.format('%.0f', notes[i + 1])
end
return answer
