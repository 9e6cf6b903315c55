"""What holds for all tests."""

from __future__ import annotations

import hypothesis

# No test is about time: a busy machine is no failure.
hypothesis.settings.register_profile("chatroom", deadline=None)
hypothesis.settings.load_profile("chatroom")
