-- What an operator has set in place of the queue's settings: control.rs. Numbers are among the scalars, 0 where nothing
-- is set, since each step needs them. Texts and the last changes are lists that are read only when they are needed.

-- In the order in which they come as arguments and go with an outcome.
local SET = { 'set_rate', 'set_burst', 'set_active', 'set_waiting', 'set_mode', 'set_until' }

-- The rules in force: those of the file, with what is set in their place.
local function govern()
  local has_ended = s.set_until > 0 and s.now >= s.set_until
  local function set(name)
    return not has_ended and s[name] > 0 and s[name] or nil
  end
  rules.rate = set('set_rate') or file.rate
  rules.burst = set('set_burst') or file.burst
  if not has_ended then
    rules.burst = min(rules.burst, rules.rate)
  end
  rules.max_active = set('set_active') or file.max_active
  rules.max_waiting = set('set_waiting') or file.max_waiting
  rules.mode = set('set_mode') and s.set_mode - 1 or file.mode
  local earned_ms = floor(rules.burst * C.CREDIT / max(rules.rate, 1))
  rules.tick = floor(min(max(floor(earned_ms / 2), C.TICK_MS_MIN), C.TICK_MS_MAX) * 4 / 5)
end

local function rarely(name)
  if packed[name] == nil and not lists[name] then
    packed[name] = call('HGET', KEY.line, name)
  end
  return list(name)
end

-- Takes what is set, see `read_set`, and its texts: since when, the message, the reason, who.
local function take_control(rev, id, set, texts)
  s.rev, s.rev_id = rev, id
  for i, name in ipairs(SET) do
    s[name] = set[i]
  end
  set_list('control', texts)
  local changes = rarely('changes')
  if #changes == 2 * C.CHANGES_KEPT then
    changes = { unpack(changes, 3) }
  end
  changes[#changes + 1], changes[#changes + 2] = rev, id
  set_list('changes', changes)
end

local function is_later(rev, id, than, than_id)
  return rev > than or rev == than and id > than_id
end

-- A node remembers more than the line, which was lost.
local function merge_control()
  local told = known.control
  if told and is_later(told.rev, told.id, s.rev, s.rev_id) then
    take_control(told.rev, told.id, told.set, told.texts)
  end
end

-- Makes the changes that come next in the arguments. Returns for each whether it is made, and which revision that is or
-- which is in force.
local function make_changes()
  local out = {}
  for i = 1, number() * 3, 3 do
    local id, from, from_id = number(), number(), number()
    local set, texts = read_set(), { s.now, text(), text(), text() }
    local changes, made = rarely('changes'), nil
    for n = #changes, 2, -2 do
      made = made or changes[n] == id and changes[n - 1] or nil
    end
    out[i], out[i + 1], out[i + 2] = 1, made or from + 1, id
    if not made and (from ~= s.rev or from_id ~= s.rev_id) then
      out[i], out[i + 1], out[i + 2] = 0, s.rev, s.rev_id
    elseif not made then
      take_control(from + 1, id, set, texts)
    end
  end
  return out
end

-- The texts, if what is set is news to the node.
local function control_news()
  if not is_later(s.rev, s.rev_id, known.rev, known.rev_id) then
    return {}
  end
  local texts = rarely('control')
  return { texts[1] or 0, texts[2] or '', texts[3] or '', texts[4] or '' }
end
