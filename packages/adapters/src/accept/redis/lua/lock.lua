-- ARGV  group, node, ttlMs, how many at most; then the shards
-- Gives those that are the node's now.
local own = {}
if not isOn then return own end
local most = tonumber(ARGV[7])
writeEvenIfFull()
for i = 8, #ARGV do
  if #own >= most then break end
  local key = base .. 'l:' .. ARGV[4] .. ':' .. ARGV[i]
  local holder = redis.call('GET', key)
  if not holder or holder == ARGV[5] then
    redis.call('SET', key, ARGV[5], 'PX', ARGV[6])
    own[#own + 1] = tonumber(ARGV[i])
  end
end
return own
