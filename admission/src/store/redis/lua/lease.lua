-- A lease: a name has one owner at a time, for a while, by the server's clock, and a value that its owner alone writes. Who
-- has lost the lease, by a pause or by a partition, writes nothing any more.
--
-- KEYS: the lease and the value, both under one tag.
-- ARGV: what is asked, who asks; then of `hold` how long (ms), of `put` the value and how long it is kept (ms).
-- Answer: 1 if it was done, 0 if the lease is another's or free.

local lease, value = KEYS[1], KEYS[2]
local asked, owner = ARGV[1], ARGV[2]
local holder = redis.call('GET', lease)

if asked == 'hold' and (not holder or holder == owner) then
  redis.call('SET', lease, owner, 'PX', ARGV[3])
  return 1
end
if asked == 'put' and holder == owner then
  redis.call('SET', value, ARGV[3], 'PX', ARGV[4])
  return 1
end
if asked == 'free' and holder == owner then
  redis.call('UNLINK', lease)
  return 1
end
return 0
