-- Take due ids off the schedule, in order of time, and record them as delivered in the same step: whoever dies
-- afterwards, they come back when the record expires. That is soon, until the taker says that they are on a queue.
-- KEYS     per type: schedule, delivered (sorted set: id -> when the delivery counts as lost), RQ queue, RQ workers
-- ARGV[1]  now, seconds   ARGV[2]  when a delivery counts as lost, seconds   ARGV[3]  envelopes a worker may have waiting
-- ARGV[4+] per type: how many ids one envelope holds
-- returns  per type: {ids, due ids left behind, instant of the first id that stays or '', workers of its queue,
--          when its first record expires or ''}
local now, lost_at, per_worker = ARGV[1], ARGV[2], tonumber(ARGV[3])
local answer = {}
for i = 1, #KEYS, 4 do
  local schedule, delivered, queue, workers = KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3]
  local size = tonumber(ARGV[4 + (i - 1) / 4])
  local ids, left, count = {}, 0, 1
  local first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= tonumber(now) then
    count = math.max(1, redis.call('SCARD', workers))
    local room = per_worker * count - redis.call('LLEN', queue)
    if room > 0 then
      ids = redis.call('ZRANGEBYSCORE', schedule, '-inf', now, 'LIMIT', 0, math.min(room * size, 2000))
      redis.call('ZREMRANGEBYRANK', schedule, 0, #ids - 1)
      local records = {}
      for n, id in ipairs(ids) do
        records[2 * n - 1], records[2 * n] = lost_at, id
      end
      redis.call('ZADD', delivered, unpack(records))
    end
    left = redis.call('ZCOUNT', schedule, '-inf', now)
    first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  end
  local record = redis.call('ZRANGE', delivered, 0, 0, 'WITHSCORES')
  table.insert(answer, { ids, left, first[2] or '', count, record[2] or '' })
end
return answer
