-- What happened in each minute, and when numbers were handed out: minutes.rs and issues.rs.
--
-- The minute that is being counted is among the scalars and lists; those before are in a hash of their own. Stretches of
-- numbers are records of two doubles, when one begins and its last number, which are searched without unpacking them all.

local COUNTS = { 'm_arrived', 'm_numbered', 'm_called', 'm_entered', 'm_lapsed', 'm_left', 'm_ended' }
-- What follows is out of sight of the other modules, but for these: a script has at most 200 local variables.
local note_issue, forget_issues, tally, count_waits, count_visit, turn_minute, minutes_since, count_left, issued_at
do

local RECORD, RECORD_BYTES = '>dd', 16

-- The records of the lane, and whether this step has changed them.
local function read_stretches()
  l.stretches = l.stretches or call('HGET', KEY.line, 'stretches' .. l.suffix) or ''
  return l.stretches
end

local function write_stretches(records)
  l.stretches, l.stretched = records, true
end

local function stretch(i)
  local from, last = struct.unpack(RECORD, l.stretches, i * RECORD_BYTES + 1)
  return from, last
end

-- A number of the lane will be handed out now.
function note_issue()
  if l.open > 0 and s.now < l.open + C.STRETCH_MS then
    return
  elseif l.open > 0 then
    write_stretches(read_stretches() .. struct.pack(RECORD, l.open, l.issued))
  end
  l.open = max(s.now, 1)
end

-- Numbers so far were handed out, and it is not known when.
function forget_issues()
  l.unknown, l.open = l.issued, 0
  write_stretches('')
end

-- When a number was handed out, if that is known, and up to which number the answer is the same.
function issued_at(number)
  if number <= l.unknown then
    return nil, l.unknown
  end
  local from, to = 0, #read_stretches() / RECORD_BYTES
  while from < to do
    local middle = floor((from + to) / 2)
    local _, last = stretch(middle)
    if last < number then
      from = middle + 1
    else
      to = middle
    end
  end
  if from * RECORD_BYTES < #l.stretches then
    return stretch(from)
  end
  return l.open > 0 and l.open or nil, math.huge
end

local function thin_issues()
  local kept, n = {}, #read_stretches() / RECORD_BYTES
  local first, last_before = nil, nil
  for i = 0, n - 1 do
    local from, last = stretch(i)
    if last <= l.floor then
      l.unknown = last
    else
      local ends = l.open
      if i + 1 < n then
        ends = stretch(i + 1)
      end
      if first and (ends - first) * C.AGE_PARTS <= s.now - first then
        kept[#kept] = last
      else
        first = from
        kept[#kept + 1], kept[#kept + 2] = from, last
      end
    end
  end
  local records = {}
  for i = 1, #kept, 2 do
    if #kept - i >= 2 * C.STRETCHES_MAX then
      l.unknown = kept[i + 1]
    else
      records[#records + 1] = struct.pack(RECORD, kept[i], kept[i + 1])
    end
  end
  if n > 0 then
    write_stretches(table.concat(records))
  end
end

local function bucket_of(ms)
  local seconds = floor(ms / 1000)
  local _, exponent = math.frexp(floor(seconds / C.STEPS))
  local doublings = max(exponent - 1, 0)
  return min(doublings * C.STEPS + floor(seconds / 2 ^ doublings), C.BUCKET_MAX)
end

function tally(name, ms, count)
  local counts, at = list(name), bucket_of(ms) + 1
  for i = #counts + 1, at do
    counts[i] = 0
  end
  counts[at] = counts[at] + count
  set_list(name, counts)
end

-- Counts calls of numbers of the lane, which rise.
function count_waits(numbers)
  local at, upto = nil, -1
  for _, number in ipairs(numbers) do
    if number > upto then
      at, upto = issued_at(number)
    end
    if at then
      tally('waits', max(s.now - at, 0), 1)
    end
  end
end

function count_visit(since, seen)
  s.m_ended = s.m_ended + 1
  tally('visits', max(seen - since, 0), 1)
end

local function is_counted()
  for _, name in ipairs(COUNTS) do
    if s[name] > 0 then
      return true
    end
  end
  return #list('waits') > 0 or #list('visits') > 0
end

local function minute_now()
  local minute = { s.minute }
  for i, name in ipairs(COUNTS) do
    minute[i + 1] = s[name]
  end
  minute[#minute + 1], minute[#minute + 2] = list('waits'), list('visits')
  return minute
end

local function begin_minute(minute)
  s.minute = minute
  for _, name in ipairs(COUNTS) do
    s[name] = 0
  end
  set_list('waits', {})
  set_list('visits', {})
end

-- Begins a new minute if it is time to.
function turn_minute()
  local minute = floor(s.now / C.MINUTE_MS)
  if minute <= s.minute then
    return
  end
  if is_counted() then
    call('HSET', KEY.minutes, s.minute, cmsgpack.pack(minute_now()))
  end
  local old = {}
  for i = s.minute - C.MINUTES_KEPT, min(s.minute, minute - C.MINUTES_KEPT - 1) do
    old[#old + 1] = i
  end
  over(old, 1, #old, 'HDEL', KEY.minutes)
  begin_minute(minute)
  each_lane(thin_issues)
end

-- An answer: minutes from one on, flat.
function minutes_since(since)
  local fields, found = {}, {}
  for i = max(since, s.minute - C.MINUTES_KEPT), s.minute - 1 do
    fields[#fields + 1] = i
  end
  local packed_minutes = #fields > 0 and call('HMGET', KEY.minutes, unpack(fields)) or {}
  for _, minute in ipairs(packed_minutes) do
    found[#found + 1] = minute and cmsgpack.unpack(minute) or nil
  end
  if s.minute >= since and is_counted() then
    found[#found + 1] = minute_now()
  end
  local out = { DONE, #found }
  for _, minute in ipairs(found) do
    for _, value in ipairs(minute) do
      if type(value) == 'table' then
        out[#out + 1] = #value
        for _, count in ipairs(value) do
          out[#out + 1] = count
        end
      else
        out[#out + 1] = value
      end
    end
  end
  return out
end

-- How many bits of a bitmap are set, from one number to another.
local function ones(key, first, last)
  local from, to = first - l.base, last - l.base + 1
  local byte_from, byte_to = floor((from + 7) / 8), floor(to / 8)
  local edges, counted = { from, to }, 0
  if byte_to > byte_from then
    counted = call('BITCOUNT', key, byte_from, byte_to - 1)
    edges = { from, byte_from * 8, byte_to * 8, to }
  end
  for i = 1, #edges, 2 do
    local width = edges[i + 1] - edges[i]
    local bits = width > 0 and call('BITFIELD', key, 'GET', 'u' .. width, edges[i])[1] or 0
    while bits > 0 do
      counted, bits = counted + bits % 2, floor(bits / 2)
    end
  end
  return counted
end

-- Counts numbers that the lane's floor passes on its way from `from`, but for those that were called or skipped. In `gone` the
-- bits below the floor are not set yet.
function count_left(from)
  if l.floor <= from then
    return
  end
  local left = l.floor - from - ones(l.gone, from + 1, l.floor)
  local gaps = lane_list('gaps')
  for i = 1, #gaps, 2 do
    left = left - max(min(gaps[i + 1], l.floor) + 1 - max(gaps[i], from + 1), 0)
  end
  s.m_left = s.m_left + max(left, 0)
end

end
