"""Hosts over SSH: the actors that hold the connections, and what a connection can do."""

from actors.ssh_connection.control import SshControl
from actors.ssh_connection.examining import CheckLine, Interpreter, check_host
from actors.ssh_connection.lane import SshLane
from actors.ssh_connection.link import open_link
from actors.ssh_connection.target import Target

__all__ = ["CheckLine", "Interpreter", "SshControl", "SshLane", "Target", "check_host", "open_link"]
