-- What this call was asked: arguments are read one after the other.

local at = 0

local function text()
  at = at + 1
  return ARGV[at]
end

-- A whole number; nil where the caller has none.
local function number()
  return tonumber(text())
end

-- A list with its length in front: the first and the last argument of it, `width` arguments each.
local function span_of(width)
  local first = at + 2
  at = at + 1 + tonumber(ARGV[at + 1]) * width
  return first, at
end

-- A list of numbers with its length in front.
local function all_numbers()
  local all = {}
  for i = 1, number() do
    all[i] = number()
  end
  return all
end

-- Answers other than an outcome.
local DONE, UNKNOWN_LAYOUT, NO_LINE, TORN = 0, -1, -2, -3

local what = text()
local wall, slack, run = number(), number(), number()
if not wall then
  local time = call('TIME')
  wall = time[1] * 1000 + floor(time[2] / 1000)
end
-- Which run of which server this is; a user who may not ask goes without.
if not run then
  local info = redis.pcall('INFO', 'server')
  local id = type(info) == 'string' and info:match('run_id:(%x%x%x%x%x%x%x%x%x%x%x%x)')
  run = id and tonumber(id, 16) or 0
end

-- The queue's settings, and the rules in force: the rest of these is set by `govern`.
local file = { rate = number(), burst = number(), max_active = number(), max_waiting = number(), mode = number() }
local rules = { claim_within = number(), return_within = number(), seat = number(), lanes = {} }
-- The lanes of the file, and the weight of each by its id.
local weights = {}
for i = 1, number() do
  rules.lanes[i] = number()
  weights[rules.lanes[i]] = number()
end
-- Modes in which nobody is called.
local HOLD, CLOSED = 2, 4

local known = {
  epoch = number(), clock = number(), steps = number(), life = number(), ended = number(), rev = number(), rev_id = number(),
  lanes = {},
}
for i = 1, number() do
  local lane = { id = number(), issued = number(), head = number(), floor = number(), gaps = {} }
  for n = 1, number() * 2 do
    lane.gaps[n] = number()
  end
  known.lanes[i] = lane
end
-- What an operator has set: numbers, 0 where nothing is.
local function read_set()
  local set = {}
  for i = 1, 6 do
    set[i] = number() or 0
  end
  return set
end
if number() == 1 then
  known.control = { rev = number(), id = number(), set = read_set(), texts = { number(), text(), text(), text() } }
end
