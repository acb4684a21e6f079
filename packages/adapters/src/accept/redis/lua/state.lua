-- Gives the epoch that this very run was set up for, and its shards; or nothing. Fails where Redis refuses every write, as it does when it
-- cannot write to its disk, or has too few replicas: then it is as good as away.
writeEvenIfFull()
if not state[1] or state[2] ~= run then return false end
return { state[1], state[3] }
