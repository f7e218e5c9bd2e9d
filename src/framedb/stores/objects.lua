#!lua name=fdb_object_v1
-- Objects of many parts, under a manifest that is swapped last, and how long objects of either form live. Beside `fdb_v1` (frames.lua), under the same rules: a released
-- library is never changed or replaced, and functions never raise. Bytes never pass through here.

local LINGER_MS = 3600000 -- as in frames.lua: the index outlives its last frame by this
local READ_MS = 30000        -- a reader may go on for this long after what it reads was replaced or removed, or has expired

local function manifest_of(key) return 'fdb:large:' .. key end
local function part_of(version, number) return 'fdb:part:' .. version .. ':' .. number end
-- Who reads a version, by when that ends unless it is renewed. DOOMED stands among them once nothing leads there any more.
local function readers_of(version) return 'fdb:reading:' .. version end
local DOOMED = ''

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function hold(version, reader)
  local readers = readers_of(version)
  redis.call('ZADD', readers, string.format('%.0f', now_ms() + READ_MS), reader)
  redis.call('PEXPIRE', readers, READ_MS)
end

-- The parts of a version that nothing leads to: they go with the last of those who read them.
local function let_go(version, parts)
  local readers = readers_of(version)
  redis.call('ZREM', readers, DOOMED)
  redis.call('ZREMRANGEBYSCORE', readers, '-inf', now_ms())
  if redis.call('ZCARD', readers) > 0 then
    redis.call('ZADD', readers, '+inf', DOOMED)
    for number = 0, parts - 1 do redis.call('PEXPIRE', part_of(version, number), READ_MS, 'LT') end
  else
    redis.call('UNLINK', readers)
    for number = 0, parts - 1 do redis.call('UNLINK', part_of(version, number)) end
  end
end

local function replaced(key)
  local old = redis.call('HMGET', manifest_of(key), 'version', 'parts')
  return old[1], tonumber(old[2] or 0)
end

-- A plain value under the key, and its row.
local function forget_value(key, source)
  local p = 'fdb:' .. source .. ':'
  redis.call('UNLINK', key)
  local row = redis.call('HGET', p .. 'm', key)
  if not row then return end
  redis.call('ZREM', p .. 't', key)
  redis.call('ZREM', p .. 'x', key)
  redis.call('ZREM', p .. 'out', key)
  redis.call('HDEL', p .. 'm', key)
  redis.call('HINCRBY', p .. 's', 'count', -1)
  redis.call('HINCRBY', p .. 's', 'bytes', 0 - struct.unpack('>I8', row, 3))
end

local function set_lifetime(key, version, parts, ttl_ms)
  if ttl_ms > 0 then
    redis.call('PEXPIRE', manifest_of(key), string.format('%.0f', ttl_ms))
    local longer = string.format('%.0f', ttl_ms + READ_MS)
    for number = 0, parts - 1 do redis.call('PEXPIRE', part_of(version, number), longer) end
  else
    redis.call('PERSIST', manifest_of(key))
    for number = 0, parts - 1 do redis.call('PERSIST', part_of(version, number)) end
  end
end

-- KEYS: the object's key. ARGV: source, version, size, bytes of each part but the last, ttl in ms (-1: the source's default,
-- 0: none), details. The parts are there: from now on they are the object.
local function publish(keys, args)
  local key, source, version = keys[1], args[1], args[2]
  local size, part_bytes, ttl_ms = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local parts = math.ceil(size / part_bytes)
  for number = 0, parts - 1 do
    local expected = math.min(part_bytes, size - number * part_bytes)
    if redis.call('STRLEN', part_of(version, number)) ~= expected then return 'refused:incomplete' end
  end
  if ttl_ms < 0 then ttl_ms = (tonumber(redis.call('HGET', 'fdb:' .. source .. ':f', 'ttl_s') or 0) or 0) * 1000 end
  local old, old_parts = replaced(key)
  forget_value(key, source)
  redis.call('DEL', manifest_of(key))
  redis.call('HSET', manifest_of(key), 'version', version, 'parts', parts, 'size', args[3], 'part_bytes', args[4],
    'details', args[6])
  set_lifetime(key, version, parts, ttl_ms)
  if old and old ~= version then let_go(old, old_parts) end
  return 'stored'
end

-- ARGV: version, parts, milliseconds. They are still being written.
local function renew(keys, args)
  for number = 0, tonumber(args[2]) - 1 do redis.call('PEXPIRE', part_of(args[1], number), args[3]) end
  return 1
end

-- ARGV: version, parts. They were written in vain.
local function discard(keys, args)
  for number = 0, tonumber(args[2]) - 1 do redis.call('UNLINK', part_of(args[1], number)) end
  return 1
end

-- KEYS: the object's key. ARGV: who will read it, or ''. Its manifest and the milliseconds left to it (-1: no end), or nil.
local function look(keys, args)
  local manifest = redis.call('HMGET', manifest_of(keys[1]), 'version', 'size', 'part_bytes', 'details')
  if not manifest[1] then return nil end
  if args[1] ~= '' then hold(manifest[1], args[1]) end
  manifest[5] = redis.call('PTTL', manifest_of(keys[1]))
  return manifest
end

-- ARGV: version, reader. It goes on reading.
local function reading(keys, args)
  if redis.call('ZSCORE', readers_of(args[1]), args[2]) then hold(args[1], args[2]) end
  return 1
end

-- ARGV: version, reader, parts. It has read what it wanted.
local function done(keys, args)
  local readers = readers_of(args[1])
  redis.call('ZREM', readers, args[2])
  if redis.call('ZSCORE', readers, DOOMED) then let_go(args[1], tonumber(args[3])) end
  return 1
end

-- KEYS: objects' keys. How many of them there were.
local function remove(keys, args)
  local removed = 0
  for _, key in ipairs(keys) do
    local version, parts = replaced(key)
    if version then
      redis.call('DEL', manifest_of(key))
      let_go(version, parts)
      removed = removed + 1
    end
  end
  return removed
end

-- A plain value under the key, and what the index says of when it goes.
local function keep_value(key, source, ttl_ms)
  local p = 'fdb:' .. source .. ':'
  local indexed = redis.call('HEXISTS', p .. 'm', key) == 1
  if ttl_ms > 0 then
    local time = redis.call('TIME')
    local expiry = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + ttl_ms)
    redis.call('PEXPIREAT', key, expiry)
    if indexed then redis.call('ZADD', p .. 'x', expiry, key) end
  else
    redis.call('PERSIST', key)
    if indexed then redis.call('ZREM', p .. 'x', key) end
  end
  if not indexed then return end
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

-- KEYS: the object's key. ARGV: source, ttl in ms, 0 for none. 1 if there is one, of either form.
local function expire(keys, args)
  local key, ttl_ms = keys[1], tonumber(args[2])
  local version, parts = replaced(key)
  if version then set_lifetime(key, version, parts, ttl_ms) end
  if redis.call('EXISTS', key) == 1 then
    keep_value(key, args[1], ttl_ms)
  elseif not version then
    return 0
  end
  return 1
end

-- A full server must still be read, and emptied; the parts of what is published are there already.
local OOM = {'allow-oom'}
redis.register_function{function_name = 'fdb_object_v1_publish', callback = publish, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_renew', callback = renew, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_discard', callback = discard, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_look', callback = look, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_reading', callback = reading, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_done', callback = done, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_remove', callback = remove, flags = OOM}
redis.register_function{function_name = 'fdb_object_v1_expire', callback = expire, flags = OOM}
