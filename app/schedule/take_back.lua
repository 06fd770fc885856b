-- Deliveries that nobody claimed in time go back on the schedule, due at once. So do those that were recorded by a clock
-- far ahead of this one: somebody has set it back, and their time would not come for as long.
-- KEYS     per type: delivered, schedule
-- ARGV[1]  now, seconds   ARGV[2]  the latest that any delivery may count as lost, seconds
-- returns  how many
local count = 0
for i = 1, #KEYS, 2 do
  local ids = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', ARGV[1], 'LIMIT', 0, 1000)
  local ahead = redis.call('ZRANGEBYSCORE', KEYS[i], '(' .. ARGV[2], '+inf', 'LIMIT', 0, 1000)
  for _, lost in ipairs({ ids, ahead }) do
    for _, id in ipairs(lost) do
      redis.call('ZADD', KEYS[i + 1], ARGV[1], id)
      redis.call('ZREM', KEYS[i], id)
    end
    count = count + #lost
  end
end
return count
