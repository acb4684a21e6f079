-- Gives pairs: an epoch that is not dropped, and how many entries of it are here.
local pairs = {}
local epochs = redis.call('HGETALL', epochsKey)
for i = 1, #epochs, 2 do
  local entries = 0
  for shard = 0, tonumber(epochs[i + 1]) - 1 do entries = entries + redis.call('XLEN', prefix .. ':{' .. epochs[i] .. '}:' .. shard) end
  pairs[i], pairs[i + 1] = epochs[i], entries
end
return pairs
