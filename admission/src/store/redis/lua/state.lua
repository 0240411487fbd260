-- The state of one line: which keys hold it, how it is read and written.
--
-- This script is `Line::sync` of the admission crate over again, room by room: whoever changes one changes the
-- other, and a test drives both with the same histories. Times are milliseconds of the line's clock. Every
-- number stays below 2^53, where doubles are exact.

-- Every key is named in KEYS and has the same hash tag; none has a time to live, which would make it prey of
-- `maxmemory-policy volatile-*`.

-- `C` holds the constants of `line/constants.rs` and the layout, and stands before this text. A script never writes a
-- layout that it does not know.

local call = redis.call
local floor, max, min = math.floor, math.max, math.min

-- Arguments to one command. Lua's stack holds some 8,000; fewer stay in the processor's cache.
local ARGS_MAX = 1000

local DOORS = C.FINES + C.COARSES
-- Behind the rings: who has been seen since a hush began.
local HEARD = DOORS + C.WAITINGS + 1
local KEY = {
  line = KEYS[1], -- hash: every scalar, and the short lists
  due = KEYS[2], -- sorted set: called and not entered, by the time at which the seat lapses and the claim
  inside = KEYS[3], -- sorted set: inside, by the time at which the seat lapses
  since = KEYS[4], -- hash: when each number inside took its seat
  slips = { [0] = KEYS[5], KEYS[6] }, -- hashes: slip to number, of the even and the odd generation
  pool = KEYS[7], -- sorted set: slips of those who came while a node was cut off, by eight times the time of arrival, and the slot of the lane
  ended = KEYS[8], -- sorted set: whose visit has ended, by twice the time at which it ended, no two the same, and whether it is uncounted
  minutes = KEYS[9], -- hash: what happened in each of the last minutes
}
-- An answer, and what `load` says: the line has more lanes than there are keys for.
local MORE = -4
-- The keys of each lane follow, as many lanes as the caller thinks that there are.
local QUEUE_KEYS, LANE_KEYS = 9, HEARD + 3
local GIVEN = (#KEYS - QUEUE_KEYS) / LANE_KEYS

-- In the order in which they are packed, which is part of the layout; those of each lane follow those of the queue.
local SCALARS = {
  'epoch', 'now', 'wall', 'silent', 'credit', 'filled', 'steps', 'life', 'began', 'quiet', 'run', 'settle_from', 'settle_until',
  'hush_until', 'hush_waits', 'pool', 'fine', 'coarse', 'seen', 'slips', 'slips_since', 'due', 'inside', 'called_total', 'ticked', 'ended_last',
  'ended_dropped', 'standing', 'waiting', 'called_last_minute', 'last_slot', 'last_count', 'rate_used', 'mode', 'rev', 'rev_id',
  'set_rate', 'set_burst', 'set_active', 'set_waiting', 'set_mode', 'set_until', 'minute', 'm_arrived', 'm_numbered', 'm_called',
  'm_entered', 'm_lapsed', 'm_left', 'm_ended',
}
local LANE_SCALARS = {
  'id', 'issued', 'head', 'floor', 'base', 'span', 'live', 'running', 'runs', 'lapses', 'waiting', 'late', 'called_total',
  'standing_since', 'blocks_start', 'late_start', 'unknown', 'open', 'turn',
}
-- The lists of a lane, each in a field of its own.
local LANE_LISTS = { 'heads', 'blocks', 'late_blocks', 'gaps' }

-- The scalars of the queue by name.
local s = {}
-- Lanes by slot, from 1 on, and the one that functions below work on: its scalars by name; its keys `gone` (bitmap: called,
-- or at or below the floor), `present` (bitmaps: the rings of generations, doors (fine, then coarse) first, and who was heard in a hush), `lapsed`
-- (bitmap: called, heard of it, and did not enter) and `scratch` (never outlives a step); which generations it `has` a
-- bitmap of.
local lanes, l = {}, nil
-- Lists as found, those of them that this step has unpacked, and those that it has changed.
local packed, lists, changed = {}, {}, {}

local function list(name)
  if not lists[name] then
    lists[name] = packed[name] and cmsgpack.unpack(packed[name]) or {}
  end
  return lists[name]
end

local function set_list(name, value)
  lists[name], changed[name] = value, true
end

-- The same of the lane.
local function lane_list(name)
  return list(name .. l.suffix)
end

local function set_lane_list(name, value)
  set_list(name .. l.suffix, value)
end

-- Adds a lane in the next slot, with nothing in it.
local function add_lane()
  local slot = #lanes
  local at = QUEUE_KEYS + slot * LANE_KEYS
  local lane = {
    slot = slot, origin = slot * C.PLACES, suffix = slot > 0 and slot or '', gone = KEYS[at + 1], present = {}, has = {},
    lapsed = KEYS[at + HEARD + 2], scratch = KEYS[at + LANE_KEYS],
  }
  for i = 1, HEARD do
    lane.present[i] = KEYS[at + 1 + i]
  end
  lanes[slot + 1] = lane
  return lane
end

-- Does something with each lane, which is the one that functions work on meanwhile.
local function each_lane(with)
  local before = l
  for i = 1, #lanes do
    l = lanes[i]
    with(l)
  end
  l = before
end

-- The lane of a number; nil if there is none.
local function lane_of(number)
  return lanes[min(floor(number / C.PLACES), C.LANES - 1) + 1]
end

-- Does something with those of some numbers that are of one lane, for each lane that has any. The order stays.
local function by_lane(numbers, with)
  if #lanes == 1 then
    return with(numbers)
  end
  local of = {}
  for _, number in ipairs(numbers) do
    local lane = lane_of(number)
    if lane then
      of[lane] = of[lane] or {}
      table.insert(of[lane], number)
    end
  end
  each_lane(function(lane)
    if of[lane] then
      with(of[lane])
    end
  end)
end

-- Runs a command over arguments `from` to `to` of a list, as often as it takes.
local function over(args, from, to, command, ...)
  for first = from, to, ARGS_MAX do
    local head = { ... }
    local n = #head
    for i = first, min(first + ARGS_MAX - 1, to) do
      n = n + 1
      head[n] = args[i]
    end
    call(command, unpack(head, 1, n))
  end
end

local function wipe_presence()
  call('DEL', unpack(l.present))
  l.has = {}
end

-- Removes what there is of a lane.
local function wipe_lane()
  call('DEL', l.gone, l.lapsed)
  wipe_presence()
end

-- Sets up a lane in which nobody has stood. Numbers may be high already, up to a head: blocks are counted from there.
local function open_lane(id, head)
  l = add_lane()
  wipe_lane()
  for _, name in ipairs(LANE_SCALARS) do
    l[name] = 0
  end
  l.id = id
  for _, name in ipairs({ 'issued', 'head', 'floor', 'base', 'unknown' }) do
    l[name] = l.origin
  end
  l.blocks_start = floor(max(head, l.origin) / C.BLOCK) * C.BLOCK
  l.issued_before, l.paved = l.origin, l.origin
  for _, name in ipairs(LANE_LISTS) do
    set_lane_list(name, {})
  end
  l.stretches, l.stretched = '', true
end

-- Reads the state. Returns the layout found when it is not ours, 0 when there is no line, `MORE` when it has more lanes than
-- keys are given for and all of them are wanted, and how many; else nil.
local function load(any)
  local fields = { 'layout', 'scalars', 'window', 'waits', 'visits' }
  for slot = 0, GIVEN - 1 do
    for _, name in ipairs(LANE_LISTS) do
      fields[#fields + 1] = name .. (slot > 0 and slot or '')
    end
  end
  local found = call('HMGET', KEY.line, unpack(fields))
  if not found[1] then
    return 0
  elseif tonumber(found[1]) ~= C.LAYOUT then
    return tonumber(found[1]) or -1
  end
  local fine, scalars = pcall(cmsgpack.unpack, found[2])
  local count = fine and (#scalars - #SCALARS) / #LANE_SCALARS or 0
  if count < 1 or count > C.LANES or count % 1 ~= 0 then
    return 0
  elseif count > GIVEN and not any then
    return MORE, count
  end
  local n = #SCALARS
  for i, name in ipairs(SCALARS) do
    s[name] = scalars[i]
  end
  for i = 3, #fields do
    packed[fields[i]] = found[i]
  end
  for _ = 1, count do
    local lane = add_lane()
    for i, name in ipairs(LANE_SCALARS) do
      lane[name] = scalars[n + i]
    end
    n = n + #LANE_SCALARS
    lane.issued_before, lane.paved = lane.issued, lane.floor
    for i = 1, HEARD do
      lane.has[i] = floor(lane.live / 2 ^ i) % 2 == 1
    end
  end
  l = lanes[1]
  -- A line of which a part was evicted or restored is a line that was lost; what the nodes know heals it.
  local whole = call('ZCARD', KEY.due) == s.due
    and call('ZCARD', KEY.inside) == s.inside
    and call('ZCARD', KEY.pool) == s.pool
  for i, lane in ipairs(lanes) do
    -- A lane in which nobody has stood has nothing to lose; of one without a key nothing is asked.
    whole = whole and (i > 1 and lane.span == 0 or i > GIVEN or call('STRLEN', lane.gone) == lane.span)
  end
  if not whole then
    return 0
  end
end

-- The first write of every call. Without memory the server refuses it, and so the call before anything is written.
-- It looks at no later write: had the first been one that frees, it would let all of them pass, and whether a step
-- is made would hang on what has just lapsed.
local function claim()
  call('HSET', KEY.line, 'layout', C.LAYOUT)
end

local function save()
  s.due, s.inside = call('ZCARD', KEY.due), call('ZCARD', KEY.inside)
  local scalars = {}
  for i, name in ipairs(SCALARS) do
    scalars[i] = s[name]
  end
  local args = { 'layout', C.LAYOUT, 'scalars', '' }
  each_lane(function()
    l.live = 0
    for i = 1, HEARD do
      l.live = l.live + (l.has[i] and 2 ^ i or 0)
    end
    for _, name in ipairs(LANE_SCALARS) do
      scalars[#scalars + 1] = l[name]
    end
    if l.stretched then
      args[#args + 1], args[#args + 2] = 'stretches' .. l.suffix, l.stretches
    end
  end)
  args[4] = cmsgpack.pack(scalars)
  for name in pairs(changed) do
    args[#args + 1], args[#args + 2] = name, cmsgpack.pack(lists[name])
  end
  call('HSET', KEY.line, unpack(args))
end

-- Scratch keys never outlive a step.
local function sweep()
  local keys = {}
  for i, lane in ipairs(lanes) do
    keys[i] = lane.scratch
  end
  call('DEL', unpack(keys))
end

-- A line that nobody has stood in: what is left of an older one is removed.
local function begin(epoch)
  call('UNLINK', KEY.due, KEY.inside, KEY.since, KEY.slips[0], KEY.slips[1], KEY.pool, KEY.ended)
  call('DEL', KEY.line)
  s, lanes = { epoch = epoch }, {}
  for _, name in ipairs(SCALARS) do
    s[name] = s[name] or 0
  end
  packed, lists = {}, {}
  set_list('window', {})
  set_list('waits', {})
  set_list('visits', {})
  open_lane(0, 0)
end
