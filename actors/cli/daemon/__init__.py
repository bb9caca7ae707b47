"""The daemon as a process: its lock, what is examined before it starts, its signals, its end."""
