-- End a user's sessions, all but one. ARGV: user, reason, the tag of the one that stays, text.
wake(ARGV[1], 'k', 'end', 'w', ARGV[2], 'o', ARGV[3], 't', ARGV[4])
return 1
