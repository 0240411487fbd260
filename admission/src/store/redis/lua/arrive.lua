-- Hands out numbers: slips.rs, `arrive` of arrive.rs and `walk_in` of call.rs.

-- What follows is out of sight of the other modules, but for these: a script has at most 200 local variables.
local expire_slips, remember_slips, is_settling, begin_settling, settle, arrive, walk_in
do

-- Begins a new generation of slips when it is time, and forgets the one before the last.
function expire_slips()
  local few = call('HLEN', KEY.slips[s.slips % 2]) < C.SLIPS_MAX
  if s.slips_since + (few and C.REMEMBER_MS or C.REMEMBER_MS_MIN) <= s.now then
    s.slips, s.slips_since = s.slips + 1, s.now
    call('UNLINK', KEY.slips[s.slips % 2])
  end
end

-- The numbers of the slips in arguments `from` to `to`, under the same places; nil if none of them has one.
local function look_up_slips(from, to)
  local found, any = {}, false
  -- The later one wins.
  for _, key in ipairs({ KEY.slips[(s.slips + 1) % 2], KEY.slips[s.slips % 2] }) do
    for first = from, to, ARGS_MAX do
      local numbers = call('HMGET', key, unpack(ARGV, first, min(first + ARGS_MAX - 1, to)))
      for i = 1, #numbers do
        if numbers[i] then
          found[first + i - 1], any = tonumber(numbers[i]), true
        end
      end
    end
  end
  return any and found or nil
end

-- Slips that get a number in this step, as places in ARGV: first, last, and the number of the first.
local issued = {}
-- Their numbers by slip; kept only when a slip comes twice in this batch.
local by_slip = nil

