"""How a worker of a parameter server leaves: at once when it failed, and never waiting for ever when it did not.

A worker that raises prints its traceback, and then its kvstore's destructor waits for the other hosts, which wait for
it. Scripts that know nothing of this run unchanged: here their exit is seen to.
"""

import _thread
import atexit
import builtins
import os
import signal
import sys

_exit = sys.exit
_show = sys.excepthook
_main_thread = _thread.get_ident()
_status = None


def install():
    """Takes part in the exit of this process."""
    sys.exit = builtins.exit = builtins.quit = exit_and_tell
    builtins.SystemExit = _Exit  # for scripts that raise it themselves
    sys.excepthook = show_and_leave
    atexit.register(leave)  # registered first: it runs last


class _Exit(SystemExit):
    """A SystemExit that tells when nobody caught it: atexit's functions are not told the status."""

    def __del__(self, frame=sys._getframe):
        global _status
        if frame().f_back is None:  # no line of the script is running any more
            _status = self.code


def exit_and_tell(status=None):
    """sys.exit."""
    if _thread.get_ident() == _main_thread:
        raise _Exit(status)
    _exit(status)  # ends a thread, silently


def show_and_leave(*error):
    """Prints a traceback that nothing caught, and ends the process."""
    _show(*error)
    _end(1)


def leave():
    """Ends a process that asked for a status other than 0; another has a deadline for what is left."""
    if _status not in (None, 0):
        _end(_status if isinstance(_status, int) else 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(max(1, int(float(os.environ.get("GLAUNCH_FINISH_SECONDS", "120")))))


def _end(status):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 255)
