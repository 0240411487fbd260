-- One step: `sync` of line.rs, in its order.

-- First, whether the batch's numbers are of an epoch that is not over; then, whether steps are missing.
local function merge(begins)
  if known.epoch == 0 then
    return true, false
  elseif known.epoch < s.epoch then
    return false, false
  end
  local lost = begins and compare_lives()
  s.epoch = known.epoch
  s.ended_last = max(s.ended_last, known.ended or 0)
  merge_lanes(lost)
  return true, lost
end

local function answer_asks(asks, current)
  local out = {}
  for i = 1, #asks, 2 do
    if current then
      append(out, 1, 0, verdict(asks[i], asks[i + 1] == 1, true))
    else
      append(out, 1, 0, SPENT, 0, 0)
    end
  end
  return out
end

local function summarise(tick, calls_last_minute)
  s.mode = rules.mode
  if not tick then
    return
  end
  s.waiting = 0
  each_lane(function()
    count_lane()
    s.waiting = s.waiting + l.waiting
  end)
  s.ticked, s.called_last_minute, s.rate_used = s.now, calls_last_minute, used_until()
end

-- A new line. It has been idle before, so its bucket is full.
local function start(epoch)
  begin(epoch)
  call('UNLINK', KEY.minutes)
  start_clock()
  s.credit, s.filled = file.burst * C.CREDIT, s.now
  -- Numbers may be high already; blocks are counted from where the line is.
  for slot, told in ipairs(known.lanes) do
    if slot > 1 then
      open_lane(C.UNKNOWN, told.head)
    else
      l.blocks_start = floor(told.head / C.BLOCK) * C.BLOCK
    end
  end
  s.minute = floor(s.now / C.MINUTE_MS)
end

-- The answer to a caller whose call cannot be made with what was loaded; nil if it can.
local function refusal(found, count)
  if found == MORE then
    return { MORE, count }
  end
  return found and found ~= 0 and { UNKNOWN_LAYOUT, found } or nil
end

-- Opens the line and brings it up to date. Returns an answer if that is impossible. There may be numbers of lanes in up to
-- `slots` slots.
local function open(begins, away_since, slots)
  local found, count = load()
  local refused = refusal(found, count)
  if refused then
    return refused
  elseif found and not begins then
    -- The line was lost after the first part of the batch: all of it must be sent again.
    return { TORN }
  elseif begins and lanes_at_most(slots) > GIVEN then
    return { MORE, lanes_at_most(slots) }
  end
  claim()
  if found then
    start(max(known.epoch, 1))
  end
  local before = s.now
  advance_clock()
  local moved = begins and count_step()
  turn_minute()
  notice_silence(s.now - before, away_since > 0)
  -- All parts of a batch make one step: what one has merged lapses in the next step, not in the next part.
  if begins then
    hush.follow()
    expire_slips()
    expire_seats()
  end
  return nil, moved
end

-- Visitors hold tokens for numbers up to these, one for each slot. True: some were never handed out.
local function merge_tops(tops)
  local lost = false
  for _, top in ipairs(tops) do
    if top > 0 then
      lane_up_to(top)
      handed_out(top)
      if l.issued < top then
        l.issued, lost = top, true
      end
    end
  end
  return lost
end

