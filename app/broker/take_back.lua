-- Deliveries that nobody claimed in time go back on the schedule, due at once. So does what a pass took that stayed in
-- the hand of its taker for too long, and what was recorded by a clock far ahead of this one: somebody has set it back,
-- and its time would not come for as long.
-- KEYS[1]  passes in hand   KEYS[2+]  per type: delivered, schedule
-- ARGV[1]  now, seconds   ARGV[2]  the latest that any delivery may count as lost, seconds
-- returns  how many; a pass of more than a thousand ids of a type stays in hand, for the next time
local count = 0
-- Whether nothing is left in the range.
local function put_back(delivered, schedule, from, to)
  local ids = redis.call('ZRANGEBYSCORE', delivered, from, to, 'LIMIT', 0, 1000)
  for _, id in ipairs(ids) do
    redis.call('ZADD', schedule, ARGV[1], id)
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
  for _, pass in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], range[1], range[2], 'LIMIT', 0, 100)) do
    local whole = true
    if string.match(pass, '^%d+%.%d+$') then
      for i = 2, #KEYS, 2 do
        whole = put_back(KEYS[i], KEYS[i + 1], pass, pass) and whole
      end
    end
    if whole then
      redis.call('ZREM', KEYS[1], pass)
    end
  end
end
return count
