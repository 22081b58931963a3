"""The `SM_*` variables and the arguments that SageMaker's containers give a script, made from the same files.

They equal what AWS's `sagemaker-training` makes of the files under `input/config`, name by name.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Hyperparameters that are the platform's own, and never reach the script.
_PLATFORM = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "sagemaker_s3_output",
        "default_user_module_name",
        "_tuning_objective_metric",
    }
)
_PREFIX = "sagemaker_"  # the others of this kind are settings of the framework's container
_GPU_QUERY_SECONDS = 30.0  # a driver that is not loaded yet takes seconds to answer


def variables(
    base: Path,
    *,
    hyperparameters: Mapping[str, str],
    resources: Mapping[str, Any],
    inputs: Mapping[str, Any],
    framework_module: str,
) -> dict[str, str]:
    """Every `SM_*` variable of the host whose `/opt/ml` is `base`.

    Args:
        base: an absolute directory.
        hyperparameters: the content of hyperparameters.json: JSON texts by name.
        resources: the content of resourceconfig.json.
        inputs: the content of inputdataconfig.json.
        framework_module: what the image starts, as `module:function`.
    """
    values = {name: json.loads(text) for name, text in hyperparameters.items()}
    own = {name: value for name, value in values.items() if _is_own(name)}
    framework = {name: v for name, v in values.items() if name.startswith(_PREFIX) and name not in _PLATFORM}
    channels = {name: str(base / "input" / "data" / name) for name in inputs}
    arguments = command_line_arguments(own)

    hosts = resources["hosts"]
    groups = {group["instance_group_name"]: group for group in resources["instance_groups"]}
    group = resources["current_group_name"]
    # The parameter server is the one kind of distribution that exists here.
    distributed = [group] if framework.get("sagemaker_parameter_server_enabled") else []
    program = values["sagemaker_program"]

    shared = {
        "hosts": hosts,
        "network_interface_name": resources["network_interface_name"],
        "user_entry_point": program,
        "resource_config": resources,
        "input_data_config": inputs,
        "output_data_dir": str(base / "output" / "data"),
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": group,
        "current_instance_group_hosts": groups[group]["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "distribution_instance_groups": distributed,
        "is_hetero": False,
        "module_name": program.removesuffix(".py"),
        "log_level": values["sagemaker_container_log_level"],
        "framework_module": framework_module,
        "input_dir": str(base / "input"),
        "input_config_dir": str(base / "input" / "config"),
        "output_dir": str(base / "output"),
        "num_cpus": multiprocessing.cpu_count(),
        "num_gpus": num_gpus(),
        "num_neurons": 0,
        "model_dir": str(base / "model"),
        "module_dir": values["sagemaker_submit_directory"],
        "output_intermediate_dir": str(base / "output" / "intermediate"),
    }
    training = {
        **shared,
        "additional_framework_parameters": framework,
        "channel_input_dirs": channels,
        "distribution_hosts": hosts if distributed else [],
        "hyperparameters": own,
        "is_master": resources["current_host"] == hosts[0],
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": values["sagemaker_job_name"],
        "master_hostname": hosts[0],
        "topology": [],
    }
    named = {
        **shared,
        "hps": own,
        "framework_params": framework,
        "channels": sorted(channels),
        "training_env": training,
        "user_args": arguments,
        **{f"channel_{name}": path for name, path in channels.items()},
        **{f"hp_{name}": value for name, value in own.items()},
    }
    return {f"SM_{name.upper()}": _text(value) for name, value in named.items()}


def command_line_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """The hyperparameters as a script in script mode gets them: `--name value`, `-n value`, sorted by name.

    Values are Python's texts of what their JSON says (`True`, `[1, 2]`, a string as it is), None is empty, and a
    dictionary is `key=value,key=value`.
    """
    arguments = []
    for name, value in sorted(json.loads(json.dumps(dict(hyperparameters))).items()):
        if not _is_own(name):
            continue
        if isinstance(value, dict):
            text = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        else:
            text = "" if value is None else str(value)
        dashes = "--" if len(name) > 1 else "-"
        arguments += [dashes + name if name else "", text]
    return arguments


def _is_own(name: str) -> bool:
    return not name.startswith(_PREFIX) and name not in _PLATFORM


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def num_gpus() -> int:
    """How many GPUs the driver of this machine lists."""
    command = ["nvidia-smi", "--list-gpus"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True, timeout=_GPU_QUERY_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith(b"GPU ") for line in listing.split(b"\n"))
