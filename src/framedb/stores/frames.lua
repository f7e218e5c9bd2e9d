#!lua name=fdb_v1
-- The index of frames in memory. Bytes never pass through here: the writer SETs them, in the same MULTI, just before.
--
-- A library's version is in its name and in its functions' names; a released one is never changed or replaced, so that
-- clients of two versions can share a server. Functions never raise (MULTI would not roll back): they answer
-- `stored`, `refused:<why>` or `dropped:<reason>`.

local CLEAR = 64             -- expired rows cleared by one call, so that none takes long
local TRIM = 1000            -- rows one call may evict
local LINGER_MS = 3600000    -- the index outlives its last frame by this, so that late readers can still repair it

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- A row is a msgpack array that begins with three fixed-width integers: size, pin, captured_at.
local function size_of(row) return (struct.unpack('>I8', row, 3)) end
local function pin_of(row) return (struct.unpack('>I8', row, 12)) end
local function pinned(row, until_ms) return string.sub(row, 1, 11) .. struct.pack('>I8', until_ms) .. string.sub(row, 20) end

local function prefix(source) return 'fdb:' .. source .. ':' end

local function policy_of(p)
  local f = redis.call('HMGET', p .. 'f', 'epoch', 'token', 'policy', 'max_frames', 'max_bytes', 'max_age_s', 'ttl_s')
  return {
    epoch = tonumber(f[1] or 0), token = tonumber(f[2] or 0), policy = f[3] or '',
    max_frames = tonumber(f[4] or nil), max_bytes = tonumber(f[5] or nil),
    max_age_us = f[6] and tonumber(f[6]) * 1000000 or nil, ttl_ms = f[7] and tonumber(f[7]) * 1000 or nil,
  }
end

local function held(p)
  local s = redis.call('HMGET', p .. 's', 'count', 'bytes')
  return tonumber(s[1] or 0), tonumber(s[2] or 0)
end

local function count_drop(p, reason, n)
  redis.call('HINCRBY', p .. 's', 'drop:' .. reason, n)
end

local function forget(p, key, row)
  redis.call('ZREM', p .. 't', key)
  redis.call('ZREM', p .. 'x', key)
  redis.call('ZREM', p .. 'out', key)
  redis.call('HDEL', p .. 'm', key)
  redis.call('HINCRBY', p .. 's', 'count', -1)
  redis.call('HINCRBY', p .. 's', 'bytes', 0 - size_of(row))  -- not -size: of 0 that is "-0", which Redis 7.0 refuses
end

-- Rows past their expiry. One that is still here was never acknowledged, so it counts, once.
local function clear_expired(p, now_ms, limit)
  local keys = redis.call('ZRANGEBYSCORE', p .. 'x', '-inf', now_ms, 'LIMIT', 0, limit)
  local expired = 0
  for _, key in ipairs(keys) do
    redis.call('UNLINK', key)
    local row = redis.call('HGET', p .. 'm', key)
    if row then
      forget(p, key, row)
      expired = expired + 1
    else
      redis.call('ZREM', p .. 'x', key)
    end
  end
  if expired > 0 then count_drop(p, 'expired', expired) end
  return #keys
end

-- The oldest frame goes. Returns its key and size, or nil when there is none.
local function evict_oldest(p, now_ms)
  local key = redis.call('ZRANGE', p .. 't', 0, 0)[1]
  if not key then return nil end
  local row = redis.call('HGET', p .. 'm', key)
  local removed = redis.call('UNLINK', key)
  if not row then
    redis.call('ZREM', p .. 't', key)
    return key, 0
  end
  forget(p, key, row)
  if removed == 1 then
    count_drop(p, pin_of(row) > now_ms and 'evicted-leased' or 'evicted-unread', 1)
  end
  return key, size_of(row)
end

local function over(policy, count, bytes)
  return (policy.max_frames and count > policy.max_frames) or (policy.max_bytes and bytes > policy.max_bytes)
end

local function makes_room(policy)
  return policy.policy ~= 'wait' and policy.policy ~= 'drop-newest'
end

-- Evicts until the caps hold; the set of keys that went.
local function enforce(p, policy, now)
  local gone = {}
  if not (policy.max_frames or policy.max_bytes or policy.max_age_us) or not makes_room(policy) then return gone end
  for _ = 1, TRIM do
    local count, bytes = held(p)
    local old = false
    if policy.max_age_us then
      local oldest = redis.call('ZRANGE', p .. 't', 0, 0, 'WITHSCORES')
      old = oldest[2] and tonumber(oldest[2]) < now - policy.max_age_us
    end
    if not old and not over(policy, count, bytes) then break end
    local key = evict_oldest(p, now / 1000)
    if not key then break end
    gone[key] = true
  end
  return gone
