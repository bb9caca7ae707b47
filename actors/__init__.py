"""MQI Communicator: an actor system that carries treatment cases to a verified dose. Start reading at ``actors/tree.py``."""
