-- Gives how many entries are not saved, and since when the oldest of them waits ('': none does).
if not isOn then return { '0', '' } end
local oldest = ''
for shard = 0, tonumber(state[3]) - 1 do
  local entry = redis.call('XRANGE', base .. shard, '-', '+', 'COUNT', 1)[1]
  if entry and (oldest == '' or timeOf(entry) < oldest) then oldest = timeOf(entry) end
end
return { state[4], oldest }
