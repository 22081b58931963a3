"""Gives numpy back the names that scripts for AWS's image use: that image has a numpy older than 1.20.

Python imports this module at its start wherever this directory is on PYTHONPATH.
"""

import os
import sys

# Removed in numpy 1.24, and deprecated from 1.20 on; mxnet 1.9.1 itself says numpy.bool.
_ALIASES = {
    "bool": bool,
    "complex": complex,
    "float": float,
    "int": int,
    "long": int,
    "object": object,
    "str": str,
    "unicode": str,
}


class _NumpyFinder:
    """Finds numpy as the other finders do, and adds the aliases each time that its module has been executed."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "numpy":
            return None
        spec = _find_spec(name, path, target)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        execute = spec.loader.exec_module

        def execute_and_restore(module):
            execute(module)
            _restore(module)

        spec.loader.exec_module = execute_and_restore
        return spec


def _find_spec(name, path, target=None):
    for finder in sys.meta_path:
        if finder is not _NumpyFinder and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
    return None


def _restore(numpy):
    # Set in the module, a name is found before numpy's own __getattr__ warns of it or refuses it.
    for name, value in _ALIASES.items():
        vars(numpy).setdefault(name, value)


def _run_shadowed():
    """Runs the sitecustomize that Python would have found without this directory."""
    here = os.path.realpath(os.path.dirname(__file__))  # another name of this directory may be on the path too
    spec = _find_spec(__name__, [entry for entry in sys.path if os.path.realpath(entry) != here])
    if spec is None or not hasattr(spec.loader, "exec_module"):
        return
    from importlib.util import module_from_spec  # costs milliseconds, and is seldom needed

    module = module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)


sys.meta_path.insert(0, _NumpyFinder)
if "numpy" in sys.modules:
    _restore(sys.modules["numpy"])
_run_shadowed()
if os.environ.get("DMLC_ROLE") == "worker":
    import worker_exit

    worker_exit.install()
