-- ARGV  group and shard, node, ttlMs
-- Gives 1 when the lock is the node's now, else 0.
if not isOn then return 0 end
local key = base .. 'l:' .. ARGV[4]
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[5] then return 0 end
writeEvenIfFull()
redis.call('SET', key, ARGV[5], 'PX', ARGV[6])
return 1
