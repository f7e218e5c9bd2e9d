-- One entry is kept, and the oldest go until all fit again. Values are plain strings that expire by themselves; `due` says when
-- each does, `sizes` what it takes, `bytes` what all take. Entries that the server itself evicted are found here in their turn.
-- ARGV: prefix, owner, name, value, ttl in ms, bound in bytes.
local prefix, owner, name, value = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ttl, bound = tonumber(ARGV[5]), tonumber(ARGV[6])
local due, sizes, bytes = prefix .. 'due', prefix .. 'sizes', prefix .. 'bytes'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = #owner .. ':' .. owner .. name

local function drop(each)
    local digits = string.find(each, ':', 1, true)
    local of = string.sub(each, digits + 1, digits + tonumber(string.sub(each, 1, digits - 1)))
    redis.call('UNLINK', prefix .. 'entry:' .. each)
    redis.call('SREM', prefix .. 'owner:' .. of, each)
    redis.call('ZREM', due, each)
    local size = redis.call('HGET', sizes, each)
    if size then
        redis.call('HDEL', sizes, each)
        redis.call('DECRBY', bytes, size)
    end
end

drop(id)
for _, each in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 64)) do
    drop(each)
end
local size = #value + #id + 256
if size > bound then
    return 0
end
while tonumber(redis.call('GET', bytes) or 0) + size > bound do
    local oldest = redis.call('ZRANGE', due, 0, 0)
    if #oldest == 0 then
        redis.call('DEL', bytes, sizes)
        break
    end
    drop(oldest[1])
end
redis.call('SET', prefix .. 'entry:' .. id, value, 'PX', ttl)
redis.call('HSET', sizes, id, size)
redis.call('INCRBY', bytes, size)
redis.call('ZADD', due, now + ttl, id)
redis.call('SADD', prefix .. 'owner:' .. owner, id)
for _, each in ipairs({due, sizes, bytes, prefix .. 'owner:' .. owner}) do
    redis.call('PEXPIRE', each, ttl + 3600000)
end
return 1
