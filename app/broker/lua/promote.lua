-- Take ids that are due, or will be soon, from the due sets in order of time. Record them as delivered in the same step,
-- so that they return if no worker claims them in time.
-- The promotion is in flight until the caller confirms that the ids are on RQ queues (ZREM from KEYS[1]). If it does not
-- do so in time, take_back.lua returns all of its ids. A promotion is named by the instant at which its deliveries count
-- as lost, which is also their score. Names are unique, even if a client sends its command twice.
-- The number of ids of a type that are delivered and unclaimed is limited. Nothing is taken for an RQ queue on which
-- enough jobs wait. While any job waits there, less than a full job is not taken if more ids are due. The rest stays in
-- the due set, in order, where it can still be deleted.
--
-- KEYS[1]   promotions in flight (sorted set: name -> until when it may be in flight)
-- KEYS[2+]  for each route, in the order of `routes`: due set (sorted set: id -> instant), deliveries (sorted set: id ->
--           when the delivery counts as lost), RQ's list of jobs that wait, RQ's set of the queue's workers
-- ARGV[1]   JSON. Instants are seconds since 1970, as text where every digit is needed:
--   now, lost_at       text: the instant of this call; when its deliveries count as lost
--   in_flight_until    until when the promotion may be in flight
--   look_ahead_s       if ids are taken, those due within this time are taken as well
--   begin_ahead_s      nothing is taken earlier than this long before the first id is due
--   max_full_jobs      per worker: how many full jobs' ids of one type may be delivered and unclaimed
--   max_queued_jobs    per worker: how many jobs of all types may wait on an RQ queue
--   routes             for each type: {type, max_ids: how many ids one RQ job holds}
-- returns   the name of this promotion, until when the earliest one may be in flight or '', and for each route:
--           {due ids, {id, instant, id, instant ...} of those ahead, number of due ids left behind,
--           instant of the first id that stays or '', number of workers, when the first delivery counts as lost or ''}
local call = cjson.decode(ARGV[1])
local lost_at = call.lost_at
local now = tonumber(call.now)
local ahead_until, begin_at = now + call.look_ahead_s, now + call.begin_ahead_s
local answer, some_taken = {}, false
while redis.call('ZMSCORE', KEYS[1], lost_at)[1] do
  lost_at = string.format('%.6f', tonumber(lost_at) + 0.000001)
end
for i, route in ipairs(call.routes) do
  local due_set, delivered, queue, workers_key = unpack(KEYS, 4 * i - 2, 4 * i + 1)
  local max_ids = route.max_ids
  local due, ahead, left, workers = {}, {}, 0, 1
  local first = redis.call('ZRANGE', due_set, 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= begin_at then
    workers = math.max(1, redis.call('SCARD', workers_key))
    local room = math.min(2000, call.max_full_jobs * workers * max_ids - redis.call('ZCARD', delivered))
    left = redis.call('ZCOUNT', due_set, '-inf', call.now)
    local queued = redis.call('LLEN', queue)
    if queued >= call.max_queued_jobs * workers or (queued > 0 and room < max_ids and room < left) then
      room = 0
    end
    local records, length = {}, 0
    if room > 0 then
      due = redis.call('ZRANGEBYSCORE', due_set, '-inf', call.now, 'LIMIT', 0, room)
      for n = 1, #due do
        records[length + 1], records[length + 2] = lost_at, due[n]
        length = length + 2
      end
    end
    if room > #due then
      ahead = redis.call('ZRANGEBYSCORE', due_set, '(' .. call.now, ahead_until, 'WITHSCORES', 'LIMIT', 0, room - #due)
      for n = 1, #ahead, 2 do
        records[length + 1], records[length + 2] = lost_at, ahead[n]
        length = length + 2
      end
    end
    if length > 0 then
      if not some_taken then -- recorded before ids are taken, so that they return if a later command fails
        redis.call('ZADD', KEYS[1], call.in_flight_until, lost_at)
        some_taken = true
      end
      redis.call('ZREMRANGEBYRANK', due_set, 0, length / 2 - 1)
      redis.call('ZADD', delivered, unpack(records))
    end
    left = left - #due
    first = redis.call('ZRANGE', due_set, 0, 0, 'WITHSCORES')
  end
  local record = redis.call('ZRANGE', delivered, 0, 0, 'WITHSCORES')
  table.insert(answer, { due, ahead, left, first[2] or '', workers, record[2] or '' })
end
local in_flight = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { lost_at, in_flight[2] or '', answer }
