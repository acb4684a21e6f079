-- ARGV  group and shard, node
local key = base .. 'l:' .. ARGV[4]
if isOn and redis.call('GET', key) == ARGV[5] then redis.call('DEL', key) end
