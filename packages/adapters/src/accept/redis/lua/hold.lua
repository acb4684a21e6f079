-- ARGV  cid
-- Gives what `tails` does.
if not isOn then return false end
local key = base .. 'c:' .. ARGV[4]
local of = redis.call('HMGET', key, 'state', 'opening', 'head', 'rev', 'savedHead', 'savedRev')
if of[1] ~= 'open' and of[1] ~= 'held' then return false end
writeEvenIfFull()
redis.call('HSET', key, 'state', 'held')
return { of[2], of[3], of[4], of[5], of[6] }
