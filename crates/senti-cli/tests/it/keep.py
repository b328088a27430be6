"""Runs a command in a process group of its own for as long as whoever started this lives, then ends all of it and removes a folder.

In comes on the command line: the folder, then the command; on standard input: nothing, but it stays open. A line `kill` ends the group and
leaves the folder; the end of the input, which comes however the parent died, ends the group and removes the folder. Output of the command
goes where this one's goes. It ends when the command does, and the command never outlives it.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

# Ctrl-C is for the parent: the end of the input follows from it.
signal.signal(signal.SIGINT, signal.SIG_IGN)
folder, command = sys.argv[1], sys.argv[2:]
child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def end(remove):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if remove:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def watch():
    end(remove=sys.stdin.readline().strip() != "kill")


threading.Thread(target=watch, daemon=True).start()
code = child.wait()
# Ended by itself, or by the other thread, which is then about to end all.
threading.Event().wait(1.0)
print(f"the command has ended with {code}", file=sys.stderr, flush=True)
end(remove=False)
