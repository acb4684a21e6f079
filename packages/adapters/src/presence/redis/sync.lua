-- One step of one node, atomically: takes what the node says of its users, ends leases that are over, tells what changed.
--
-- KEYS  leases  zset  "node uid" by the end of its lease
--       counts  hash  uid -> leases it has; a user is online while it stands here
--       seen    zset  uid by when a connection of it was last there
--       meta    hash  epoch: of this data; stepAt: the last step of any node; holdUntil: no lease ends before
--       told    stream  the changes of the last minutes, for nodes that were not listening
-- ARGV  node, leaseMs, graceMs, seenMs, toldMs, leases to end at most, channel, then for each user: uid, mode, '1' if it left
--       mode    tell: say so if this makes it online · quiet: it was said before the data was lost · known: only if its lease is there
-- Gives the epoch, and 1 when more leases are over than were ended.
local leases, counts, seen, meta, told = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local node, leaseMs, graceMs, seenMs, toldMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local sweepMax, channel = tonumber(ARGV[6]), ARGV[7]

-- The nodes' clocks may differ; this one is the same for all.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local changes = {}

for i = 8, #ARGV, 3 do
  local uid, mode, left = ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1'
  local member = node .. ' ' .. uid
  local ends = now + (left and graceMs or leaseMs)
  if mode == 'known' then
    redis.call('ZADD', leases, 'XX', ends, member)
  elseif redis.call('ZADD', leases, ends, member) == 1 and redis.call('HINCRBY', counts, uid, 1) == 1 and mode == 'tell' then
    changes[#changes + 1] = { uid }
  end
  if left then redis.call('ZADD', seen, now, uid) end
end

-- No step for so long means that no node could renew (Redis was away, or is an older copy of itself): what ended meanwhile says nothing
-- of who is connected, so everyone gets one lease of time. A clock that jumped looks the same.
local stepAt = tonumber(redis.call('HGET', meta, 'stepAt') or now)
local holdUntil = tonumber(redis.call('HGET', meta, 'holdUntil') or 0)
if now - stepAt > leaseMs / 8 or now < stepAt then
  holdUntil = now + leaseMs
  redis.call('HSET', meta, 'holdUntil', holdUntil)
end
redis.call('HSET', meta, 'stepAt', now)
redis.call('HSETNX', meta, 'epoch', node .. ' ' .. now)

local over = {}
if now >= holdUntil then over = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'WITHSCORES', 'LIMIT', 0, sweepMax) end
for i = 1, #over, 2 do
  local member, touchedAt = over[i], tonumber(over[i + 1]) - leaseMs
  local uid = string.sub(member, string.find(member, ' ', 1, true) + 1)
  redis.call('ZREM', leases, member)
  -- Who left has a later entry already; who vanished was last there when the lease was last renewed.
  redis.call('ZADD', seen, 'GT', touchedAt, uid)
  if redis.call('HINCRBY', counts, uid, -1) <= 0 then
    redis.call('HDEL', counts, uid)
    changes[#changes + 1] = { uid, tonumber(redis.call('ZSCORE', seen, uid)) }
  end
end

redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - seenMs)
if #changes > 0 then
  local text = cjson.encode(changes)
  local id = redis.call('XADD', told, 'MINID', '~', now - toldMs, '*', 'changes', text)
  redis.call('PUBLISH', channel, id .. ' ' .. text)
end
return { redis.call('HGET', meta, 'epoch'), #over == 2 * sweepMax and 1 or 0 }
