-- Who is called, and how many wait where: call.rs, count.rs, summary.rs.

-- What follows is out of sight of the other modules, but for these: a script has at most 200 local variables.
local places, may_call, call_front, count_lane, count_newcomers
do

-- Candidates are looked at by so many bytes of the bitmap at a time.
local LOOK_BYTES = 128

-- How many may be called now, and how many were in the last minute.
function places()
  local rate, calls = allowed()
  if rules.mode == HOLD or rules.mode == CLOSED or is_healing() then
    return 0, calls
  elseif rules.max_active then
    local taken = call('ZCARD', KEY.due) + call('ZCARD', KEY.inside)
    return min(rate, max(rules.max_active - taken, 0)), calls
  end
  return rate, calls
end

-- Whether visitors can be called, as far as time counts against those who are away.
function may_call()
  if rules.mode == HOLD or rules.mode == CLOSED or is_healing() then
    return false
  elseif s.last_slot * C.SLOT_MS + C.MOVING_MS > s.now or not rules.max_active then
    return true
  end
  return call('ZCARD', KEY.due) + call('ZCARD', KEY.inside) < rules.max_active
end

-- The first of the lane's numbers at the door, which are in its scratch bitmap, at most `most`; and whether there are more.
local function front(most)
  local numbers = {}
  local bit = call('BITPOS', l.scratch, 1)
  while bit >= 0 do
    if #numbers == most then
      return numbers, true
    end
    local first = floor(bit / 8)
    local bytes = call('GETRANGE', l.scratch, first, first + LOOK_BYTES - 1)
    for i = 1, #bytes do
      local byte, weight = bytes:byte(i), 128
      local number = l.base + (first + i - 1) * 8
      while byte > 0 do
        if byte >= weight then
          if #numbers == most then
            return numbers, true
          end
          numbers[#numbers + 1] = number
          byte = byte - weight
        end
        number, weight = number + 1, weight / 2
      end
    end
    bit = call('BITPOS', l.scratch, 1, first + LOOK_BYTES)
  end
  return numbers, false
end

-- How many bits of the scratch bitmap are set up to and including a number; and clears those of them that share
-- a byte with later ones. Also returns the first byte after them.
local function count_upto(last)
  local upto = max(last + 1 - l.base, 0)
  local byte, bits = floor(upto / 8), upto % 8
  local counted = byte > 0 and call('BITCOUNT', l.scratch, 0, byte - 1) or 0
  if bits > 0 then
    local old = call('BITFIELD', l.scratch, 'SET', 'u' .. bits, byte * 8, 0)[1]
    while old > 0 do
      counted, old = counted + old % 2, floor(old / 2)
    end
  end
  return counted, byte
end

-- Keeps the seats of the called until the ends of those generations of a ring in which they are marked.
local function keep_until(kept, numbers, claim, first, length_ms, from, generations)
  for generation = max(floor(claim / length_ms), first), first + generations - 1 do
    local i = from + generation % generations
    if l.has[i] then
      for n, number in ipairs(numbers) do
        if call('GETBIT', l.present[i], number - l.base) == 1 then
          kept[2 * n - 1] = max(kept[2 * n - 1], (generation + 1) * length_ms)
        end
      end
    end
  end
end

-- Seats for the called of the lane: no visitor loses one before the poll that tells of it.
local function seats_of_called(numbers)
  local claim = s.now + rules.claim_within
  local kept = until_then(claim, numbers)
  keep_until(kept, numbers, claim, s.fine, C.FINE_MS, 1, C.FINES)
  keep_until(kept, numbers, claim, s.coarse, C.COARSE_MS, C.FINES + 1, C.COARSES)
  return kept
end

-- The first number and the length of a block; the first block has index 0.
local function block_span(start, index)
  local doublings = max(floor(index / C.BLOCKS_PER_DOUBLING) - 1, 0)
  local len = C.BLOCK * 2 ^ doublings
  return start + (index - doublings * C.BLOCKS_PER_DOUBLING) * len, len
end

local function block_of(start, number)
  local steps = floor(max(number - start, 0) / C.BLOCK)
  -- The exponent is that of the next higher power of two.
  local _, exponent = math.frexp(floor(steps / C.BLOCKS_PER_DOUBLING))
  local doublings = max(exponent - 1, 0)
  return doublings * C.BLOCKS_PER_DOUBLING + floor(steps / 2 ^ doublings)
end

-- Who the lane's head has passed and is back at the door, but for `numbers`, who are called now: how many, by block.
local function count_late(numbers, head)
  -- What is looked at next is in the same key.
  put({ l.scratch }, numbers, 0)
  local lowest = l.base + call('BITPOS', l.scratch, 1)
  if lowest < l.base or lowest > head then
    return
  end
  local start, counts, counted = floor(lowest / C.BLOCK) * C.BLOCK, {}, 0
  local at = block_of(start, head)
  for index = 0, at - 1 do
    local first, len = block_span(start, index)
    counts[index + 1] = call('BITCOUNT', l.scratch, max(first - l.base, 0) / 8, (first + len - l.base) / 8 - 1)
    counted = counted + counts[index + 1]
  end
  l.late, l.late_start = count_upto(head), start
  counts[at + 1] = l.late - counted
  while counts[#counts] == 0 do
    counts[#counts] = nil
  end
  set_lane_list('late_blocks', counts)
end

-- Calls the first present numbers of each lane that are not gone, lanes by their turns. Returns how many, and their seats.
function call_front(most)
  local fronts, seats, called = {}, {}, 0
  each_lane(function()
    l.late, l.late_start, l.last_called = 0, 0, 0
    if #lane_list('late_blocks') > 0 then
      set_lane_list('late_blocks', {})
    end
    local found, more = {}, false
    if find_present(1, DOORS) then
      found, more = front(most)
    end
    fronts[l.slot + 1] = { found = found, more = more, count = 0, unheard = hush.first_unheard(found) }
  end)
  take_turns(fronts, most)
  s.standing = 0
  each_lane(function()
    local mine = fronts[l.slot + 1]
    local stands, numbers = mine.more or mine.count < #mine.found, mine.found
    if mine.count < #numbers then
      numbers = { unpack(numbers, 1, mine.count) }
    end
    l.last_called = numbers[#numbers] or 0
    l.standing_since = stands and (l.standing_since > 0 and l.standing_since or s.now) or 0
    if stands then
      s.standing = 1
      count_late(numbers, max(l.head, l.last_called))
    end
    if #numbers > 0 then
      mark_called(numbers)
      count_waits(numbers)
      local kept = seats_of_called(numbers)
      hold_due(kept, OPEN)
      l.called_total, called = l.called_total + #numbers, called + #numbers
      seats = #seats == 0 and kept or seats
      for i = 1, seats ~= kept and #kept or 0 do
        seats[#seats + 1] = kept[i]
      end
    end
  end)
  return called, seats
end

-- Raises the lane's floor to where the head has passed, but not over `lowest`, which was seen lately and is not called.
local function settle_floor(passed, lowest)
  local paved = l.floor
  l.floor = max(l.floor, min(passed, lowest - 1))
  if passed < lowest then
    set_lane_list('heads', { unpack(lane_list('heads'), 3) })
  end
  count_left(paved)
  put_range({ l.gone }, paved + 1, l.floor)
end

-- Counts who is waiting, over the whole lane.
function count_lane()
  local start, blocks, has_passed = floor(l.head / C.BLOCK) * C.BLOCK, {}, passed()
  l.waiting, l.blocks_start = l.late, start
  local any = find_present(DOORS + 1, DOORS + C.WAITINGS)
  if has_passed then
    local bit = any and call('BITPOS', l.scratch, 1) or -1
    settle_floor(has_passed, bit >= 0 and l.base + bit or math.huge)
  end
  if any then
    local _, at = count_upto(l.head)
    local filled, from = 0, string.format('%d', at)
    -- As `block_span` has it, from one block to the next.
    local ends, len, left = start - l.base, C.BLOCK, 2 * C.BLOCKS_PER_DOUBLING
    for index = 1, block_of(start, l.issued) + 1 do
      ends = ends + len
      local after, counted = ends / 8, 0
      if after > at then
        -- The end of one block is the beginning of the next; as text, which costs less to pass on.
        counted = call('BITCOUNT', l.scratch, from, string.format('%d', after - 1))
        from = string.format('%d', after)
        if counted > 0 then
          l.waiting, filled = l.waiting + counted, index
        end
      end
      blocks[index] = counted
      left = left - 1
      if left == 0 then
        len, left = len * 2, C.BLOCKS_PER_DOUBLING
      end
    end
    for index = #blocks, filled + 1, -1 do
      blocks[index] = nil
    end
  end
  set_lane_list('blocks', blocks)
end

-- Counts numbers of one lane that were handed out after the last tick, so that those who come in the same rush each see
-- those before them.
function count_newcomers(first, last)
  l = lane_of(first)
  l.waiting, s.waiting = l.waiting + last - first + 1, s.waiting + last - first + 1
  local blocks = lane_list('blocks')
  while first <= last do
    local index = block_of(l.blocks_start, first)
    local block, len = block_span(l.blocks_start, index)
    local upto = min(last, max(block + len - 1, first))
    for i = #blocks + 1, index + 1 do
      blocks[i] = 0
    end
    blocks[index + 1] = blocks[index + 1] + upto - first + 1
    first = upto + 1
  end
  set_lane_list('blocks', blocks)
  l = lanes[1]
end

end
