"""``python -m chatroom`` is the ``chatroom`` command."""

from chatroom.client.main import main

if __name__ == "__main__":
    main()
