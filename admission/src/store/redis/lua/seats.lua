-- Who holds a seat: seats.rs. A number is in `since` exactly while it is in `inside`.
--
-- Seats are handed about as ZADD wants them: until when and which number, in turn.

-- How long after the end of a visit a node's mark of it may still be on its way.
local ENDED_MS = 10000

local function lapsed(key)
  local members = call('ZRANGEBYSCORE', key, '-inf', s.now)
  if #members > 0 then
    call('ZREMRANGEBYSCORE', key, '-inf', s.now)
  end
  return members
end

-- Frees the seats that have lapsed. A called visitor who did not come stands first in line again when seen.
local function expire_seats()
  local left = lapsed(KEY.inside)
  over(left, 1, #left, 'HDEL', KEY.since)
  lapsed(KEY.ended)
  local again = {}
  for _, member in ipairs(lapsed(KEY.due)) do
    local number = tonumber(member)
    if number > s.floor then
      again[#again + 1] = number
    end
  end
  put({ KEY.gone }, again, 0)
end

-- Takes or extends seats; never shortens one.
local function hold(key, kept)
  over(kept, 1, #kept, 'ZADD', key, 'GT')
end

local function until_then(until_ms, members, from, to)
  local kept = {}
  for i = from or 1, to or #members do
    kept[#kept + 1], kept[#kept + 2] = until_ms, members[i]
  end
  return kept
end

-- Numbers that are called may not be called again.
local function mark_called(numbers)
  put({ KEY.gone }, numbers, 1)
  for _, number in ipairs(numbers) do
    s.head = max(s.head, number)
  end
end

-- Takes or extends seats inside.
local function enter(kept)
  local members, fresh, since = {}, {}, {}
  for i = 2, #kept, 2 do
    members[#members + 1] = kept[i]
  end
  for first = 1, #members, ARGS_MAX do
    local last = min(first + ARGS_MAX - 1, #members)
    local old = call('HMGET', KEY.since, unpack(members, first, last))
    for i = first, last do
      if not old[i - first + 1] then
        fresh[#fresh + 1] = tonumber(members[i])
        since[2 * #fresh - 1], since[2 * #fresh] = members[i], s.now
      end
    end
  end
  over(since, 1, #since, 'HSET', KEY.since)
  over(members, 1, #members, 'ZREM', KEY.due)
  hold(KEY.inside, kept)
  -- Whoever was inside already was called long ago.
  mark_called(fresh)
end

-- Gives up the seats of the numbers in arguments `from` to `to`.
local function leave(from, to)
  over(ARGV, from, to, 'ZREM', KEY.inside)
  over(ARGV, from, to, 'HDEL', KEY.since)
  over(ARGV, from, to, 'ZREM', KEY.due)
  hold(KEY.ended, until_then(s.now + ENDED_MS, ARGV, from, to))
end
