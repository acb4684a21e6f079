-- What every script begins with.
--
-- ARGV  prefix, epoch, run_id of the process that the connection was made to; then the script's own, from the fourth on
-- Keys  <prefix>:state         hash    epoch · run · shards · waiting: entries not saved · openings: the newest of its conversations, if any
--       <prefix>:epochs        hash    epoch -> its shards, until it is dropped
-- and of one epoch, <base> being <prefix>:{epoch}
--       <base>:<shard>         stream  entries, with the fields s(eq), r(ev), m(essage)
--       <base>:c:<cid>         hash    conversation: state (opening, open, held, shut) and its numbers
--       <base>:n               set     nodes that are admitted
--       <base>:m0:<cid>, m1    hash    the two generations of mids that are remembered: mid -> "seq rev at identity"
--       <base>:p:<cid>         zset    what is not saved: id of the entry by rev
--       <base>:l:<group>:<shard>       lock: node
-- An id of a conversation is always the last part of a key, so that it may hold anything.
local prefix, epoch = ARGV[1], ARGV[2]
local base = prefix .. ':{' .. epoch .. '}:'
local stateKey, epochsKey = prefix .. ':state', prefix .. ':epochs'
local state = redis.call('HMGET', stateKey, 'epoch', 'run', 'shards', 'waiting', 'openings')

-- A process that was a replica in between has another's data now, under its own run_id. What it remembers of its former primary tells; its
-- own replication id does not, it also changes when a first replica comes. Asking costs 3 µs.
local former, formerUntil = string.match(redis.call('INFO', 'replication'), 'master_replid2:(%w+).-second_repl_offset:(%-?%d+)')
local run = ARGV[3] .. ' ' .. former .. ' ' .. formerUntil
-- This very run of Redis was set up for the epoch.
local isOn = state[1] == epoch and state[2] == run

-- Epoch milliseconds: the nodes' clocks may differ, this one is the same for all.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Of an entry as XRANGE gives it, since when it waits.
local function timeOf(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

-- A Redis that is full refuses to write until a script has begun to. What frees memory, or leads to that, must go on; this is a beginning.
local function writeEvenIfFull()
  redis.call('DEL', prefix .. ':none')
end
