"""Errors meant for the person at the keyboard. Anything else that is raised is a defect of ours."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right: the message says what is wrong, where, and what to do.

    Attributes:
        exit_status: what `glaunch` exits with: 2 for a wrong use, 1 for a job that failed.
    """

    exit_status = 2


class JobFailed(UserError):
    """A job ran, or began to run, and did not complete."""

    exit_status = 1
