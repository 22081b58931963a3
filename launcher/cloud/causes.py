"""What is usually behind a job that SageMaker refuses, fails or stops, and what to do about it.

The texts are SageMaker's own, in FailureReason, in the secondary status or in the error of a call.
"""

from __future__ import annotations

import re

_CAUSES = {
    r"ResourceLimitExceeded|account-level service limit": (
        "the quota of the account is too small: ask for more under Service Quotas, SageMaker, in the AWS console, or "
        "take another --instance-type or fewer --hosts"
    ),
    r"CapacityError|InsufficientInstanceCapacity|InsufficientCapacity": (
        "AWS has no such machines free in this region now: try again later, or with another --instance-type"
    ),
    r"unable to assume the role|[Cc]ould not assume role|sts:AssumeRole": (
        "SageMaker cannot use the role: `glaunch infra show` tells whether it is there, `glaunch infra up` mends the "
        "stack"
    ),
    r"PermanentRedirect|IllegalLocationConstraint|AuthorizationHeaderMalformed|(different|another|same) region": (
        "a bucket is in another region than the job: copy the data to a bucket in the job's region"
    ),
    r"NoSuchBucket|bucket does not exist": (
        "a bucket is not there: `glaunch show RUN` lists the channels, `glaunch infra show` the stack's own bucket"
    ),
    r"No S3 objects found|NoSuchKey|Not Found|[Nn]o such key": (
        "nothing is at that place in S3: `glaunch show RUN` lists the channels, `glaunch upload` brings data there"
    ),
    r"AccessDenied|[Aa]ccess [Dd]enied|is not authorized to perform": (
        "the job's role may not do that: it reaches the stack's bucket only. For another bucket or a key attach a "
        "policy of your own to it"
    ),
    r"[Cc]annot pull|[Cc]annot find the requested image|[Ii]nvalid training image|image does not exist": (
        "AWS has no such image in this region, or the role may not pull it: see --framework-version, and `glaunch plan "
        "SCRIPT --on aws` for its name"
    ),
    r"exit code: 137|ExitCode (137|-9)\b|OutOfMemory|[Oo]ut of [Mm]emory|more memory|MemoryError|bad_alloc": (
        "the memory ran out: a smaller batch_size, or an --instance-type with more memory"
    ),
    r"No space left on device|Errno 28|disk space": (
        "the disk of a host is full: give --volume-size more GiB, or --input-mode FastFile"
    ),
    r"MaxWaitTimeExceeded": (
        "spot machines were not to be had for long enough: give a longer --max-wait, another --instance-type, or no "
        "--spot; with --checkpoint-every, `glaunch run --resume RUN` goes on from the last checkpoint"
    ),
    r"MaxRuntimeExceeded": (
        "give a longer --max-run; with --checkpoint-every, `glaunch run --resume RUN` goes on from the last checkpoint"
    ),
    r"Interrupted|[Ss]pot (instance|capacity)": (
        "AWS took the spot machines away: with --checkpoint-every and a longer --max-wait the job goes on by itself"
    ),
    r"InternalServerError|internal error": "a fault inside AWS: send the job again; --retries N does so by itself",
    r"ThrottlingException|Rate exceeded|SlowDown": (
        "AWS is slowing the account down: send the job again in some minutes"
    ),
    r"SageMaker has no such job": "`glaunch rm RUN` deletes what is left of it here",
}


def hint(text: str) -> str:
    """What to do about a cause that the text tells of; "" where it tells of none that is known here."""
    return next((advice for pattern, advice in _CAUSES.items() if re.search(pattern, text)), "")
