-- Numbers for sends, in their order.
--
-- ARGV  backlogMax, rememberMs, openingMs, mids of a generation; then for each send eleven: cid, its hash, mid, identity (from and digest),
--       at, replyTo and threadRoot (0: none), membersRev ('': not compared), '1' if it was looked up, message, node
-- Gives for each send four: 'new', 'dup' or 'saved' with seq, rev and at; else why not, and three empty ones. 0: the epoch is over.
if not isOn then return 0 end
local backlogMax, rememberMs, openingMs, generationMids = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local shards, waiting = tonumber(state[3]), tonumber(state[4])
local now = clock()
local given = 0
-- Of this call, by node.
local admitted = {}
-- Of this call, by cid: read once, written once.
local conversations = {}

local function isAdmitted(node)
  if admitted[node] == nil then admitted[node] = redis.call('SISMEMBER', base .. 'n', node) == 1 end
  return admitted[node]
end

local function load(cid)
  local of = conversations[cid]
  if of then return of end
  local values = redis.call('HMGET', base .. 'c:' .. cid, 'state', 'head', 'rev', 'savedHead', 'reserved', 'membersRev', 'knownFrom',
    'young', 'top', 'oldTop', 'oldSeq', 'turnedAt', 'since')
  of = {
    state = values[1], head = tonumber(values[2]), rev = tonumber(values[3]), savedHead = tonumber(values[4]),
    reserved = tonumber(values[5]), membersRev = values[6], knownFrom = values[7], young = values[8], top = values[9],
    oldTop = values[10], oldSeq = tonumber(values[11]), turnedAt = tonumber(values[12]), since = tonumber(values[13]),
  }
  conversations[cid] = of
  return of
end

-- Whether a sorts after b, byte by byte: Lua's own comparison goes by the locale.
local function isAfter(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

-- Crockford's base32 has neither I, L, O nor U.
local function isUlid(mid)
  return #mid == 26 and string.find(mid, '^[0-7][0-9A-HJKMNP-TV-Z]+$') ~= nil
end

local function refusal(of)
  if of.state == 'opening' then return now - of.since < openingMs and 'opening' or 'closed' end
  return of.state and 'held' or 'closed'
end

local function remembered(of, cid, mid)
  local first = redis.call('HGET', base .. 'm' .. of.young .. ':' .. cid, mid)
  -- Before the first turn there is no older generation.
  if first or of.oldSeq == 0 then return first end
  return redis.call('HGET', base .. 'm' .. (1 - of.young) .. ':' .. cid, mid)
end

-- The older generation is forgotten, where the younger one is large enough, and nothing is in it that is not saved or too new.
local function turn(of, cid)
  of.mids = of.mids or redis.call('HLEN', base .. 'm' .. of.young .. ':' .. cid)
  if of.mids < generationMids or of.oldSeq > of.savedHead or now - of.turnedAt < rememberMs then return end
  if isAfter(of.oldTop, of.knownFrom) then of.knownFrom = of.oldTop end
  of.oldTop, of.oldSeq, of.top, of.turnedAt, of.mids, of.turned = of.top, of.head, '', now, 0, true
  of.young = 1 - of.young
  redis.call('UNLINK', base .. 'm' .. of.young .. ':' .. cid)
end

local function give(of, i)
  local cid, mid, at = ARGV[i], ARGV[i + 2], ARGV[i + 4]
  turn(of, cid)
  of.head, of.rev, of.mids, of.changed = of.head + 1, of.rev + 1, of.mids + 1, true
  redis.call('HSET', base .. 'm' .. of.young .. ':' .. cid, mid, of.head .. ' ' .. of.rev .. ' ' .. at .. ' ' .. ARGV[i + 3])
  if isUlid(mid) and isAfter(mid, of.top) then of.top = mid end
  local id = redis.call('XADD', base .. (ARGV[i + 1] % shards), '*', 's', of.head, 'r', of.rev, 'm', ARGV[i + 9])
  redis.call('ZADD', base .. 'p:' .. cid, of.rev, id)
  given = given + 1
  return 'new', of.head, of.rev, at
end

-- Why a send gets no number, or what it has; nothing where it is new.
local function known(of, i)
  local cid, mid = ARGV[i], ARGV[i + 2]
  if of.state ~= 'open' then return refusal(of) end
  if ARGV[i + 7] ~= '' and ARGV[i + 7] ~= of.membersRev then return 'stale' end
  if tonumber(ARGV[i + 5]) > of.head then return 'replyTo' end
  if tonumber(ARGV[i + 6]) > of.head then return 'threadRoot' end
  local first = remembered(of, cid, mid)
  if first then
    local seq, rev, at, identity = string.match(first, '^(%d+) (%d+) (%S+) (.*)$')
    if identity ~= ARGV[i + 3] then return 'mid_conflict' end
    return tonumber(seq) <= of.savedHead and 'saved' or 'dup', seq, rev, at
  end
  if of.head >= of.reserved then return 'full' end
  if waiting + given >= backlogMax then return 'busy' end
  if ARGV[i + 8] ~= '1' and not (isUlid(mid) and isAfter(mid, of.knownFrom)) then return 'unsure' end
end

local function accept(i)
  if not isAdmitted(ARGV[i + 10]) then return 'over' end
  local of = load(ARGV[i])
  local code, seq, rev, at = known(of, i)
  if code == 'mid_conflict' or code == 'replyTo' or code == 'threadRoot' then return code end
  -- Who comes back with what was refused finds nothing behind it accepted before it.
  if of.refused then return of.refused end
  if not code then return give(of, i) end
  if code ~= 'dup' and code ~= 'saved' then of.refused = code end
  return code, seq, rev, at
end

local reply = {}
for i = 8, #ARGV, 11 do
  local code, seq, rev, at = accept(i)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = code, seq or '', rev or '', at or ''
end

for cid, of in pairs(conversations) do
  local key = base .. 'c:' .. cid
  if of.turned then
    redis.call('HSET', key, 'head', of.head, 'rev', of.rev, 'top', of.top, 'young', of.young, 'oldTop', of.oldTop, 'oldSeq', of.oldSeq,
      'turnedAt', of.turnedAt, 'knownFrom', of.knownFrom)
  elseif of.changed then
    redis.call('HSET', key, 'head', of.head, 'rev', of.rev, 'top', of.top)
  end
end
if given > 0 then redis.call('HINCRBY', stateKey, 'waiting', given) end
return reply
