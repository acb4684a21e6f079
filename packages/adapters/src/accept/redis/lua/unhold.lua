-- ARGV  cid
local key = base .. 'c:' .. ARGV[4]
if isOn and redis.call('HGET', key, 'state') == 'held' then
  writeEvenIfFull()
  redis.call('HSET', key, 'state', 'open')
end
