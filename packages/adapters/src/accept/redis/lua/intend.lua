-- ARGV  cid, token of the one who asks, openingMs
-- Gives what AcceptLog.intend does.
if not isOn then return 'over' end
local key = base .. 'c:' .. ARGV[4]
local of = redis.call('HMGET', key, 'state', 'since')
local now = clock()
if of[1] == 'open' then return 'open' end
if of[1] == 'held' or of[1] == 'shut' then return 'held' end
if of[1] and now - tonumber(of[2]) < tonumber(ARGV[6]) then return 'opening' end
redis.call('HSET', key, 'state', 'opening', 'token', ARGV[5], 'since', now)
redis.call('HSET', stateKey, 'used', 1)
return of[1] and 'again' or 'mine'
