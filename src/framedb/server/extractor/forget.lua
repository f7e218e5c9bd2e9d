-- Every entry of an owner goes; answers how many. ARGV: prefix, owner.
local prefix = ARGV[1]
local owned = prefix .. 'owner:' .. ARGV[2]
local all = redis.call('SMEMBERS', owned)
for _, each in ipairs(all) do
    redis.call('UNLINK', prefix .. 'entry:' .. each)
    redis.call('ZREM', prefix .. 'due', each)
    local size = redis.call('HGET', prefix .. 'sizes', each)
    if size then
        redis.call('HDEL', prefix .. 'sizes', each)
        redis.call('DECRBY', prefix .. 'bytes', size)
    end
end
redis.call('DEL', owned)
return #all