local function sync()
  local begins, ends = number() == 1, number() == 1
  -- In each slot, the highest number of the whole batch, and that of all seats that the node knows of; how many slots there are
  -- numbers of, and how many newcomers; since when the node could not ask, and whether it has noticed a hush.
  local tops, known_tops = all_numbers(), all_numbers()
  local slots, newcomers, away_since, noticed = number(), number(), number(), number()
  local refused, moved = open(begins, away_since, slots)
  if refused then
    return refused
  end

  merge_control()
  govern()
  local current, lost = merge(begins)
  local calls_from, calls_to = span_of(2)
  local due_from, due_to = span_of(2)
  local inside_from, inside_to = span_of(2)
  local known_due, known_inside = {}, {}
  if current and known.epoch > 0 then
    for _, top in ipairs(known_tops) do
      if top > 0 then
        lane_up_to(top)
        l.issued = max(l.issued, top)
      end
    end
    known_due, known_inside = known_seats(due_from, due_to), known_seats(inside_from, inside_to)
    for i = calls_from, calls_to, 2 do
      set_calls(tonumber(ARGV[i]), tonumber(ARGV[i + 1]), max)
    end
  end
  -- A number that was never handed out is proof of a state that was.
  if current and begins and merge_tops(tops) then
    lost = true
  end
  if begins then
    open_lanes()
  end
  if lost or moved then
    begin_life()
  end
  if begins and away_since > 0 then
    begin_settling(away_since, newcomers)
  end
  each_lane(function()
    if l.issued ~= l.issued_before then
      forget_issues()
    end
    if l.issued - l.base > C.REACH_MAX then
      l.floor = max(l.floor, l.issued - C.REACH_KEPT)
      l.head = max(l.head, l.floor)
    end
    rebase()
    grow()
  end)
  merge_seats(known_due, known_inside)
  if begins and noticed == 1 then
    hush.begin()
  end

  local admitted_from, admitted_to = span_of(1)
  local ended_from, ended_to = span_of(1)
  local browsing_from, browsing_to = span_of(1)
  if current then
    book_admitted(admitted_from, admitted_to)
    browse(browsing_from, browsing_to)
    -- After it: whoever is seen inside and then says good-bye, in one batch, has gone.
    book_ended(ended_from, ended_to)
  end
  mark_presence(current)
  if not ends then
    sweep()
    save()
    return { DONE }
  end
  local changes_made = make_changes()
  govern()

  -- Whoever comes first in a tick does the calling; while nobody has to stand, everybody does. A node that was cut off
  -- may be so still, and hear nothing of whom it calls.
  local tick = away_since == 0 and (s.standing == 0 or s.now >= s.ticked + rules.tick)
  local settled, settled_count = settle()
  local runs = arrive(settled_count)
  local asks, entering = {}, {}
  for i = 1, number() * 2, 2 do
    asks[i], asks[i + 1] = number(), number()
    entering[#entering + 1] = asks[i + 1] == 1 and asks[i] or nil
  end
  if current then
    reclaim(entering)
  end
  local called, calls, kept = 0, 0, {}
  if tick then
    local free
    free, calls = places()
    called, kept = call_front(free)
    called = called + walk_in(runs, free - called)
    book(called)
  else
    for _, span in ipairs(settled) do
      count_newcomers(span[1], span[2])
    end
    for _, run in ipairs(runs) do
      if run.fresh then
        count_newcomers(run.number, run.number + run.count - 1)
      end
    end
  end
  remember_slips()
  local runs_on = may_call()
  each_lane(function()
    note_head(runs_on)
  end)

  local to_newcomers = answer_newcomers(runs, current and asks or {})
  local to_asks = answer_asks(asks, current)
  over(notified, 1, #notified, 'ZADD', KEY.due)
  s.m_entered = s.m_entered + enter(until_then(s.now + rules.seat, entered), since)
  summarise(tick, calls + called)
  sweep()
  save()
  return outcome(called, to_newcomers, to_asks, kept, changes_made)
end

-- The line as of its last step.
local function look()
  local found, count = load()
  if found == 0 then
    return { NO_LINE }
  end
  return refusal(found, count) or outcome(0, {}, {}, {}, {})
end

-- A new epoch: every number, ticket and pass of the old one is void. The clock, the rate, the lives and what an operator
-- has set stay, so that a reset is no way round them; and a number of it means the same lane as one of the old.
local function reset()
  local found, count = load()
  local refused = refusal(found, count)
  if refused then
    return refused
  end
  claim()
  if found then
    start(1)
  end
  local old, old_lanes, window, texts, changes = s, lanes, list('window'), rarely('control'), rarely('changes')
  local waits, visits = list('waits'), list('visits')
  begin(old.epoch + 1)
  for slot = 2, #old_lanes do
    open_lane(old_lanes[slot].id, 0)
  end
  for _, name in ipairs({ 'now', 'wall', 'silent', 'credit', 'filled', 'steps', 'life', 'began', 'quiet', 'run', 'last_slot',
    'last_count', 'rev', 'rev_id', 'minute', unpack(SET) }) do
    s[name] = old[name]
  end
  for _, name in ipairs(COUNTS) do
    s[name] = old[name]
  end
  set_list('waits', waits)
  set_list('visits', visits)
  set_list('window', window)
  set_list('control', texts)
  set_list('changes', changes)
  govern()
  s.ticked, s.rate_used = s.now, used_until()
  for i = 2, #window, 2 do
    s.called_last_minute = s.called_last_minute + window[i]
  end
  save()
  return outcome(0, {}, {}, {}, {})
end

-- What happened in each minute from one on.
local function counts()
  local found = load(true)
  if found == 0 then
    return { NO_LINE }
  end
  return refusal(found) or minutes_since(number())
end

if what == 'sync' then
  return sync()
elseif what == 'counts' then
  return counts()
elseif what == 'find' then
  return find()
elseif what == 'look' then
  return look()
end
return reset()
