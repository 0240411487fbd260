-- Bitmaps over numbers: bits.rs and presence.rs. Bit `n - base` stands for number `n`, and Redis counts bits
-- from the most significant of each byte. `base` is a multiple of 64.
--
-- Every bitmap there is holds `span` bytes: BITOP goes word by word only as far as the shortest one reaches.
-- In `gone` the bits of all numbers at or below the floor are set, so that nothing else need know of the floor.

local ZERO = '\0'
-- Bitmaps are cut when a quarter of them, and no less than so many bytes, would go.
local CUT_BYTES_MIN = 8192
-- They are lengthened by a sixteenth, and no less than so many bytes.
local GROW_BYTES_MIN = 1024
-- Copying in pieces that fit a client's buffer is several times as fast as in one.
local PIECE_BYTES = 16000

-- Bitmaps that the lane has now.
local function bitmaps()
  local keys = {}
  for i = 1, HEARD do
    if l.has[i] then
      keys[#keys + 1] = l.present[i]
    end
  end
  if l.lapses == 1 then
    keys[#keys + 1] = l.lapsed
  end
  if l.span > 0 then
    keys[#keys + 1] = l.gone
  end
  return keys
end

local function zeros(key, bytes)
  call('DEL', key)
  call('SETRANGE', key, bytes - 1, ZERO)
end

local function cut(key, bytes)
  zeros(l.scratch, l.span - bytes)
  for from = bytes, l.span - 1, PIECE_BYTES do
    call('SETRANGE', l.scratch, from - bytes, call('GETRANGE', key, from, from + PIECE_BYTES - 1))
  end
  call('RENAME', l.scratch, key)
end

-- Moves the base towards the floor once that saves a good part of the bitmaps.
local function rebase()
  local bytes = floor((l.floor + 1 - l.base) / 64) * 8
  if l.span > 0 and (bytes < CUT_BYTES_MIN or bytes * 4 < l.span) then
    return
  end
  if bytes >= l.span then
    if l.span > 0 then
      wipe_presence()
      call('DEL', l.gone, l.lapsed)
    end
    l.span, l.lapses = 0, 0
  else
    for _, key in ipairs(bitmaps()) do
      cut(key, bytes)
    end
    l.span = l.span - bytes
  end
  l.base = l.base + bytes * 8
end

-- Sets or clears the bits of some numbers of the lane in each of some bitmaps. Neighbours that stand together go together. A
-- lane in which nobody has stood has no bitmaps.
local function put(keys, numbers, bit)
  local args, n, i, count = {}, 0, 1, l.span > 0 and #numbers or 0
  while i <= count do
    local first, width = numbers[i], 1
    if first >= l.base then
      while width < 32 and numbers[i + width] == first + width do
        width = width + 1
      end
      args[n + 1], args[n + 2], args[n + 3], args[n + 4] = 'SET', 'u' .. width, first - l.base, bit * (2 ^ width - 1)
      n = n + 4
    end
    i = i + width
  end
  if n > 0 then
    for _, key in ipairs(keys) do
      -- ARGS_MAX is a multiple of four, so that no operation is torn.
      over(args, 1, n, 'BITFIELD', key)
    end
  end
end

-- Sets the bits of all numbers from `first` to `last`, whole bytes at once.
local function put_range(keys, first, last)
  first = max(first, l.base)
  local from, to = first - l.base, last - l.base + 1
  local byte_from, byte_to = floor((from + 7) / 8), floor(to / 8)
  if byte_to > byte_from then
    local ones = string.rep('\255', byte_to - byte_from)
    for _, key in ipairs(keys) do
      call('SETRANGE', key, byte_from, ones)
    end
    from, to = { from, byte_to * 8 }, { byte_from * 8, to }
  else
    from, to = { from }, { to }
  end
  for i = 1, #from do
    local width = to[i] - from[i]
    if width > 0 then
      for _, key in ipairs(keys) do
        call('BITFIELD', key, 'SET', 'u' .. width, from[i], 2 ^ width - 1)
      end
    end
  end
end

-- Lengthens all bitmaps of the lane so that they hold every number that was handed out, and sets `gone` up to the floor.
local function grow()
  -- Nobody has stood in it.
  if l.issued == l.origin then
    return
  end
  local bytes = floor(max(l.issued - l.base, 0) / 8) + 1
  if bytes > l.span then
    bytes = floor((bytes + max(bytes / 16, GROW_BYTES_MIN) + 7) / 8) * 8
    if l.span == 0 then
      l.paved = l.base - 1
      zeros(l.gone, bytes)
    else
      -- Not by SETRANGE: a string that grows in place takes up to twice its length.
      zeros(l.scratch, bytes)
      for _, key in ipairs(bitmaps()) do
        call('BITOP', 'OR', key, key, l.scratch)
      end
      call('DEL', l.scratch)
    end
    l.span = bytes
  end
  if l.paved < l.floor then
    put_range({ l.gone }, l.paved + 1, l.floor)
    l.paved = l.floor
  end
end

local function wipe_generation(i)
  if l.has[i] then
    call('DEL', l.present[i])
    l.has[i] = false
  end
end

local function generation(i)
  if not l.has[i] then
    zeros(l.present[i], l.span)
    l.has[i] = true
  end
  return l.present[i]
end

-- The bitmap of those who count as present for `hold_ms` from now on.
local function door_for(hold_ms)
  local until_ms = s.now + min(hold_ms, C.HOLD_MS_MAX)
  if hold_ms <= C.FINE_HOLD_MS_MAX then
    return generation(floor(until_ms / C.FINE_MS) % C.FINES + 1)
  end
  return generation(C.FINES + floor(until_ms / C.COARSE_MS) % C.COARSES + 1)
end

local function waiting_now()
  return generation(DOORS + s.seen % C.WAITINGS + 1)
end

-- The bitmaps in which a number is marked that is seen now and counts as present for `hold_ms`.
local function presence(hold_ms)
  return { door_for(hold_ms), waiting_now(), l.has[HEARD] and l.present[HEARD] or nil }
end

-- Leaves in the scratch key the numbers of a ring's generations `from` to `to`, and those of one more key if it is given.
-- False: the generations have none.
local function gather(from, to, more)
  local keys = {}
  for i = from, to do
    if l.has[i] then
      keys[#keys + 1] = l.present[i]
    end
  end
  if #keys == 0 then
    return false
  end
  keys[#keys + 1] = more
  call('BITOP', 'OR', l.scratch, unpack(keys))
  return true
end

local function expire_doors()
  local fine, coarse = floor(s.now / C.FINE_MS), floor(s.now / C.COARSE_MS)
  for generation = max(s.fine, fine - C.FINES), fine - 1 do
    wipe_generation(generation % C.FINES + 1)
  end
  for generation = max(s.coarse, coarse - C.COARSES), coarse - 1 do
    wipe_generation(C.FINES + generation % C.COARSES + 1)
  end
end

-- Time in which the line could not be asked does not count.
local function seen_now()
  return floor((s.now - s.silent) / C.WAITING_MS)
end

local function expire_waiting()
  local seen = seen_now()
  local wiped = false
  for generation = max(s.seen, seen - C.WAITINGS) + 1, seen do
    local i = DOORS + generation % C.WAITINGS + 1
    wiped = wiped or l.has[i]
    wipe_generation(i)
  end
  if not wiped then
    return
  end
  -- No number is at the door that is not counted as waiting: the floor would pass it.
  local waiting = gather(DOORS + 1, DOORS + C.WAITINGS)
  for i = 1, DOORS do
    if not waiting then
      wipe_generation(i)
    elseif l.has[i] then
      call('BITOP', 'AND', l.present[i], l.present[i], l.scratch)
    end
  end
end

-- Wipes the generations of the lane that are over, but who was present is so for `carry_ms` more, as long as counted as
-- waiting.
local function carry_presence(carry_ms)
  expire_waiting()
  local any = gather(1, DOORS)
  expire_doors()
  if any then
    local key = door_for(carry_ms)
    call('BITOP', 'OR', key, key, l.scratch)
  end
end

-- Wipes the generations that are over, in each lane. With `carry_ms`, who was present is so for so much longer.
local function expire_presence(carry_ms)
  each_lane(function()
    if carry_ms then
      carry_presence(carry_ms)
    else
      expire_doors()
      expire_waiting()
    end
  end)
  s.fine, s.coarse, s.seen = floor(s.now / C.FINE_MS), floor(s.now / C.COARSE_MS), seen_now()
end

-- Leaves in the scratch key the numbers of a ring's generations `from` to `to` that are not gone. False: none.
local function find_present(from, to)
  if not gather(from, to, l.gone) then
    return false
  end
  call('BITOP', 'XOR', l.scratch, l.scratch, l.gone)
  return true
end
