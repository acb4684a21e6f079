-- ARGV  cids
-- Gives for each opening, head, rev, savedHead and savedRev; nothing where it is not open.
local tails = {}
for i = 4, #ARGV do
  local of = isOn and redis.call('HMGET', base .. 'c:' .. ARGV[i], 'state', 'opening', 'head', 'rev', 'savedHead', 'savedRev') or {}
  tails[i - 3] = (of[1] == 'open' or of[1] == 'held') and { of[2], of[3], of[4], of[5], of[6] } or false
end
return tails
