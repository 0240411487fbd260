-- A hush: most visitors near the head who were to ask lately have not: hush.rs, and what presence.rs makes of it.

-- What the other modules need of it: a script has at most 200 local variables.
local hush = {}
do

-- Its stages: it does not show yet what it is; most have not come back; most have.
local OPEN, WAITS, OVER = 0, 1, 2

-- Who is present in one of the lane's rings is so at least until then.
local function keep_ring(from, generations, length_ms, until_ms)
  local now, last = floor(s.now / length_ms), floor(until_ms / length_ms)
  local keys = {}
  for sooner = now, last - 1 do
    local i = from + sooner % generations
    if l.has[i] then
      keys[#keys + 1] = i
    end
  end
  if #keys == 0 then
    return
  end
  local key = generation(from + last % generations)
  for _, i in ipairs(keys) do
    call('BITOP', 'OR', key, key, l.present[i])
    wipe_generation(i)
  end
end

-- A node has noticed it.
function hush.begin()
  if s.hush_until > 0 then
    return
  end
  s.hush_until, s.hush_waits = s.now + C.HUSH_MS, OPEN
  each_lane(function()
    if l.span > 0 then
      local until_ms = s.now + C.HUSH_HOLD_MS
      keep_ring(1, C.FINES, C.FINE_MS, until_ms)
      keep_ring(C.FINES + 1, C.COARSES, C.COARSE_MS, until_ms)
      wipe_generation(HEARD)
      generation(HEARD)
    end
  end)
end

-- Of the lane's present numbers near the head that are not gone: how many have been seen since it began, and how many not.
local function near()
  if not find_present(1, C.FINES) then
    return 0, 0
  end
  local all = call('BITCOUNT', l.scratch)
  if not l.has[HEARD] then
    return all, 0
  end
  call('BITOP', 'AND', l.scratch, l.scratch, l.present[HEARD])
  local heard = call('BITCOUNT', l.scratch)
  return heard, all - heard
end

-- It shows what it was, or is over.
function hush.follow()
  if s.hush_until == 0 then
    return
  end
  if s.hush_waits == OPEN and s.now + C.HUSH_MS >= s.hush_until + C.HUSH_HOLD_MS then
    local heard, unheard = 0, 0
    each_lane(function()
      local here, missing = near()
      heard, unheard = heard + here, unheard + missing
    end)
    s.hush_waits = WAITS
    if unheard <= heard then
      s.hush_waits = OVER
      each_lane(function()
        wipe_generation(HEARD)
      end)
    end
  end
  if s.hush_until <= s.now then
    s.hush_until, s.hush_waits = 0, OPEN
    each_lane(function()
      for i = 1, l.has[HEARD] and DOORS or 0 do
        if l.has[i] then
          call('BITOP', 'AND', l.present[i], l.present[i], l.present[HEARD])
        end
      end
      wipe_generation(HEARD)
    end)
  end
end

-- Which of the lane's numbers the head waits at: its place among them; nil if there is none.
function hush.first_unheard(numbers)
  if s.hush_waits ~= WAITS or not l.has[HEARD] then
    return nil
  end
  for i, number in ipairs(numbers) do
    if call('GETBIT', l.present[HEARD], number - l.base) == 0 then
      return i
    end
  end
end

end
