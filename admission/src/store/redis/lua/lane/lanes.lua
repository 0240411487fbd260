-- Lanes: which there are, and whose turn it is: merge.rs and turns.rs.

-- The lane that a newcomer is for: the first, while there is no room for it.
local function lane_for(id)
  for _, lane in ipairs(lanes) do
    if lane.id == id then
      return lane
    end
  end
  return lanes[1]
end

-- The lane of a number, which is the one that functions work on from then on. If there is none, it was lost, and so were
-- those before it that are not there.
local function lane_up_to(number)
  while not lane_of(number) do
    open_lane(C.UNKNOWN, 0)
  end
  l = lane_of(number)
end

-- A node says which lane is in a slot. A lane is in one slot only: if the node knows better, where the lane was taken to be
-- is the one that was taken to be here; else it stays where it is.
local function place_lane(slot, id, knows_better)
  local here = lanes[slot].id
  if slot == 1 or id == lanes[1].id or id == C.UNKNOWN or id == here or not (knows_better or here == C.UNKNOWN) then
    return
  end
  for _, other in ipairs(lanes) do
    if other.id == id then
      if not knows_better then
        return
      end
      other.id = here
      break
    end
  end
  lanes[slot].id = id
end

-- Takes in what a node knows of the lanes. `lost`: it remembers more steps than there were, so it also knows better which
-- lane is in which slot.
local function merge_lanes(lost)
  for slot, told in ipairs(known.lanes) do
    if slot > #lanes then
      open_lane(C.UNKNOWN, told.head)
    end
    l = lanes[slot]
    place_lane(slot, told.id, lost)
    l.floor = max(l.floor, told.floor)
    l.head = max(l.head, told.head, l.floor)
    merge_gaps(told.gaps)
    l.issued = max(l.issued, told.issued, l.head)
    handed_out(told.issued, true)
  end
end

-- A slot for a lane of the file that has none: a new one, or one of which only numbers are known, or one of a lane that is
-- not in the file any more and in which nobody waits. Without any newcomers go to the first lane meanwhile.
local function give_slot(id)
  local unknown, free
  for slot = 2, #lanes do
    local lane = lanes[slot]
    unknown = unknown or lane.id == C.UNKNOWN and lane
    free = free or not weights[lane.id] and lane.waiting == 0 and lane
  end
  if unknown then
    unknown.id = id
  elseif #lanes < C.LANES then
    open_lane(id, 0)
  elseif free then
    free.id = id
  end
end

local function open_lanes()
  for _, id in ipairs(rules.lanes) do
    if lane_for(id).id ~= id then
      give_slot(id)
    end
  end
end

-- How many lanes there may be after this step, at most: those there are, those that the node knows of and those up to
-- `slots`, and each one of the file that is not there for sure, as the node may know better which lane is in a slot.
local function lanes_at_most(slots)
  local ids, count = { [0] = true }, max(#lanes, #known.lanes, slots)
  for slot, lane in ipairs(lanes) do
    local told = known.lanes[slot]
    ids[lane.id] = not told or told.id == lane.id or ids[lane.id]
  end
  for _, id in ipairs(rules.lanes) do
    count = count + (ids[id] and 0 or 1)
  end
  return min(count, C.LANES)
end

local take_turns
do

-- What each of these slots gains with a call, by weight; and all of them together.
local function shares_of(standing)
  local shares, total, gained = {}, 0, 0
  for i, slot in ipairs(standing) do
    shares[i] = weights[lanes[slot].id] or 1
    total = total + shares[i]
  end
  for i, weight in ipairs(shares) do
    shares[i] = floor(C.CALL * weight / total)
    gained = gained + shares[i]
  end
  return shares, gained
end

-- Shares calls out, at most so many, one after the other to the lane whose turn it is. A lane has `found` as many as could
-- be called, and gets a `count` of them. In a hush no call is made once it is the turn of a number that the head waits at, at
-- the place `unheard`.
function take_turns(fronts, most)
  local standing = {}
  for slot, lane in ipairs(lanes) do
    lane.turn = min(max(lane.turn, -C.CALL), C.CALL)
    if #fronts[slot].found > 0 then
      standing[#standing + 1] = slot
    end
  end
  local shares, gained = shares_of(standing)
  while most > 0 and #standing > 0 do
    local chosen, at
    if #standing == 1 then
      -- One alone would gain what it pays.
      local mine = fronts[standing[1]]
      mine.count = min(#mine.found, mine.count + most, (mine.unheard or math.huge) - 1)
      return
    end
    for i, slot in ipairs(standing) do
      local lane = lanes[slot]
      lane.turn = lane.turn + shares[i]
      if not chosen or lane.turn > lanes[chosen].turn then
        chosen, at = slot, i
      end
    end
    local mine = fronts[chosen]
    if mine.unheard == mine.count + 1 then
      for i, slot in ipairs(standing) do
        lanes[slot].turn = lanes[slot].turn - shares[i]
      end
      return
    end
    lanes[chosen].turn = lanes[chosen].turn - gained
    mine.count, most = mine.count + 1, most - 1
    if mine.count == #mine.found then
      table.remove(standing, at)
      shares, gained = shares_of(standing)
    end
  end
end

end
