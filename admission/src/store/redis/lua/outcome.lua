-- The answer to a step.

local OUTCOME = {
  'steps', 'life', 'now', 'epoch', 'waiting', 'due', 'inside', 'ended_dropped', 'standing', 'called_last_minute', 'called_total',
  'last_slot', 'last_count', 'began', 'quiet', 'settling', 'rate_used', 'mode', 'rev', 'rev_id', 'set_rate', 'set_burst',
  'set_active', 'set_waiting', 'set_mode', 'set_until',
}
local LANE_OUTCOME = {
  'id', 'issued', 'head', 'floor', 'waiting', 'late', 'standing_since', 'called_total', 'blocks_start', 'late_start',
}

-- Appends a list with its length in front.
local function put_list(out, values)
  local n = #out + 1
  out[n] = #values
  for i = 1, #values do
    out[n + i] = values[i]
  end
end

-- An outcome: the scalars of the queue, those of each lane and its blocks, then the answers.
local function outcome(called, newcomers, asks, kept, changed)
  local out = { DONE, called }
  s.settling = is_settling() and 1 or 0
  for _, name in ipairs(OUTCOME) do
    out[#out + 1] = s[name]
  end
  out[#out + 1] = #lanes
  each_lane(function()
    for _, name in ipairs(LANE_OUTCOME) do
      out[#out + 1] = l[name]
    end
    put_list(out, lane_list('blocks'))
    put_list(out, lane_list('late_blocks'))
    put_list(out, lane_list('gaps'))
  end)
  for _, values in ipairs({ newcomers, asks, kept, ended_since(known.ended), changed, control_news() }) do
    put_list(out, values)
  end
  return out
end
