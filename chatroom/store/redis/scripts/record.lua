-- Keep what an operator asked for. ARGV: how many are kept at least, and it, as JSON.
redis.call('XADD', 'chatroom:audit', 'MAXLEN', '~', ARGV[1], '*', 'a', ARGV[2], 't', now_ms())
return 1
