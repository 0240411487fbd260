-- How many may be called now: rate.rs. `window` is flat: slot and calls, oldest first.

-- Where a slot stands in the window, or would stand.
local function place_of(window, slot)
  local i = #window - 1
  while i > 0 and window[i] > slot do
    i = i - 2
  end
  if i > 0 and window[i] == slot then
    return i, true
  end
  return i + 2, false
end

local function set_calls(slot, count, merge)
  local window = list('window')
  local i, there = place_of(window, slot)
  if there then
    window[i + 1] = merge(window[i + 1], count)
  else
    table.insert(window, i, slot)
    table.insert(window, i + 1, count)
  end
  set_list('window', window)
  s.last_slot, s.last_count = window[#window - 1], window[#window]
end

local function sustainable(window, room)
  local free = room + max(floor(rules.rate / 100), 1)
  local rate, now = rules.rate, s.now
  for i = 1, #window, 2 do
    local leaves_ms = (window[i] + C.SLOTS) * C.SLOT_MS - now
    if leaves_ms > 0 and free * C.CREDIT / leaves_ms < rate then
      rate = floor(free * C.CREDIT / leaves_ms)
    end
    free = free + window[i + 1]
  end
  return rate
end

-- Fills the bucket; returns how many may be called and how many calls are in the window.
local function allowed()
  local window, slot = list('window'), floor(s.now / C.SLOT_MS)
  local old, calls = 0, 0
  for i = 1, #window, 2 do
    if window[i] + C.SLOTS <= slot then
      old = i + 1
    else
      calls = calls + window[i + 1]
    end
  end
  if old > 0 then
    window = { unpack(window, old + 1) }
    set_list('window', window)
    local n = #window
    s.last_slot, s.last_count = window[n - 1] or 0, window[n] or 0
  end
  local room = max(rules.rate - calls, 0)
  local cap = rules.burst * C.CREDIT
  local gone_ms = max(s.now - s.filled, 0)
  s.filled = max(s.filled, s.now)
  if gone_ms > 0 and s.credit < cap then
    s.credit = s.credit + sustainable(window, room) * gone_ms
  end
  s.credit = min(s.credit, cap)
  return min(floor(s.credit / C.CREDIT), room), calls
end

-- When the minute has room again, if its calls are used up; else 0.
local function used_until()
  local window, over = list('window'), -rules.rate
  for i = 2, #window, 2 do
    over = over + window[i]
  end
  for i = 1, over >= 0 and #window or 0, 2 do
    if over < window[i + 1] then
      return (window[i] + C.SLOTS) * C.SLOT_MS
    end
    over = over - window[i + 1]
  end
  return 0
end

local function add(a, b)
  return a + b
end

local function book(count)
  s.called_total, s.m_called = s.called_total + count, s.m_called + count
  if count > 0 then
    s.credit = max(s.credit - count * C.CREDIT, 0)
    set_calls(floor(s.now / C.SLOT_MS), count, add)
  end
end
