-- What a number may do: verdict.rs.

local REFUSED, STANDS, CALLED, INSIDE, SPENT, HALF_INSIDE, LAPSED = 0, 1, 2, 3, 4, 5, 6

-- Seats by number as this step finds and changes them, the numbers that it lets in, and those that it tells of their
-- call, as ZADD wants them.
local due, inside, since, entered, notified = {}, {}, {}, {}, {}

-- Scores by member.
local function scores(key, members)
  local found = {}
  for first = 1, #members, ARGS_MAX do
    local last = min(first + ARGS_MAX - 1, #members)
    local some = call('ZMSCORE', key, unpack(members, first, last))
    for i = first, last do
      found[members[i]] = tonumber(some[i - first + 1])
    end
  end
  return found
end

-- Finds the seats of some numbers, before any verdict. Nobody above the head has one.
local function look_up_seats(numbers)
  local asked = {}
  for _, number in ipairs(numbers) do
    local lane = lane_of(number)
    if lane and number <= lane.head then
      asked[#asked + 1] = number
    end
  end
  due, inside = scores(KEY.due, asked), scores(KEY.inside, asked)
  for number in pairs(inside) do
    -- A store short of memory may have dropped the whole key: the visit goes on as if it had just begun.
    since[number] = tonumber(call('HGET', KEY.since, number)) or s.now
  end
end

-- Whether a number has been called, or was passed over too long ago to be. The base is never above the floor by more
-- than one, and nobody above the head has been called.
local function is_gone(number)
  local lane = lane_of(number)
  return lane and (number <= lane.floor or number <= lane.head and call('GETBIT', lane.gone, number - lane.base) == 1)
end

-- The pages of these numbers were loaded: those that have lapsed may be called again.
local function reclaim(numbers)
  local found, again = {}, {}
  for _, number in ipairs(numbers) do
    found[#found + 1] = has_lapsed(number) and number or nil
  end
  local called = scores(KEY.due, found)
  for _, number in ipairs(found) do
    again[#again + 1] = not called[number] and number or nil
  end
  put_gone(again, 0)
end

-- The verdict, since when and until when. A number that is called and wants to enter does so. `is_back`: its visitor
-- has shown that it keeps what it was given.
local function verdict(number, enters, is_back)
  if inside[number] then
    return INSIDE, since[number], inside[number]
  elseif due[number] then
    local until_ms, claim = floor(due[number] / 4), due[number] % 4
    local since_ms = s.now
    if claim == PROVISIONAL then
      since_ms = min(max(until_ms - PROVISIONAL_MS, 0), s.now)
      if not is_back then
        return HALF_INSIDE, since_ms, until_ms
      end
    elseif not enters then
      if claim == OPEN then
        due[number] = until_ms * 4 + NOTIFIED
        notified[#notified + 1], notified[#notified + 2] = due[number], number
      end
      return CALLED, 0, until_ms
    end
    due[number] = nil
    inside[number], since[number] = s.now + rules.seat, since_ms
    entered[#entered + 1] = number
    return INSIDE, since_ms, s.now + rules.seat
  elseif is_gone(number) then
    return has_lapsed(number) and LAPSED or SPENT, 0, 0
  end
  return STANDS, 0, 0
end

-- Appends an answer for `count` visitors to a list of runs; neighbours with the same answer share one.
-- `number` is that of the first of them, 0 for all who have none.
local function append(out, count, number, kind, since_ms, until_ms)
  local n = #out
  local follows = n > 0
    and out[n - 2] == kind and out[n - 1] == since_ms and out[n] == until_ms
    and number == (out[n - 3] > 0 and out[n - 3] + out[n - 4] or 0)
  if follows then
    out[n - 4] = out[n - 4] + count
  else
    out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = count, number, kind, since_ms, until_ms
  end
end

-- The answers to newcomers in runs: of the numbers handed out by this step, those above the highest that it called from
-- their lane just stand.
local function answer_newcomers(runs, asks)
  local numbers = {}
  for _, run in ipairs(runs) do
    -- Who has no number has no seat to look for.
    if run.number > 0 then
      local last = run.number + run.count - 1
      run.settled = run.fresh and min(last, max(lane_of(run.number).last_called or 0, run.number - 1)) or last
      for number = run.number, run.settled do
        numbers[#numbers + 1] = number
      end
    end
  end
  for i = 1, #asks, 2 do
    numbers[#numbers + 1] = asks[i]
  end
  look_up_seats(numbers)
  local out = {}
  for _, run in ipairs(runs) do
    if run.number == 0 then
      append(out, run.count, 0, REFUSED, 0, 0)
    else
      for number = run.number, run.settled do
        append(out, 1, number, verdict(number, run.enters, run.is_back))
      end
      local standing = run.number + run.count - 1 - run.settled
      if standing > 0 then
        append(out, standing, run.settled + 1, STANDS, 0, 0)
      end
    end
  end
  return out
end
