-- ARGV  cid, openingMs
-- Gives the opening and the first one of its row, or why there is none.
if not isOn then return 'over' end
local key = base .. 'c:' .. ARGV[4]
local of = redis.call('HMGET', key, 'state', 'first', 'since')
local now = clock()
if of[1] == 'open' then return 'open' end
if of[1] == 'held' or of[1] == 'shut' then return 'held' end
if of[1] and now - tonumber(of[3]) < tonumber(ARGV[5]) then return 'opening' end
local opening = redis.call('HINCRBY', stateKey, 'openings', 1)
local first = of[1] and tonumber(of[2]) or opening
redis.call('HSET', key, 'state', 'opening', 'opening', opening, 'first', first, 'since', now)
return { opening, first }
