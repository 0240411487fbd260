-- What nodes say of visitors: merge.rs, and ended.rs.

-- Seats that a node knows of and that have not lapsed, as for `hold`.
local function known_seats(from, to)
  local kept, numbers = {}, {}
  for i = from, to, 2 do
    numbers[#numbers + 1] = ARGV[i]
  end
  local gone = scores(KEY.ended, numbers)
  for i = from, to, 2 do
    local seat, until_ms = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if until_ms > s.now and not gone[ARGV[i]] then
      kept[#kept + 1], kept[#kept + 2] = until_ms, seat
    end
  end
  return kept
end

local function merge_seats(known_due, known_inside)
  enter(known_inside)
  local numbers = {}
  for i = 2, #known_due, 2 do
    numbers[#numbers + 1] = known_due[i]
  end
  local in_already, due_already = scores(KEY.inside, numbers), scores(KEY.due, numbers)
  local kept, called = {}, {}
  for i = 2, #known_due, 2 do
    local seat = known_due[i]
    if not in_already[seat] and not due_already[seat] then
      kept[#kept + 1], kept[#kept + 2] = known_due[i - 1], seat
      called[#called + 1] = seat
    end
  end
  mark_called(called)
  hold_due(kept, OPEN)
end

-- Settles up with a node that let in the numbers in arguments `from` to `to` by itself: whoever had not been called
-- yet is called now, once, however often it is told. A visit counts as a call even if it is over by now, as another
-- node may have said; but it has no seat.
local function book_admitted(from, to)
  local numbers = {}
  for i = from, to do
    numbers[#numbers + 1] = tonumber(ARGV[i])
  end
  local ended, counted, called = scores(KEY.ended, numbers), {}, 0
  local here, left, late = {}, {}, {}
  for _, number in ipairs(numbers) do
    local uncounted = ended[number] and ended[number] % 2 == 1
    -- Their bits are set only after this loop.
    if not counted[number] and (uncounted or not is_gone(number)) then
      counted[number], called = true, called + 1
      local lane = lane_of(number)
      lane.called_total = lane.called_total + 1
      if uncounted then
        late[#late + 1], late[#late + 2] = ended[number] - 1, number
      end
    end
    local there = ended[number] and left or here
    there[#there + 1] = number
  end
  s.m_entered = s.m_entered + enter(until_then(s.now + rules.seat, here))
  over(left, 1, #left, 'ZREM', KEY.due)
  over(late, 1, #late, 'ZADD', KEY.ended)
  mark_called(left)
  put_lapsed(left, 0)
  book(called)
end

-- The visits of the numbers in arguments `from` to `to` have ended: ended.rs, and `book_ended` of merge.rs.
local function book_ended(from, to)
  local numbers, uncounted = {}, {}
  for i = from, to do
    local number = tonumber(ARGV[i])
    numbers[#numbers + 1] = number
    uncounted[number] = not is_gone(number)
  end
  local since = sinces(numbers)
  for _, since_ms in pairs(since) do
    count_visit(since_ms, s.now)
  end
  over(numbers, 1, #numbers, 'ZREM', KEY.inside)
  over(numbers, 1, #numbers, 'HDEL', KEY.since)
  over(numbers, 1, #numbers, 'ZREM', KEY.due)
  mark_called(numbers)
  put_lapsed(numbers, 0)
  local ended, fresh = scores(KEY.ended, numbers), {}
  for _, number in ipairs(numbers) do
    if not ended[number] then
      s.ended_last = max(s.now, s.ended_last + 1)
      ended[number] = s.ended_last * 2 + (uncounted[number] and 1 or 0)
      fresh[#fresh + 1], fresh[#fresh + 2] = ended[number], number
    end
  end
  over(fresh, 1, #fresh, 'ZADD', KEY.ended)
  local beyond = #fresh > 0 and call('ZCARD', KEY.ended) - C.ENDED_MAX or 0
  if beyond > 0 then
    call('ZREMRANGEBYRANK', KEY.ended, 0, beyond - 1)
    s.ended_dropped = s.ended_dropped + beyond
  end
end

-- Visits that have ended since the node was told of some, which one it was and when, in turn.
local function ended_since(told_ms)
  if not told_ms then
    return {}
  end
  local from = string.format('(%d', told_ms * 2 + 1)
  local found = call('ZRANGEBYSCORE', KEY.ended, from, '+inf', 'WITHSCORES', 'LIMIT', 0, C.ENDED_TOLD_MAX)
  for i = 1, #found, 2 do
    found[i], found[i + 1] = tonumber(found[i]), floor(tonumber(found[i + 1]) / 2)
  end
  return found
end

-- Takes in who was seen inside: the numbers in arguments `from` to `to`. A node may have seen who has left through
-- another one since.
local function browse(from, to)
  local numbers, here = {}, {}
  for i = from, to do
    numbers[#numbers + 1] = ARGV[i]
  end
  local gone = scores(KEY.ended, numbers)
  for _, number in ipairs(numbers) do
    here[#here + 1] = not gone[number] and number or nil
  end
  s.m_entered = s.m_entered + enter(until_then(s.now + rules.seat, here))
end

-- What follows is out of sight of the other modules, but for this.
local mark_presence
do

-- Marks numbers of the lane, which rise: those in a list from one place to another.
local function mark(keys, members, from, to, bit)
  local numbers = {}
  for i = from, to do
    local seen = tonumber(members[i])
    if seen <= l.issued then
      numbers[#numbers + 1] = seen
    end
  end
  put(keys, numbers, bit)
end

-- Marks numbers of the lane that stand close together, given as pieces of a bitmap: the byte they begin at, and the bits.
local function mark_pieces(keys, from, to)
  if to < from then
    return
  end
  zeros(l.scratch, l.span)
  for i = from, to, 2 do
    local byte, bits = tonumber(ARGV[i]) - l.base / 8, ARGV[i + 1]
    if byte < 0 then
      byte, bits = 0, bits:sub(1 - byte)
    end
    call('SETRANGE', l.scratch, byte, bits)
  end
  for _, key in ipairs(keys) do
    call('BITOP', 'OR', key, key, l.scratch)
  end
end

-- Who was seen waiting, in groups of one lane that count as present for equally long; then who went away.
function mark_presence(current)
  for _ = 1, number() do
    local hold_ms, slot = number(), number()
    local alone_from, alone_to = span_of(1)
    local piece_from, piece_to = span_of(2)
    l = lanes[slot + 1]
    if current and l and l.span > 0 then
      local keys = presence(hold_ms)
      mark(keys, ARGV, alone_from, alone_to, 1)
      mark_pieces(keys, piece_from, piece_to)
    end
  end
  l = lanes[1]
  local away_from, away_to = span_of(1)
  if current then
    by_lane({ unpack(ARGV, away_from, away_to) }, function(numbers)
      local keys = {}
      for i = 1, DOORS + C.WAITINGS do
        keys[#keys + 1] = l.has[i] and l.present[i] or nil
      end
      mark(keys, numbers, 1, #numbers, 0)
    end)
  end
end

end
