-- End a user's sessions, all but one. ARGV: user, why, the tag of the one that goes on, text.
wake(ARGV[1], 'k', 'end', 'w', ARGV[2], 'o', ARGV[3], 't', ARGV[4])
return 1
