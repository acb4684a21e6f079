-- The epoch is over, if it is the one that is on, in this run or another.
if state[1] == epoch then redis.call('UNLINK', stateKey) end
