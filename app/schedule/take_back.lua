-- Deliveries that nobody claimed in time go back on the schedule, due at once.
-- KEYS     per type: delivered, schedule
-- ARGV[1]  now, seconds
-- returns  how many
local count = 0
for i = 1, #KEYS, 2 do
  local ids = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', ARGV[1], 'LIMIT', 0, 1000)
  for _, id in ipairs(ids) do
    redis.call('ZADD', KEYS[i + 1], ARGV[1], id)
    redis.call('ZREM', KEYS[i], id)
  end
  count = count + #ids
end
return count
