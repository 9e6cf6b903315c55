-- Make a token void if it is that account's. ARGV: its key, id.
if redis.call('HGET', ARGV[1], 'user') == ARGV[2] then redis.call('UNLINK', ARGV[1]) end
return 1
