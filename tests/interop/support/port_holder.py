"""A parent that holds a listener and gives it to each hub that it starts, as systemd's socket units do.

Its arguments are the hub's command. It writes the port on stdout, then does what stdin says, a word a line: `start`, `kill` (SIGKILL),
`stop` (SIGTERM). It answers each with the same word once that is done, and ends a hub that runs when stdin ends.
"""

import os
import signal
import socket
import sys

FIRST_GIVEN = 3


def start(listener, command):
    process = os.fork()
    if process:
        return process
    os.dup2(listener.fileno(), FIRST_GIVEN)
    os.set_inheritable(FIRST_GIVEN, True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execve(command[0], command, environment)


def end(process, how):
    os.kill(process, how)
    os.waitpid(process, 0)


def main(command):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    process = None
    for line in sys.stdin:
        word = line.strip()
        if word == "start":
            process = start(listener, command)
        else:
            end(process, signal.SIGKILL if word == "kill" else signal.SIGTERM)
            process = None
        print(word, flush=True)
    if process:
        end(process, signal.SIGKILL)


main(sys.argv[1:])
