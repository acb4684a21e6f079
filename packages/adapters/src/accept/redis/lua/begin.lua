-- Sets this run of Redis up for an epoch.
--
-- ARGV  shards, group that delivers, group that saves
-- Gives 1; 0 when the epoch, or a later one, was begun here before. Again in the same run, nothing happens.
if isOn then return 1 end
if state[1] and tonumber(state[1]) > tonumber(epoch) then return 0 end
-- Begun in another run: Redis may have restarted before anybody used it.
local isUnused = state[1] == epoch and not state[5]
if not isUnused and redis.call('HEXISTS', epochsKey, epoch) == 1 then return 0 end
for shard = 0, tonumber(ARGV[4]) - 1 do
  redis.call('UNLINK', base .. shard)
  redis.call('XGROUP', 'CREATE', base .. shard, ARGV[5], '0', 'MKSTREAM')
  redis.call('XGROUP', 'CREATE', base .. shard, ARGV[6], '0')
end
redis.call('UNLINK', stateKey, base .. 'n')
redis.call('HSET', epochsKey, epoch, ARGV[4])
redis.call('HSET', stateKey, 'epoch', epoch, 'run', run, 'shards', ARGV[4], 'waiting', 0)
return 1