-- Hands out numbers of a lane to the slips in arguments `from` to `to`; returns the first.
local function issue(lane, from, to)
  l = lane
  note_issue()
  local first, count = l.issued + 1, to - from + 1
  s.m_arrived, s.m_numbered = s.m_arrived + count, s.m_numbered + count
  issued[#issued + 1] = { from, to, first }
  l.issued = l.issued + count
  for i = from, by_slip and to or 0 do
    by_slip[ARGV[i]] = first + i - from
  end
  return first
end

function remember_slips()
  local key = KEY.slips[s.slips % 2]
  local args, n = {}, 0
  for _, run in ipairs(issued) do
    local number = run[3]
    for i = run[1], run[2] do
      args[n + 1], args[n + 2] = ARGV[i], number
      n, number = n + 2, number + 1
      if n == ARGS_MAX then
        call('HSET', key, unpack(args, 1, n))
        n = 0
      end
    end
  end
  if n > 0 then
    call('HSET', key, unpack(args, 1, n))
  end
end

-- Those who came while a node was cut off: settling.rs.

function is_settling()
  return s.now < s.settle_until or s.pool > 0
end

function begin_settling(away_since, newcomers)
  -- A node that was cut off alone, while none waited, has kept none waiting.
  local gathered = s.waiting > 0 or s.standing == 1 or newcomers > 0
  if gathered and not is_settling() then
    s.settle_from, s.settle_until = min(away_since, s.now), s.now + C.SETTLE_MS
  end
  -- If no other node could ask either, they have yet to say whom they saw meanwhile.
  if s.now >= s.ticked + C.HEAL_MS then
    listen()
  end
end

-- How many of them get a number in this step.
local function due_in_pool()
  return s.now >= s.settle_until and min(s.pool, C.NUMBERED_MAX) or 0
end

-- Hands out numbers to them; returns which, as the first and the last of each lane, and how many.
function settle()
  local due, spans = due_in_pool(), {}
  if due == 0 then
    return spans, due
  end
  s.m_numbered = s.m_numbered + due
  local found, args, first = call('ZRANGE', KEY.pool, 0, due - 1, 'WITHSCORES'), {}, {}
  for i = 1, #found, 2 do
    l = lanes[tonumber(found[i + 1]) % C.LANES + 1]
    if not first[l] then
      note_issue()
      first[l] = l.issued + 1
    end
    l.issued = l.issued + 1
    args[i], args[i + 1] = found[i], l.issued
  end
  over(args, 1, #args, 'HSET', KEY.slips[s.slips % 2])
  call('ZREMRANGEBYRANK', KEY.pool, 0, due - 1)
  s.pool = s.pool - due
  each_lane(function()
    if first[l] then
      grow()
      put_range(presence(C.NUMBERED_HOLD_MS), first[l], l.issued)
      spans[#spans + 1] = { first[l], l.issued }
    end
  end)
  return spans, due
end

-- Writes down the slips in arguments `from` to `to`, who came to a lane at the times from `arrived` on, or just now. Of
-- the times told for one slip the earliest counts, whichever is told first. Returns for how many more there is room.
local function write_down(lane, from, to, arrived, room, found)
  for i = from, to do
    if room > 0 and not found[i] then
      local at_ms = arrived and tonumber(ARGV[arrived + i - from]) or s.now
      at_ms = min(max(at_ms, min(s.settle_from, s.now)), s.now)
      -- Who only moves up is not among those it counts.
      local new = call('ZADD', KEY.pool, 'LT', at_ms * C.LANES + lane.slot, ARGV[i])
      s.pool, room, s.m_arrived = s.pool + new, room - new, s.m_arrived + new
    end
  end
  return room
end

-- Newcomers in their order, as runs of neighbours with neighbouring numbers (0: none, of all of them).
-- `fresh`: the numbers were handed out by this step. A walk-in without a number is alone and has the place of its
-- slip.
local function take_down(runs, number, kind, fresh)
  local run = runs[#runs]
  local same = run
    and not run.slip
    and run.enters == kind.enters
    and run.is_back == not kind.walks_in
    and run.fresh == fresh
    and run.hold_ms == kind.hold_ms
  if same and number == (run.number > 0 and run.number + run.count or 0) then
    run.count = run.count + 1
  else
    runs[#runs + 1] =
      {
        number = number, count = 1, enters = kind.enters, fresh = fresh, hold_ms = kind.hold_ms,
        is_back = not kind.walks_in,
      }
  end
end

-- Takes in newcomers who are all new, all alike; returns for how many more there is room.
local function take_all(runs, kind, from, to, room)
  local count = to - from + 1
  local taken = min(count, room)
  if taken > 0 then
    local first = issue(kind.lane, from, from + taken - 1)
    runs[#runs + 1] =
      { number = first, count = taken, enters = kind.enters, fresh = true, hold_ms = kind.hold_ms, is_back = true }
  end
  if taken < count then
    runs[#runs + 1] = { number = 0, count = count - taken }
  end
  return room - taken
end

-- Takes in newcomers one by one: some may have a number already, or come twice, or walk in.
local function take_each(runs, kind, from, to, room, found)
  for i = from, to do
    local had = by_slip and by_slip[ARGV[i]] or found[i]
    if had then
      take_down(runs, had, kind, false)
      if kind.enters and not kind.walks_in then
        reclaim({ had })
      end
    elseif kind.walks_in then
      runs[#runs + 1] = { number = 0, count = 1, enters = kind.enters, slip = i, lane = kind.lane }
    elseif room == 0 then
      take_down(runs, 0, kind, false)
    else
      room = room - 1
      take_down(runs, issue(kind.lane, i, i), kind, true)
    end
  end
  return room
end

-- Answers all newcomers but walk-ins without a number, who wait for `walk_in`; `settled` others just got numbers.
function arrive(settled)
  by_slip = number() == 1 and {} or nil
  local runs, groups = {}, number()
  local room = rules.mode == CLOSED and 0 or max(rules.max_waiting - s.waiting - settled - s.pool, 0)
  local settling = is_settling()
  for _ = 1, groups do
    local kind = { hold_ms = number(), enters = number() == 1, walks_in = number() == 1, lane = lane_for(number()) }
    local has_arrived = number() == 1
    local from, to = span_of(1)
    local arrived = has_arrived and span_of(1)
    local found = look_up_slips(from, to)
    if settling then
      if not kind.walks_in then
        room = write_down(kind.lane, from, to, arrived, room, found or {})
      end
      take_each(runs, kind, from, to, 0, found or {})
    elseif found or by_slip or kind.walks_in then
      room = take_each(runs, kind, from, to, room, found or {})
    else
      room = take_all(runs, kind, from, to, room)
    end
  end
  each_lane(grow)
  for _, run in ipairs(runs) do
    l = run.number > 0 and lane_of(run.number) or nil
    if l then
      put_range(presence(run.hold_ms), run.number, run.number + run.count - 1)
    end
  end
  l = lanes[1]
  return runs
end

-- Gives the places that are left to visitors who have no slip yet; returns how many it called. A seat of one that
-- enters is provisional.
function walk_in(runs, most)
  local called, entering, others = {}, {}, {}
  if rules.mode == CLOSED or s.standing == 1 or is_settling() then
    return 0
  end
  for _, run in ipairs(runs) do
    if #called == most then
      break
    elseif run.slip then
      run.number = issue(run.lane, run.slip, run.slip)
      l.called_total = l.called_total + 1
      called[#called + 1] = run.number
      local kind = run.enters and entering or others
      kind[#kind + 1] = run.number
    end
  end
  if #called > 0 then
    tally('waits', 0, #called)
    each_lane(grow)
  end
  mark_called(called)
  hold_due(until_then(s.now + PROVISIONAL_MS, entering), PROVISIONAL)
  hold_due(until_then(s.now + rules.claim_within, others), OPEN)
  return #called
end

end
