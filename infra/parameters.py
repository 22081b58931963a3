"""The parameters of the stack."""

from __future__ import annotations

from launcher.cloud.aws import Aws, readable
from launcher.errors import UserError
from launcher.infra.state import State

DEFAULTS = {"RunDays": "90", "LogDays": "30", "Budget": "0", "BudgetEmail": ""}
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def parameters(
    aws: Aws,
    state: State | None,
    run_days: int | None = None,
    log_days: int | None = None,
    budget: int | None = None,
    budget_email: str | None = None,
) -> dict[str, str]:
    """The parameters to bring the stack up with: what is given, else what it has, else DEFAULTS.

    Args:
        aws: access to the account.
        state: of the stack.
        run_days: days that runs are kept.
        log_days: days that log lines are kept: one of RETENTIONS.
        budget: US dollars a month, 0 for no alarm.
        budget_email: who is told.

    Raises:
        UserError: a budget without an address; what `readable` raises.
    """
    given = {"RunDays": run_days, "LogDays": log_days, "Budget": budget, "BudgetEmail": budget_email}
    before = {**DEFAULTS, **(state.parameters if state else {})}
    found = {key: before[key] if value is None else str(value) for key, value in given.items()}
    if found["Budget"] != "0" and not found["BudgetEmail"]:
        raise UserError("a budget needs the address of whom to tell: add --budget-email")
    # The log group of training jobs belongs to the account: it is ours to make only where it is missing.
    is_made = bool(state and "TrainingLogGroup" in state.resources)
    found["TrainingLogs"] = "make" if is_made or not _has_training_logs(aws) else "leave"
    return found


def _has_training_logs(aws: Aws) -> bool:
    with readable("the log groups"):
        found = aws.client("logs").describe_log_groups(logGroupNamePrefix=TRAINING_LOGS)["logGroups"]
    return any(group["logGroupName"] == TRAINING_LOGS for group in found)
