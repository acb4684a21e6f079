-- ARGV  node
-- Gives the time, in epoch milliseconds. Where the clock was set back, that of the newest entry: ids go on from there.
local now = clock()
if not isOn then return now end
redis.call('SREM', base .. 'n', ARGV[4])
for shard = 0, tonumber(state[3]) - 1 do
  local newest = redis.call('XREVRANGE', base .. shard, '+', '-', 'COUNT', 1)[1]
  if newest then now = math.max(now, timeOf(newest)) end
end
return now
