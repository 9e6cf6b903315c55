"""What holds for all tests."""

from __future__ import annotations

import signal

import hypothesis

# No test is about time: a busy machine is no failure.
hypothesis.settings.register_profile("chatroom", deadline=None)
hypothesis.settings.load_profile("chatroom")

# What a shell starts in the background ignores Ctrl-C, what nohup starts ignores a hang-up, and so
# would all that the tests start: they send both to see what is done about them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
