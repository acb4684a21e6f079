-- Entries leave the log, and conversations learn how far they are saved.
--
-- ARGV  shard, group that delivers, group that saves, how many ids; the ids; then for each conversation four: cid, head, rev, reserved
if not isOn then return end
local key, count = base .. ARGV[4], tonumber(ARGV[7])
local gone = 0
writeEvenIfFull()
-- Few enough at a time for Lua's stack.
for first = 8, 7 + count, 1000 do
  local last = math.min(first + 999, 7 + count)
  for group = 5, 6 do redis.call('XACK', key, ARGV[group], unpack(ARGV, first, last)) end
  gone = gone + redis.call('XDEL', key, unpack(ARGV, first, last))
end
if gone > 0 then redis.call('HINCRBY', stateKey, 'waiting', -gone) end
for i = 8 + count, #ARGV, 4 do
  local cid, head, rev, reserved = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local of = redis.call('HMGET', base .. 'c:' .. cid, 'state', 'savedHead', 'savedRev', 'reserved')
  if of[1] == 'open' or of[1] == 'held' then
    -- Of an opening before this one, which is in `savedHead`, the reservation ended with it.
    if head <= tonumber(of[2]) then reserved = 0 end
    redis.call('HSET', base .. 'c:' .. cid, 'savedHead', math.max(head, tonumber(of[2])), 'savedRev', math.max(rev, tonumber(of[3])),
      'reserved', math.max(reserved, tonumber(of[4])))
    redis.call('ZREMRANGEBYSCORE', base .. 'p:' .. cid, '-inf', rev)
  end
end
