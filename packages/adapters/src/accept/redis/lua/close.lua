-- ARGV  cid, its opening, for how long nobody opens it
if not isOn then return end
local cid, holdMs = ARGV[4], tonumber(ARGV[6])
local key = base .. 'c:' .. cid
local of = redis.call('HMGET', key, 'state', 'opening')
if of[1] ~= 'held' or of[2] ~= ARGV[5] then return end
redis.call('UNLINK', key, base .. 'm0:' .. cid, base .. 'm1:' .. cid, base .. 'p:' .. cid)
if holdMs > 0 then
  redis.call('HSET', key, 'state', 'shut')
  redis.call('PEXPIRE', key, holdMs)
end
