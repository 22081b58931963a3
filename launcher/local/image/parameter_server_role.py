"""Plays the scheduler or a server of MXNet's parameter server, as DMLC_ROLE says; returns when the job is over.

In AWS's image `import mxnet` does that. But MXNet's library plays these roles alone, and is loaded in a fraction of the
time that importing the package around it takes: a server needs that only when it is sent an optimizer.
"""

import ctypes
import importlib.util
import os
import sys

_CONTROLLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def main():
    """Plays the role; SystemExit with MXNet's message if it cannot."""
    library, handle, answers = _load(), ctypes.c_void_p(), []

    def answer(command, body, argument):
        if not answers:
            answers.append(_controller(handle))
        answers[0](command, body, argument)

    _check(library, library.MXKVStoreCreate(b"dist", ctypes.byref(handle)))
    _check(library, library.MXKVStoreRunServer(handle, _CONTROLLER(answer), None))


def _load():
    """MXNet's library, found as the package finds it."""
    directory = importlib.util.find_spec("mxnet").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("mxnet_libinfo", os.path.join(directory, "libinfo.py"))
    libinfo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(libinfo)
    library = ctypes.CDLL(libinfo.find_lib_path()[0])
    library.MXGetLastError.restype = ctypes.c_char_p
    return library


def _check(library, status):
    if status != 0:
        sys.exit(library.MXGetLastError().decode("utf-8", "replace"))


def _controller(handle):
    """What the package's server does with a message of a worker, such as the optimizer it shall use from now on."""
    role = os.environ["DMLC_ROLE"]
    os.environ["DMLC_ROLE"] = "worker"  # otherwise the import would begin to play the role once more
    try:
        from mxnet.kvstore.kvstore import KVStore
        from mxnet.kvstore.kvstore_server import KVStoreServer
    finally:
        os.environ["DMLC_ROLE"] = role
    return KVStoreServer(KVStore(handle))._controller()


if __name__ == "__main__":
    main()
