-- Who holds a seat: seats.rs. A number is in `since` exactly while it is in `inside`.
--
-- Seats are handed about as ZADD wants them: until when and which number, in turn.

-- What is known of the visitor whose seat is due: nothing; that it was answered that it is called; that it walked in
-- and its pass has not come back yet. A score of `due` is four times the end of the seat, and this.
local OPEN, NOTIFIED, PROVISIONAL = 0, 1, 2
local PROVISIONAL_MS = min(C.PROVISIONAL_MS, floor(rules.seat / 2))

local function has_lapsed(number)
  local lane = lane_of(number)
  return lane and lane.lapses == 1 and number > lane.floor and call('GETBIT', lane.lapsed, number - lane.base) == 1
end

local function put_gone(numbers, bit)
  by_lane(numbers, function(some)
    put({ l.gone }, some, bit)
  end)
end

local function put_lapsed(numbers, bit)
  by_lane(numbers, function(some)
    if l.lapses == 0 and bit == 1 and #some > 0 then
      zeros(l.lapsed, l.span)
      l.lapses = 1
    end
    if l.lapses == 1 then
      put({ l.lapsed }, some, bit)
    end
  end)
end

local function until_then(until_ms, members, from, to)
  local kept = {}
  for i = from or 1, to or #members do
    kept[#kept + 1], kept[#kept + 2] = until_ms, members[i]
  end
  return kept
end

-- Since when those of some numbers are inside who are.
local function sinces(members)
  local found = {}
  for first = 1, #members, ARGS_MAX do
    local last = min(first + ARGS_MAX - 1, #members)
    local some = call('HMGET', KEY.since, unpack(members, first, last))
    for i = first, last do
      found[members[i]] = tonumber(some[i - first + 1])
    end
  end
  return found
end

-- Frees the seats that are due and have lapsed: `lapse` of lane.rs.
local function expire_due()
  local upto = s.now * 4 + 3
  local found = call('ZRANGEBYSCORE', KEY.due, '-inf', upto, 'WITHSCORES')
  if #found == 0 then
    return
  end
  s.m_lapsed = s.m_lapsed + #found / 2
  call('ZREMRANGEBYSCORE', KEY.due, '-inf', upto)
  local again, once, twice = {}, {}, {}
  for i = 1, #found, 2 do
    local number = tonumber(found[i])
    if number > lane_of(number).floor then
      local numbers = again
      if tonumber(found[i + 1]) % 4 == NOTIFIED then
        numbers = has_lapsed(number) and twice or once
      end
      numbers[#numbers + 1] = number
    end
  end
  put_gone(again, 0)
  put_lapsed(once, 1)
  put_lapsed(twice, 0)
end

-- Frees the seats that have lapsed.
local function expire_seats()
  -- None is kept for longer than the rules have it.
  local until_ms = s.now + rules.seat
  local longer = call('ZRANGEBYSCORE', KEY.inside, string.format('(%d', until_ms), '+inf')
  local cut = until_then(until_ms, longer)
  over(cut, 1, #cut, 'ZADD', KEY.inside)
  local found, left = call('ZRANGEBYSCORE', KEY.inside, '-inf', s.now, 'WITHSCORES'), {}
  if #found > 0 then
    call('ZREMRANGEBYSCORE', KEY.inside, '-inf', s.now)
  end
  for i = 1, #found, 2 do
    left[#left + 1] = found[i]
  end
  local since = sinces(left)
  for i = 1, #found, 2 do
    count_visit(since[found[i]] or s.now, tonumber(found[i + 1]) - rules.seat)
  end
  over(left, 1, #left, 'HDEL', KEY.since)
  call('ZREMRANGEBYSCORE', KEY.ended, '-inf', (s.now - rules.seat) * 2 + 1)
  expire_due()
end

-- Takes or extends seats; never shortens one.
local function hold(key, kept)
  over(kept, 1, #kept, 'ZADD', key, 'GT')
end

-- Between two steps more time has gone by than while visitors are there to ask: `notice_silence` of line.rs.
local function notice_silence(gone_ms, node_was_there)
  local silent_ms = gone_ms - (s.waiting > 0 and C.SILENT_MS or C.SILENT_IDLE_MS)
  each_lane(function()
    l.running = l.running + (l.runs == 1 and gone_ms - max(silent_ms, 0) or 0)
  end)
  if silent_ms <= 0 then
    expire_presence()
    return
  end
  s.silent = s.silent + silent_ms
  if s.hush_until > 0 then
    s.hush_until = s.hush_until + silent_ms
  end
  local kept = call('ZRANGE', KEY.due, 0, -1, 'WITHSCORES')
  for i = 1, #kept, 2 do
    kept[i], kept[i + 1] = tonumber(kept[i + 1]) + silent_ms * 4, kept[i]
  end
  over(kept, 1, #kept, 'ZADD', KEY.due)
  if node_was_there then
    expire_presence()
  else
    expire_presence(min(gone_ms * 2 + C.SILENT_MS, C.PAGE_BACK_MS_MAX))
  end
end

-- Takes seats for the called. `kept` is as for `hold`.
local function hold_due(kept, claim)
  local scored = {}
  for i = 1, #kept, 2 do
    scored[i], scored[i + 1] = kept[i] * 4 + claim, kept[i + 1]
  end
  over(scored, 1, #scored, 'ZADD', KEY.due)
end

-- Numbers that are called may not be called again.
local function mark_called(numbers)
  by_lane(numbers, function(some)
    put({ l.gone }, some, 1)
    for _, number in ipairs(some) do
      l.head = max(l.head, number)
    end
  end)
end

-- Takes or extends seats inside; `from` says since when for those who have been there already, if it is given. Returns
-- how many are new.
local function enter(kept, from)
  local members, fresh, since = {}, {}, {}
  for i = 2, #kept, 2 do
    members[#members + 1] = kept[i]
  end
  local old = sinces(members)
  for _, member in ipairs(members) do
    if not old[member] then
      fresh[#fresh + 1] = tonumber(member)
      old[member] = from and from[member] or s.now
      since[2 * #fresh - 1], since[2 * #fresh] = member, old[member]
    end
  end
  over(since, 1, #since, 'HSET', KEY.since)
  over(members, 1, #members, 'ZREM', KEY.due)
  hold(KEY.inside, kept)
  -- Who was inside already was called long ago.
  mark_called(fresh)
  put_lapsed(fresh, 0)
  return #fresh
end
