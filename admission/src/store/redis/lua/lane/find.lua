-- What a line knows of one number, as of its last step: find.rs. Changes nothing.

-- What follows is out of sight of the other modules, but for this: a script has at most 200 local variables.
local find
do

local UNKNOWN, WAITING, IS_CALLED, IS_INSIDE, HAS_LAPSED, HAS_ENDED, IS_SPENT = 0, 1, 2, 3, 4, 5, 6

-- Whether a number of the lane is marked in one of its bitmaps from `first` to `last`.
local function is_set(number, first, last)
  for i = first, last do
    if l.has[i] and number >= l.base and call('GETBIT', l.present[i], number - l.base) == 1 then
      return 1
    end
  end
  return 0
end

local function is_skipped(number)
  local gaps = lane_list('gaps')
  for i = 1, #gaps, 2 do
    if number >= gaps[i] and number <= gaps[i + 1] then
      return true
    end
  end
  return false
end

-- Keys are given for the lanes up to that of the number.
function find()
  local found = load(true)
  if found then
    return found == 0 and { NO_LINE } or { UNKNOWN_LAYOUT, found }
  end
  local wanted = number()
  l = lane_of(wanted)
  if not l then
    return { DONE, UNKNOWN, 0, 0, 0, 0, 0 }
  end
  local place, since_ms, until_ms = WAITING, 0, 0
  look_up_seats({ wanted })
  if inside[wanted] then
    place, since_ms, until_ms = IS_INSIDE, since[wanted], inside[wanted]
  elseif due[wanted] then
    place, since_ms, until_ms = IS_CALLED, due[wanted] % 4 == OPEN and 0 or 1, floor(due[wanted] / 4)
  elseif wanted <= l.origin or wanted > l.issued or is_skipped(wanted) then
    place = UNKNOWN
  elseif scores(KEY.ended, { wanted })[wanted] then
    place = HAS_ENDED
  elseif is_gone(wanted) then
    place = has_lapsed(wanted) and HAS_LAPSED or IS_SPENT
  end
  local numbered = place ~= UNKNOWN and issued_at(wanted) or 0
  return { DONE, place, since_ms, until_ms, numbered, is_set(wanted, 1, DOORS), is_set(wanted, DOORS + 1, DOORS + C.WAITINGS) }
end

end
