-- Return lost deliveries to the due sets, due at once. A delivery is lost when no worker claimed it in time, when its
-- promotion was in flight for too long, or when a clock far ahead of this one recorded it, because its time limit would
-- then end much too late.
-- KEYS[1]   promotions in flight
-- KEYS[2+]  for each type: deliveries, due set
-- ARGV[1]   now, seconds
-- ARGV[2]   the latest instant at which any delivery may count as lost, seconds
-- returns   the number of ids. A promotion of more than a thousand ids of a type stays in flight until the next call.
local count = 0
-- Returns whether nothing is left in the range.
local function put_back(delivered, due, from, to)
  local ids = redis.call('ZRANGEBYSCORE', delivered, from, to, 'LIMIT', 0, 1000)
  for _, id in ipairs(ids) do
    redis.call('ZADD', due, ARGV[1], id)
    redis.call('ZREM', delivered, id)
  end
  count = count + #ids
  return #ids < 1000
end
for i = 2, #KEYS, 2 do
  put_back(KEYS[i], KEYS[i + 1], '-inf', ARGV[1])
  put_back(KEYS[i], KEYS[i + 1], '(' .. ARGV[2], '+inf')
end
for _, range in ipairs({ { '-inf', ARGV[1] }, { '(' .. ARGV[2], '+inf' } }) do
  for _, promotion in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], range[1], range[2], 'LIMIT', 0, 100)) do
    local complete = true
    if string.match(promotion, '^%d+%.%d+$') then
      for i = 2, #KEYS, 2 do
        complete = put_back(KEYS[i], KEYS[i + 1], promotion, promotion) and complete
      end
    end
    if complete then
      redis.call('ZREM', KEYS[1], promotion)
    end
  end
end
return count
