"""What is behind SageMaker's own words, and the next step of each."""

from __future__ import annotations

import pytest

from launcher.cloud import causes

QUOTA = (
    "ResourceLimitExceeded: The account-level service limit 'ml.p3.2xlarge for training job usage' is 0 Instances, "
    "with current utilization of 0 Instances and a request delta of 1 Instances."
)
SCRIPT = (
    'AlgorithmError: ExecuteUserScriptError:\nExitCode {0}\nErrorMessage ""\nCommand "python3.8 x.py", exit code: {0}'
)


CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different type."
DOWNLOAD = "ClientError: Data download failed:"
IMAGE = (
    "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."
)


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (QUOTA, "Service Quotas"),
        (CAPACITY, "another --instance-type"),
        ("ClientError: SageMaker was unable to assume the role 'arn:aws:iam::1:role/x'", "`glaunch infra up`"),
        ("Could not assume role arn:x. Please ensure that the role exists", "`glaunch infra up`"),
        (f"{DOWNLOAD}PermanentRedirect (301): The bucket is in this region: us-east-1", "in the job's region"),
        (f"{DOWNLOAD}NoSuchBucket (404): The specified bucket does not exist", "a bucket is not"),
        (f"{DOWNLOAD}No S3 objects found under S3 URL", "`glaunch upload`"),
        (f"{DOWNLOAD}Unable to download object s3://b/x (AccessDenied: Access Denied)", "a policy of your own"),
        (IMAGE, "--framework-version"),
        (SCRIPT.format(137), "an --instance-type with more memory"),
        ("ClientError: Please use an instance type with more memory, or reduce the size of the data", "more memory"),
        ("OSError: [Errno 28] No space left on device", "--volume-size"),
        ("MaxWaitTimeExceeded: it took longer than its max_wait", "--max-wait"),
        ("MaxRuntimeExceeded: it ran longer than its max_run", "--max-run"),
        ("Interrupted: Managed spot training job interrupted", "--checkpoint-every"),
        ("InternalServerError: We encountered an internal error. Please try again.", "send the job again"),
        ("ThrottlingException: Rate exceeded", "in some minutes"),
    ],
)
def test_each_usual_cause_has_its_next_step(said, step):
    assert step in causes.hint(said)


@pytest.mark.parametrize("said", ["", "stopped", SCRIPT.format(1), "ValueError: 404 images, 403 labels, 137 classes"])
def test_what_tells_of_no_usual_cause_has_no_advice(said):
    assert causes.hint(said) == ""
