"""MQI Communicator: an actor system that carries treatment cases to a verified dose; ``actors/tree.py`` is its page."""
