"""Logs: lines of the containers' files, found, followed, handed on."""
