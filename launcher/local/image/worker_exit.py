"""How a worker of a parameter server leaves: at once when it failed, and never waiting for ever when it did not.

A worker that raises prints its traceback, and then its kvstore's destructor waits for the other hosts, which wait for
it. Scripts that know nothing of this run unchanged: here their exit is seen to.
"""

import atexit
import os
import signal
import sys

_exit = sys.exit
_show = sys.excepthook
_status = None


def install():
    """Takes part in the exit of this process."""
    sys.exit = exit_and_remember
    sys.excepthook = show_and_leave
    atexit.register(leave)  # registered first: it runs last


def exit_and_remember(status=None):
    """sys.exit, which atexit's functions are not told the status of."""
    global _status
    _status = status
    _exit(status)


def show_and_leave(*error):
    """Prints a traceback that nothing caught, and ends the process."""
    _show(*error)
    _end(1)


def leave():
    """Ends a process that asked for a status other than 0; another has a deadline for what is left."""
    if _status not in (None, 0):
        if not isinstance(_status, int):
            print(_status, file=sys.stderr)
        _end(_status if isinstance(_status, int) else 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(max(1, int(float(os.environ.get("GLAUNCH_FINISH_SECONDS", "120")))))


def _end(status):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 255)
