-- ARGV  cid, for how long nobody opens it
-- Gives 0, and nothing happens, where it is not held or not all of it is saved.
if not isOn then return 1 end
local cid, holdMs = ARGV[4], tonumber(ARGV[5])
local key = base .. 'c:' .. cid
local of = redis.call('HMGET', key, 'state', 'head', 'savedHead')
if of[1] == 'open' or (of[1] == 'held' and tonumber(of[2]) > tonumber(of[3])) then return 0 end
redis.call('UNLINK', key, base .. 'm0:' .. cid, base .. 'm1:' .. cid, base .. 'p:' .. cid)
if holdMs > 0 then
  redis.call('HSET', key, 'state', 'shut')
  redis.call('PEXPIRE', key, holdMs)
end
return 1
