"""The vocabulary of the system: frozen messages and values, one module per conversation.

Nothing here imports anything of ours outside this package, and nothing here decides anything.
Commands are imperative, events past tense, queries ``Get…`` with ``reply_to``, answers ``…Report``.
"""
