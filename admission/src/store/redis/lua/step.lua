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
  s.floor = max(s.floor, known.floor)
  s.head = max(s.head, known.head, s.floor)
  s.issued = max(s.issued, known.issued, s.head)
  s.ended_last = max(s.ended_last, known.ended or 0)
  merge_gaps(known.gaps)
  handed_out(known.issued, true)
  return true, lost
end

-- Seats that a node knows of and that have not lapsed, as for `hold`. Their numbers were issued.
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
      s.issued = max(s.issued, seat)
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

-- Marks the numbers in arguments `from` to `to`, which rise.
local function mark(keys, from, to, bit)
  local numbers = {}
  for i = from, to do
    local seen = tonumber(ARGV[i])
    if seen <= s.issued then
      numbers[#numbers + 1] = seen
    end
  end
  put(keys, numbers, bit)
end

-- Marks numbers that stand close together, given as pieces of a bitmap: the byte they begin at, and the bits.
local function mark_pieces(keys, from, to)
  if to < from then
    return
  end
  zeros(KEY.scratch, s.span)
  for i = from, to, 2 do
    local byte, bits = tonumber(ARGV[i]) - s.base / 8, ARGV[i + 1]
    if byte < 0 then
      byte, bits = 0, bits:sub(1 - byte)
    end
    call('SETRANGE', KEY.scratch, byte, bits)
  end
  for _, key in ipairs(keys) do
    call('BITOP', 'OR', key, key, KEY.scratch)
  end
end

-- Who was seen waiting, in groups that count as present for equally long; then who went away.
local function mark_presence(current)
  for _ = 1, number() do
    local hold_ms = number()
    local alone_from, alone_to = span_of(1)
    local piece_from, piece_to = span_of(2)
    if current then
      local keys = presence(hold_ms)
      mark(keys, alone_from, alone_to, 1)
      mark_pieces(keys, piece_from, piece_to)
    end
  end
  local away_from, away_to = span_of(1)
  if current then
    local keys = {}
    for i = 1, DOORS + WAITINGS do
      keys[#keys + 1] = live[i] and KEY.present[i] or nil
    end
    mark(keys, away_from, away_to, 0)
  end
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

local function summarise(tick, called, calls_last_minute)
  s.mode = rules.mode
  if not tick then
    return
  end
  count()
  s.ticked, s.called_last_minute, s.rate_used = s.now, calls_last_minute, used_until()
  if s.standing == 0 then
    s.standing_since, s.called_standing = 0, 0
  elseif s.standing_since == 0 then
    s.standing_since, s.called_standing = s.now, 0
  else
    s.called_standing = s.called_standing + called
  end
end

local OUTCOME = {
  'steps', 'life', 'now', 'epoch', 'issued', 'head', 'floor', 'waiting', 'late', 'due', 'inside', 'ended_dropped', 'standing',
  'called_last_minute', 'standing_since', 'called_standing', 'called_total', 'last_slot', 'last_count', 'began', 'quiet',
  'settling', 'rate_used', 'mode', 'blocks_start', 'late_start', 'rev', 'rev_id', 'set_rate', 'set_burst', 'set_active',
  'set_waiting', 'set_mode', 'set_until',
}

-- An outcome: the scalars, then the blocks and the answers, each with its length in front.
local function outcome(called, newcomers, asks, kept, changed)
  local out = { DONE, called }
  s.settling = is_settling() and 1 or 0
  for _, name in ipairs(OUTCOME) do
    out[#out + 1] = s[name]
  end
  for _, values in ipairs({
    list('blocks'), list('late_blocks'), list('gaps'), newcomers, asks, kept, ended_since(known.ended), changed,
    control_news(),
  }) do
    local n = #out + 1
    out[n] = #values
    for i = 1, #values do
      out[n + i] = values[i]
    end
  end
  return out
end

-- A new line. It has been idle before, so its bucket is full.
local function start(epoch)
  begin(epoch)
  call('UNLINK', KEY.minutes)
  start_clock()
  s.credit, s.filled = file.burst * C.CREDIT, s.now
  -- Numbers may be high already; blocks are counted from where the line is.
  s.blocks_start = floor(known.head / C.BLOCK) * C.BLOCK
  s.minute = floor(s.now / C.MINUTE_MS)
end

-- Opens the line and brings it up to date. Returns an answer if that is impossible.
local function open(begins, away_since)
  local found = load()
  if found and found ~= 0 then
    return { UNKNOWN_LAYOUT, found }
  elseif found and not begins then
    -- The line was lost after the first part of the batch: all of it must be sent again.
    return { TORN }
  end
  claim()
  if found then
    start(max(known.epoch, 1))
  end
  local before = s.now
  advance_clock()
  local moved = begins and count_step()
  turn_minute()
  local paved, issued_before = s.floor, s.issued
  notice_silence(s.now - before, away_since > 0)
  expire_slips()
  expire_seats()
  return nil, paved, moved, issued_before
end

local function sync()
  local begins, ends = number() == 1, number() == 1
  -- Highest number of the whole batch, how many newcomers there are, and since when the node could not ask.
  local top, newcomers, away_since = number(), number(), number()
  local refusal, paved, moved, issued_before = open(begins, away_since)
  if refusal then
    return refusal
  end

  merge_control()
  govern()
  local current, lost = merge(begins)
  local calls_from, calls_to = span_of(2)
  local due_from, due_to = span_of(2)
  local inside_from, inside_to = span_of(2)
  local known_due, known_inside = {}, {}
  if current and known.epoch > 0 then
    known_due, known_inside = known_seats(due_from, due_to), known_seats(inside_from, inside_to)
    for i = calls_from, calls_to, 2 do
      set_calls(tonumber(ARGV[i]), tonumber(ARGV[i + 1]), max)
    end
  end
  -- A number that was never handed out is proof of a state that was.
  if current and begins then
    handed_out(top)
  end
  if current and begins and s.issued < top then
    s.issued, lost = top, true
  end
  if lost or moved then
    begin_life()
  end
  if s.issued ~= issued_before then
    forget_issues()
  end
  if begins and away_since > 0 then
    begin_settling(away_since, newcomers)
  end
  if s.issued - s.base > C.REACH_MAX then
    s.floor = max(s.floor, s.issued - C.REACH_KEPT)
    s.head = max(s.head, s.floor)
  end
  rebase()
  grow(s.issued + due_in_pool() + newcomers, paved)
  merge_seats(known_due, known_inside)

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
    call('DEL', KEY.scratch)
    save(stretched and stretches)
    return { DONE }
  end
  local changes_made = make_changes()
  govern()

  -- Whoever comes first in a tick does the calling; while nobody has to stand, everybody does. A node that was cut off
  -- may be so still, and hear nothing of whom it calls.
  local tick = away_since == 0 and (s.standing == 0 or s.now >= s.ticked + rules.tick)
  local settled_from, settled_to = settle()
  local runs = arrive(settled_to - settled_from + 1)
  local asks, entering = {}, {}
  for i = 1, number() * 2, 2 do
    asks[i], asks[i + 1] = number(), number()
    entering[#entering + 1] = asks[i + 1] == 1 and asks[i] or nil
  end
  if current then
    reclaim(entering)
  end
  local called, last_called, calls, kept = 0, 0, 0, {}
  if tick then
    local free
    free, calls = places()
    called, last_called, kept = call_front(free)
    called = called + walk_in(runs, free - called)
    book(called)
  else
    count_newcomers(settled_from, settled_to)
    for _, run in ipairs(runs) do
      if run.fresh then
        count_newcomers(run.number, run.number + run.count - 1)
      end
    end
  end
  remember_slips()
  note_head(may_call())

  local to_newcomers = answer_newcomers(runs, current and asks or {}, last_called)
  local to_asks = answer_asks(asks, current)
  over(notified, 1, #notified, 'ZADD', KEY.due)
  s.m_entered = s.m_entered + enter(until_then(s.now + rules.seat, entered), since)
  summarise(tick, called, calls + called)
  call('DEL', KEY.scratch)
  save(stretched and stretches)
  return outcome(called, to_newcomers, to_asks, kept, changes_made)
end

-- The line as of its last step.
local function look()
  local found = load()
  if found then
    return found == 0 and { NO_LINE } or { UNKNOWN_LAYOUT, found }
  end
  return outcome(0, {}, {}, {}, {})
end

-- A new epoch: every number, ticket and pass of the old one is void. The clock, the rate, the lives and what an operator
-- has set stay, so that a reset is no way round them.
local function reset()
  local found = load()
  if found and found ~= 0 then
    return { UNKNOWN_LAYOUT, found }
  end
  claim()
  if found then
    start(1)
  end
  local old, window, texts, changes = s, list('window'), rarely('control'), rarely('changes')
  local waits, visits = list('waits'), list('visits')
  begin(old.epoch + 1)
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
  save(stretched and stretches)
  return outcome(0, {}, {}, {}, {})
end

-- What happened in each minute from one on.
local function counts()
  local found = load()
  if found then
    return found == 0 and { NO_LINE } or { UNKNOWN_LAYOUT, found }
  end
  return minutes_since(number())
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
