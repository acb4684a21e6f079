-- ARGV  node
if isOn then
  writeEvenIfFull()
  redis.call('SADD', base .. 'n', ARGV[4])
end
