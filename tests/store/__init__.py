"""Tests of chatroom.store."""
