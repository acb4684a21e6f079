-- ARGV  shard, group, node, how many
-- Gives the oldest entries that workers of the group have read and not finished, as XRANGE does; they are the node's now.
if not isOn then return {} end
local key, count = base .. ARGV[4], tonumber(ARGV[7])
local entries, from = {}, '0-0'
repeat
  local claimed = redis.call('XAUTOCLAIM', key, ARGV[5], ARGV[6], 0, from, 'COUNT', count - #entries)
  from = claimed[1]
  -- Redis 6.2 gives nothing in the place of a deleted one.
  for i = 1, #claimed[2] do
    if claimed[2][i] then entries[#entries + 1] = claimed[2][i] end
  end
until from == '0-0' or #entries >= count
return entries
