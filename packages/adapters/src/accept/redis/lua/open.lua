-- ARGV  cid, the opening, head, rev, membersRev, reserved, knownFrom, its largest ULID ('': none); then pairs for what
--       is remembered: mid, "seq rev at identity"
-- Gives 1 when the conversation is open now, else 0.
if not isOn then return 0 end
local cid = ARGV[4]
local key = base .. 'c:' .. cid
local of = redis.call('HMGET', key, 'state', 'opening')
if of[1] == 'opening' and of[2] == ARGV[5] then
  redis.call('UNLINK', key)
  redis.call('HSET', key, 'state', 'open', 'opening', ARGV[5], 'head', ARGV[6], 'rev', ARGV[7], 'savedHead', ARGV[6],
    'savedRev', ARGV[7], 'membersRev', ARGV[8], 'reserved', ARGV[9], 'knownFrom', ARGV[10], 'young', 0, 'top', ARGV[11],
    'oldTop', '', 'oldSeq', 0, 'turnedAt', clock())
  for i = 12, #ARGV, 2 do redis.call('HSET', base .. 'm0:' .. cid, ARGV[i], ARGV[i + 1]) end
  return 1
end
return (of[1] == 'open' or of[1] == 'held') and 1 or 0
