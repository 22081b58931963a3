"""SageMaker's environment in, `train()` and `save()` called, the failure file out.

The contract is that of SageMaker's MXNet containers up to MXNet 1.3: a script defines
`train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs)` and `save(net, model_dir)`. Today's
containers run the file itself and describe the job in SM_* variables
(https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md); `main` joins the two.
"""

import functools
import inspect
import json
import os
import sys
import traceback
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from gluon_job import watchdog
from gluon_job.errors import InputError


class Environment(NamedTuple):
    """What SageMaker tells a host about its job: a read-only snapshot.

    Attributes:
        hyperparameters: typed, as they were given to the job.
        channel_input_dirs: the directory of each channel.
        hosts, current_host: the names of all hosts in order, and of this one.
        num_gpus, num_cpus: of this host.
        model_dir: what is left here becomes model.tar.gz.
        output_data_dir: what is left here becomes output.tar.gz.
        output_dir: where the failure file goes.
        input_data_config, resource_config: SageMaker's own descriptions of channels and hosts.
    """

    hyperparameters: Dict[str, Any]
    channel_input_dirs: Dict[str, str]
    hosts: List[str]
    current_host: str
    num_gpus: int
    num_cpus: int
    model_dir: str
    output_data_dir: str
    output_dir: str
    input_data_config: Dict[str, Any]
    resource_config: Dict[str, Any]

    def arguments(self) -> Dict[str, Any]:
        """The keyword arguments of `train()`: every attribute, and `channel_NAME` for each channel's directory."""
        arguments = self._asdict()
        arguments.update(("channel_" + name, path) for name, path in self.channel_input_dirs.items())
        return arguments


def read_environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """The job as the SM_* variables describe it; what is missing is taken from SM_TRAINING_ENV, then a default.

    Raises:
        InputError: a variable that should hold JSON does not.
    """
    whole = _json(variables, "SM_TRAINING_ENV", {})

    def read(name: str, default: Any) -> Any:
        return _json(variables, "SM_" + name.upper(), whole.get(name, default))

    def directory(name: str, default: str) -> str:
        return variables.get("SM_" + name.upper()) or whole.get(name) or default

    hosts = read("hosts", ["algo-1"])
    output_dir = directory("output_dir", "output")
    return Environment(
        hyperparameters=_json(variables, "SM_HPS", whole.get("hyperparameters", {})),
        channel_input_dirs=_channels(variables, whole),
        hosts=hosts,
        current_host=directory("current_host", hosts[0]),
        num_gpus=read("num_gpus", 0),
        num_cpus=read("num_cpus", os.cpu_count()),
        model_dir=directory("model_dir", "model"),
        output_data_dir=directory("output_data_dir", os.path.join(output_dir, "data")),
        output_dir=output_dir,
        input_data_config=read("input_data_config", {}),
        resource_config=read("resource_config", {}),
    )


def main(train: Callable[..., Any], save: Optional[Callable[[Any, str], None]] = None) -> None:
    """Runs a script's `train()`, then on the first host its `save()`; ends the process with status 1 if one fails.

    `train` receives those of `Environment.arguments()` that it declares (all of them, if it takes `**kwargs`).
    Without a `save`, the net is saved by `artifact.save_any`.
    """
    environment = None
    try:
        environment = read_environment()
        if len(environment.hosts) > 1:
            watchdog.begin(environment.current_host, functools.partial(_write_failure, environment))
        net = train(**_accepted(train, environment.arguments()))
        guard = watchdog.current()
        if guard:
            guard.saving()
        if environment.current_host == environment.hosts[0]:
            os.makedirs(environment.model_dir, exist_ok=True)
            (save or _save_any)(net, environment.model_dir)
        if guard:
            guard.leaving()
    except InputError as error:
        _fail(environment, f"InputError: {error}", "")
    except SystemExit as end:
        if end.code:
            _leave(end.code if isinstance(end.code, int) else 1)
        raise
    except Exception:
        lines = traceback.format_exc().strip()
        _fail(environment, lines.splitlines()[-1], lines)


def _fail(environment: Optional[Environment], reason: str, details: str) -> None:
    print(details or reason, file=sys.stderr, flush=True)
    if environment is not None:
        # SageMaker shows the first 1,024 characters of the failure file: the reason comes first.
        _write_failure(environment, f"{reason}\n\n{details}" if details else reason)
    _leave(1)
    sys.exit(1)


def _leave(status: int) -> None:
    """Ends a host of several at once: leaving Python in order, a kvstore waits for hosts that wait for this one."""
    if watchdog.current():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _write_failure(environment: Environment, report: str) -> None:
    os.makedirs(environment.output_dir, exist_ok=True)
    path = os.path.join(environment.output_dir, "failure")
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(report + "\n")


def _accepted(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return dict(arguments)
    return {parameter.name: arguments[parameter.name] for parameter in parameters if parameter.name in arguments}


def _save_any(net: Any, model_dir: str) -> None:
    from gluon_job import artifact

    artifact.save_any(net, model_dir)


def _channels(variables: Mapping[str, str], whole: Mapping[str, Any]) -> Dict[str, str]:
    channels = dict(whole.get("channel_input_dirs", {}))
    prefix = "SM_CHANNEL_"
    # A variable's name is in capitals; SM_CHANNELS has the names as they were given.
    names = {name.upper(): name for name in [*channels, *_json(variables, "SM_CHANNELS", [])]}
    for variable, path in variables.items():
        if variable.startswith(prefix):
            capitals = variable[len(prefix) :]
            channels[names.get(capitals, capitals.lower())] = path
    return channels


def _json(variables: Mapping[str, str], name: str, default: Any) -> Any:
    text = variables.get(name)
    if not text:
        return default
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"the environment variable {name} is not JSON ({error}): {text[:80]!r}") from None