end

-- A source that stopped leaves nothing: its index goes an hour after its last frame. Frames without a TTL keep it.
local function set_lifetime(p)
  local last = redis.call('ZREVRANGE', p .. 'x', 0, 0, 'WITHSCORES')
  local forever = redis.call('HLEN', p .. 'm') > redis.call('ZCARD', p .. 'x')
  for _, part in ipairs({'t', 'm', 'x', 'out'}) do
    if forever or not last[2] then
      redis.call('PERSIST', p .. part)
    else
      redis.call('PEXPIREAT', p .. part, string.format('%.0f', tonumber(last[2]) + LINGER_MS))
    end
  end
end

local function push(list, first, second)
  local last = #list
  list[last + 1], list[last + 2] = first, second
end

local function call_with(command, key, arguments)
  if #arguments > 0 then redis.call(command, key, unpack(arguments)) end
end

-- KEYS: the frames' keys, just SET. ARGV: source, epoch or '', token or '', announce ('1' or ''), then for each key:
-- captured_at in microseconds or '' (no time index), ttl in ms (-1: the source's default, 0: none), row.
local function index(keys, args)
  local source, epoch, token, announce = args[1], tonumber(args[2]), tonumber(args[3]), args[4] == '1'
  local p = prefix(source)
  local now = now_us()
  local now_ms = math.floor(now / 1000)
  local policy = policy_of(p)
  local results = {}

  if (epoch and epoch < policy.epoch) or (token and token < policy.token) then
    for i, key in ipairs(keys) do
      if redis.call('HEXISTS', p .. 'm', key) == 0 then redis.call('UNLINK', key) end
      results[i] = 'refused:stale'
    end
    return results
  end
  if epoch and epoch > policy.epoch then redis.call('HSET', p .. 'f', 'epoch', args[2]) end
  if token and token > policy.token then redis.call('HSET', p .. 'f', 'token', args[3]) end

  clear_expired(p, now_ms, CLEAR)
  -- Many frames cost hardly more calls than one: what is to be written is gathered first.
  local sizes = {}
  for i, row in ipairs(redis.call('HMGET', p .. 'm', unpack(keys))) do sizes[keys[i]] = row and size_of(row) end
  local old_count, old_bytes = held(p)
  local count, bytes = old_count, old_bytes
  local captured, expiring, lasting, rows, out = {}, {}, {}, {}, {}
  for i, key in ipairs(keys) do
    local captured_at, ttl, row = args[2 + 3 * i], tonumber(args[3 + 3 * i]), args[4 + 3 * i]
    local size = size_of(row)
    local before = sizes[key]
    if not before and not makes_room(policy) and over(policy, count + 1, bytes + size) then
      redis.call('UNLINK', key)
      if policy.policy == 'wait' then
        results[i] = 'refused:full'
      else
        count_drop(p, 'drop-newest', 1)
        results[i] = 'dropped:drop-newest'
      end
    else
      if ttl < 0 then
        ttl = policy.ttl_ms or 0
        if ttl > 0 then redis.call('PEXPIRE', key, string.format('%.0f', ttl)) end
      end
      if captured_at ~= '' then push(captured, captured_at, key) end
      if ttl > 0 then
        push(expiring, string.format('%.0f', now_ms + ttl), key)
      else
        push(lasting, key)
      end
      push(rows, key, row)
      if announce then push(out, now_ms, key) end
      if not before then count = count + 1 end
      bytes = bytes + size - (before or 0)
      sizes[key] = size
      results[i] = 'stored'
    end
  end
  call_with('ZADD', p .. 't', captured)
  call_with('ZADD', p .. 'x', expiring)
  call_with('ZREM', p .. 'x', lasting)
  call_with('HSET', p .. 'm', rows)
  call_with('ZADD', p .. 'out', out)
  redis.call('HINCRBY', p .. 's', 'count', count - old_count)
  redis.call('HINCRBY', p .. 's', 'bytes', bytes - old_bytes)

  local gone = enforce(p, policy, now)
  for i, key in ipairs(keys) do
    if gone[key] and results[i] == 'stored' then results[i] = 'dropped:evicted-unread' end
  end
  redis.call('SADD', 'fdb:sources', source)
  set_lifetime(p)
  return results
end

-- ARGV: source, number of frames, their bytes. May they come? Asked before the bytes are sent.
local function admit(keys, args)
  local p = prefix(args[1])
  local policy = policy_of(p)
  clear_expired(p, math.floor(now_us() / 1000), CLEAR)
  if makes_room(policy) then return 'admitted' end
  local count, bytes = held(p)
  if not over(policy, count + tonumber(args[2]), bytes + tonumber(args[3])) then return 'admitted' end
  if policy.policy == 'wait' then return 'refused:full' end
  count_drop(p, 'drop-newest', tonumber(args[2]))
  return 'dropped:drop-newest'
end

-- ARGV: source, number of frames, bytes needed. The server is at its maxmemory: what does the source's policy say?
local function trim(keys, args)
  local p = prefix(args[1])
  local policy = policy_of(p)
  local now_ms = math.floor(now_us() / 1000)
  local cleared = clear_expired(p, now_ms, CLEAR)
  if policy.policy == 'drop-newest' then
    count_drop(p, 'drop-newest', tonumber(args[2]))
    return 'dropped:drop-newest'
  end
  if policy.policy ~= 'drop-oldest' then return cleared > 0 and 'trimmed' or 'refused:full' end
  local needed = tonumber(args[3])
  local freed = 0
  for _ = 1, TRIM do
    if freed >= needed then break end
    local key, size = evict_oldest(p, now_ms)
    if not key then break end
    freed = freed + size
  end
  return (freed > 0 or cleared > 0) and 'trimmed' or 'refused:full'
end

-- KEYS: frames' keys. ARGV: source, reason to count them under or ''. How many there were.
local function remove(keys, args)
  local p = prefix(args[1])
  local removed, dropped = 0, 0
  for _, key in ipairs(keys) do
    local existed = redis.call('UNLINK', key)
    removed = removed + existed
    local row = redis.call('HGET', p .. 'm', key)
    if row then
      forget(p, key, row)
      dropped = dropped + existed
    end
  end
  if args[2] ~= '' and dropped > 0 then count_drop(p, args[2], dropped) end
  return removed
end

-- KEYS: frames a reader missed. ARGV: source. Rows whose bytes are gone go too.
local function repair(keys, args)
  local p = prefix(args[1])
  local now_ms = math.floor(now_us() / 1000)
  local expired = 0
  for _, key in ipairs(keys) do
    local row = redis.call('HGET', p .. 'm', key)
    if row and redis.call('EXISTS', key) == 0 then
      local expiry = redis.call('ZSCORE', p .. 'x', key)
      if expiry and tonumber(expiry) <= now_ms then expired = expired + 1 end
      forget(p, key, row)
    elseif not row then
      redis.call('ZREM', p .. 't', key)
    end
  end
  if expired > 0 then count_drop(p, 'expired', expired) end
  return expired
end

-- KEYS: frames' keys whose announcement is confirmed. ARGV: source.
local function confirm(keys, args)
  if #keys == 0 then return 0 end
  return redis.call('ZREM', prefix(args[1]) .. 'out', unpack(keys))
end

-- KEYS: frames' keys a worker holds. ARGV: source, milliseconds. An eviction meanwhile is counted as `evicted-leased`.
local function lease(keys, args)
  local p = prefix(args[1])
  local until_ms = math.floor(now_us() / 1000) + tonumber(args[2])
  local leased = 0
  for _, key in ipairs(keys) do
    local row = redis.call('HGET', p .. 'm', key)
    if row then
      redis.call('HSET', p .. 'm', key, pinned(row, until_ms))
      leased = leased + 1
    end
  end
  return leased
end

-- ARGV: source. Clears some expired rows; how many it looked at (ask again until 0).
local function expire(keys, args)
  return clear_expired(prefix(args[1]), math.floor(now_us() / 1000), CLEAR)
end

-- ARGV: source, reason, number. Frames that never reached the store.
local function count(keys, args)
  redis.call('SADD', 'fdb:sources', args[1])
  count_drop(prefix(args[1]), args[2], tonumber(args[3]))
  return 1
end

-- A server at its maxmemory refuses every function without this flag, even one that only unlinks. The index function does
-- without it: at maxmemory its SET is refused, and it must be too.
local OOM = {'allow-oom'}
redis.register_function('fdb_v1_index', index)
redis.register_function{function_name = 'fdb_v1_admit', callback = admit, flags = OOM}
redis.register_function{function_name = 'fdb_v1_trim', callback = trim, flags = OOM}
redis.register_function{function_name = 'fdb_v1_remove', callback = remove, flags = OOM}
redis.register_function{function_name = 'fdb_v1_repair', callback = repair, flags = OOM}
redis.register_function{function_name = 'fdb_v1_confirm', callback = confirm, flags = OOM}
redis.register_function{function_name = 'fdb_v1_lease', callback = lease, flags = OOM}
redis.register_function{function_name = 'fdb_v1_expire', callback = expire, flags = OOM}
redis.register_function{function_name = 'fdb_v1_count', callback = count, flags = OOM}
