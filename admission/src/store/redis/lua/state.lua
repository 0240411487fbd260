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

local KEY = {
  line = KEYS[1], -- hash: every scalar, and the short lists
  gone = KEYS[2], -- bitmap: called, or at or below the floor
  due = KEYS[3], -- sorted set: called and not entered, by the time at which the seat lapses and the claim
  inside = KEYS[4], -- sorted set: inside, by the time at which the seat lapses
  since = KEYS[5], -- hash: when each number inside took its seat
  slips = { [0] = KEYS[6], KEYS[7] }, -- hashes: slip to number, of the even and the odd generation
  present = {}, -- bitmaps: the rings of generations, doors (fine, then coarse) first
  lapsed = KEYS[25], -- bitmap: called, heard of it, and did not enter
  pool = KEYS[26], -- sorted set: slips of those who came while a node was cut off, by time of arrival
  ended = KEYS[27], -- sorted set: whose visit has ended, by twice the time at which it ended, no two the same, and whether it is uncounted
  minutes = KEYS[28], -- hash: what happened in each of the last minutes
  scratch = KEYS[29], -- never outlives a step
}
local WAITINGS = C.WAITINGS
local DOORS = C.FINES + C.COARSES
for i = 1, DOORS + WAITINGS do
  KEY.present[i] = KEYS[7 + i]
end

-- In the order in which they are packed, which is part of the layout.
local SCALARS = {
  'epoch', 'issued', 'head', 'floor', 'now', 'wall', 'silent', 'credit', 'filled', 'steps', 'life', 'began', 'quiet', 'running', 'runs', 'run', 'settle_from',
  'settle_until', 'pool', 'base', 'span', 'live', 'fine', 'coarse', 'seen', 'slips', 'slips_since', 'lapsed', 'due', 'inside', 'called_total', 'ticked', 'ended_last', 'ended_dropped', 'standing', 'waiting', 'late',
  'called_last_minute', 'standing_since', 'called_standing', 'last_slot', 'last_count', 'blocks_start', 'late_start',
  'rate_used', 'mode', 'rev', 'rev_id', 'set_rate', 'set_burst', 'set_active', 'set_waiting', 'set_mode', 'set_until',
  'minute', 'm_arrived', 'm_numbered', 'm_called', 'm_entered', 'm_lapsed', 'm_left', 'm_ended', 'unknown', 'open',
}

-- The scalars by name.
local s = {}
-- Which generations have a bitmap; a bit each in `s.live`.
local live = {}
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
  call('DEL', unpack(KEY.present))
  live = {}
end

local function wipe()
  call('UNLINK', KEY.due, KEY.inside, KEY.since, KEY.slips[0], KEY.slips[1], KEY.pool, KEY.ended)
  call('DEL', KEY.line, KEY.gone, KEY.lapsed)
  wipe_presence()
end

-- Reads the state. Returns the layout found when it is not ours, 0 when there is no line, else nil.
local function load()
  local found = call('HMGET', KEY.line, 'layout', 'scalars', 'heads', 'blocks', 'window', 'late_blocks',
    'gaps', 'waits', 'visits')
  if not found[1] then
    return 0
  elseif tonumber(found[1]) ~= C.LAYOUT then
    return tonumber(found[1]) or -1
  end
  local fine, scalars = pcall(cmsgpack.unpack, found[2])
  if not fine or #scalars ~= #SCALARS then
    return 0
  end
  for i, value in ipairs(scalars) do
    s[SCALARS[i]] = value
  end
  packed.heads, packed.blocks, packed.window = found[3], found[4], found[5]
  packed.late_blocks, packed.gaps, packed.waits, packed.visits = found[6], found[7], found[8], found[9]
  for i = 1, DOORS + WAITINGS do
    live[i] = floor(s.live / 2 ^ i) % 2 == 1
  end
  -- A line of which a part was evicted or restored is a line that was lost; what the nodes know heals it.
  local whole = call('STRLEN', KEY.gone) == s.span
    and call('ZCARD', KEY.due) == s.due
    and call('ZCARD', KEY.inside) == s.inside
    and call('ZCARD', KEY.pool) == s.pool
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

local function save(stretches)
  s.due, s.inside, s.live = call('ZCARD', KEY.due), call('ZCARD', KEY.inside), 0
  for i = 1, DOORS + WAITINGS do
    s.live = s.live + (live[i] and 2 ^ i or 0)
  end
  local scalars = {}
  for i, name in ipairs(SCALARS) do
    scalars[i] = s[name]
  end
  local args = { 'layout', C.LAYOUT, 'scalars', cmsgpack.pack(scalars) }
  for name in pairs(changed) do
    args[#args + 1], args[#args + 2] = name, cmsgpack.pack(lists[name])
  end
  if stretches then
    args[#args + 1], args[#args + 2] = 'stretches', stretches
  end
  call('HSET', KEY.line, unpack(args))
end

-- A line that nobody has stood in: what is left of an older one is removed.
local function begin(epoch)
  wipe()
  s = {}
  for _, name in ipairs(SCALARS) do
    s[name] = 0
  end
  s.epoch = epoch
  set_list('heads', {})
  set_list('blocks', {})
  set_list('window', {})
  set_list('late_blocks', {})
  set_list('gaps', {})
  set_list('waits', {})
  set_list('visits', {})
end
