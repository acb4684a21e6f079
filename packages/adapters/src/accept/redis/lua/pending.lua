-- ARGV  cid, its hash, rev, how many
-- Gives entries of the conversation that are not saved, with a larger rev, as XRANGE does.
if not isOn then return {} end
local ids = redis.call('ZRANGEBYSCORE', base .. 'p:' .. ARGV[4], '(' .. ARGV[6], '+inf', 'LIMIT', 0, ARGV[7])
local entries = {}
for _, id in ipairs(ids) do
  local entry = redis.call('XRANGE', base .. (ARGV[5] % tonumber(state[3])), id, id)[1]
  if entry then entries[#entries + 1] = entry end
end
return entries
