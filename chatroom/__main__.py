"""``python -m chatroom`` is the ``chatroom`` command."""

from chatroom.terminal.main import main

if __name__ == "__main__":
    main()
