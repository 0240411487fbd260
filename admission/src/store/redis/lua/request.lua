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

local rules = {
  rate = number(), burst = number(), max_active = number(), max_waiting = number(), mode = number(),
  claim_within = number(), return_within = number(), seat = number(), tick = number(),
}
-- Modes in which nobody is called.
local HOLD, CLOSED = 2, 4

local known = {
  epoch = number(), issued = number(), head = number(), floor = number(), clock = number(), steps = number(),
  life = number(), ended = number(), gaps = {},
}
for i = 1, number() * 2 do
  known.gaps[i] = number()
end
