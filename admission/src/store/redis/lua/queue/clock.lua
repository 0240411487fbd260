-- The line's own clock, its lives, and the floor: clock.rs, lives.rs, gaps.rs, heads.rs.

local function within(ms)
  if not known.clock then
    return ms
  end
  return min(max(ms, max(known.clock - slack, 0)), known.clock + slack)
end

local function start_clock()
  s.now, s.wall = within(wall), wall
end

local function advance_clock()
  local gone_ms = max(wall - s.wall, 0)
  s.wall = wall
  s.now = max(s.now, within(s.now + gone_ms))
end

-- Counts a step. True: another run of a server made the last one, so the state may be an old copy.
local function count_step()
  s.steps = s.steps + 1
  local moved = s.run ~= 0 and run ~= 0 and run ~= s.run
  if run ~= 0 then
    s.run = run
  end
  return moved
end

-- True: a node remembers more steps than there were.
local function compare_lives()
  local lost = known.steps >= s.steps
  if lost then
    s.steps = known.steps + 1
    s.life = max(s.life, known.life)
  end
  return lost
end

-- Nobody is called, so that all nodes can say what they know.
local function listen()
  s.quiet = max(s.quiet, s.now + C.HEAL_MS)
end

-- Numbers of the lane that were skipped: gaps.rs. Flat: first and last of each gap, the lowest first.
local function set_gaps(gaps)
  while #gaps > 2 * C.GAPS_MAX do
    -- The two oldest are taken for one that ends where the later one did.
    local first = gaps[3] - (gaps[2] - gaps[1] + 1)
    table.remove(gaps, 1)
    table.remove(gaps, 1)
    gaps[1] = first
  end
  set_lane_list('gaps', gaps)
end

local function skip(first, count)
  local gaps = lane_list('gaps')
  gaps[#gaps + 1], gaps[#gaps + 2] = first, first + count - 1
  set_gaps(gaps)
end

-- A number turns out to have been handed out; so were those before it. `counted`: a node knows it as issued, and the last
-- of a gap was by the skip alone.
local function handed_out(number, counted)
  local gaps, kept, found = lane_list('gaps'), {}, false
  for i = 1, #gaps, 2 do
    local first, last = gaps[i], gaps[i + 1]
    if first <= number and number <= last and not (counted and number == last) then
      first, found = number + 1, true
    end
    if first <= last then
      kept[#kept + 1], kept[#kept + 2] = first, last
    end
  end
  if found then
    set_lane_list('gaps', kept)
  end
end

-- A node remembers gaps of a state that was lost: those below all that are known here.
local function merge_gaps(more)
  local gaps, older = lane_list('gaps'), {}
  local lowest = gaps[1] or math.huge
  for i = 1, #more, 2 do
    if more[i] <= more[i + 1] and more[i + 1] < lowest then
      older[#older + 1], older[#older + 2] = more[i], more[i + 1]
    end
  end
  if #older > 0 then
    for i = 1, #gaps do
      older[#older + 1] = gaps[i]
    end
    set_gaps(older)
  end
end

-- The state was lost, or is an old copy: some numbers that were handed out are not known to it.
local function begin_life()
  each_lane(function()
    skip(l.issued + 1, C.SKIP)
    l.issued = l.issued + C.SKIP
  end)
  s.life, s.began = s.life + 1, s.now
  listen()
  s.credit, s.filled = 0, s.now
end

local function is_healing()
  return s.now < s.quiet
end

-- Takes a sample of the lane's head. `heads` is flat: when, by the clock that runs while visitors can be called, and where
-- the head stood.
local function note_head(runs)
  l.runs = runs and 1 or 0
  local heads = lane_list('heads')
  local n = #heads
  local due = n == 0 or (heads[n] < l.head and heads[n - 1] + floor(rules.return_within / C.FLOOR_PARTS) <= l.running)
  if due and l.head > l.origin then
    heads[n + 1], heads[n + 2] = l.running, l.head
    set_lane_list('heads', heads)
  end
end

-- Where the lane's head stood `return_within` ago, if the floor is not there yet.
local function passed()
  local heads = lane_list('heads')
  local old = 0
  while heads[old + 3] and heads[old + 3] + rules.return_within <= l.running do
    old = old + 2
  end
  if old > 0 then
    heads = { unpack(heads, old + 1) }
    set_lane_list('heads', heads)
  end
  return heads[1] and heads[1] + rules.return_within <= l.running and heads[2] or nil
end
