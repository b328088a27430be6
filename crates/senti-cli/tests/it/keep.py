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
import time

folder, command = sys.argv[1], sys.argv[2:]
child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
ending = threading.Lock()


def end(remove):
    # Whoever comes second must not cut off the first in the middle of removing.
    ending.acquire()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if remove:
        # What was killed may take a moment to go, and write until then.
        for _ in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(0.1)
    os._exit(0)


def watch():
    end(remove=sys.stdin.readline().strip() != "kill")


# Ctrl-C is for the parent: the end of the input follows from it. `timeout` and a closing terminal tell the whole group to go, and only this
# process can still end the command then: by another thread, which waits its turn, because this one may hold the lock.
signal.signal(signal.SIGINT, signal.SIG_IGN)
for word in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(word, lambda *_: threading.Thread(target=end, args=[True], daemon=True).start())
threading.Thread(target=watch, daemon=True).start()
code = child.wait()
# Ended by itself, or by another thread, which is then about to end all.
threading.Event().wait(1.0)
if not ending.locked():
    print(f"the command has ended with {code}", file=sys.stderr, flush=True)
end(remove=False)
