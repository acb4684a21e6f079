-- Gives how many entries are not saved, and since when the oldest of them waits ('': none does).
if not isOn then return { '0', '' } end
local oldest = ''
for shard = 0, tonumber(state[3]) - 1 do
  local entry = redis.call('XRANGE', base .. shard, '-', '+', 'COUNT', 1)[1]
  local at = entry and tonumber(string.match(entry[1], '^%d+'))
  if at and (oldest == '' or at < oldest) then oldest = at end
end
return { state[4], oldest }
