# %% [markdown]
# # 6. Training far away
#
# Large networks train for hours on machines that are not yours. You **submit** a job and close the laptop; later you
# look at its **log**, and when it is over you **fetch** the model. In this lab you do so with jobs on this machine,
# on one, two and three *hosts*; then with a job that is sent to SageMaker.

# %%
import os
import sys
import tarfile

import matplotlib.pyplot as plt
import numpy as np

import launcher
from launcher import labs, library

sys.path.insert(0, str(library.directory()))
from gluon_job import datasets

# %%
folder = labs.folder("mnist")

# %% [markdown]
# ## Submit and detach
#
# With `detach=True` the function returns as soon as the job has started. The job has a process of its own and needs
# neither this notebook nor your terminal. A job of two hosts is two programs here, each with its own address and its
# own directories, as if they were two machines.

# %%
values = {"epochs": 8, "log_interval": 0}
run = launcher.train("mnist_mlp", values, data=folder, hosts=2, detach=True)
print("the job is", run.status.state)

# %% [markdown]
# ## Watch the log
#
# What each host prints is kept in a file, its log. `follow` gives the lines as they come, until the job is over. (In
# a terminal: `glaunch logs -f`.)

# %%
for host, line in launcher.follow(run):
    if "Speed" not in line:
        print(host, "|", line)

# %% [markdown]
# Both hosts say how many samples are theirs (*shard*), and at the end a *digest*, a fingerprint of their weights.
# They are the same: after every batch the hosts added up their gradients with MXNet's parameter server, and took the
# same step. The first host speaks for all about accuracies.
#
# ## Come back later
#
# Everything about a job is in its folder, so another program, or you tomorrow, finds it again: `Run.find` takes the
# beginning of its name.

# %%
from launcher.run import Run

found = Run.find("mnist-mlp")
status = found.status
print(status.state, {name: value for name, value in status.metrics.items() if "accuracy" in name})
print({host: told["samples"] for host, told in status.hosts.items()})
digests = {told["digest"] for told in status.hosts.values()}
print("different digests:", len(digests))

# %% [markdown]
# ## The trained model
#
# The job leaves one file, `model.tar.gz`, as on SageMaker. In it are the network, its weights, what a client must
# know, and the code that answers requests (with the package `gluon_job`, which is left out in this list).

# %%
with tarfile.open(found.model) as archive:
    for member in archive.getmembers():
        if member.isfile() and "gluon_job" not in member.name:
            print(f"{member.size:9,}  {member.name}")

# %% [markdown]
# ## One, two, three hosts
#
# The same job on one, two and three hosts. The batch is divided among them, so all three should learn the same:

# %%
runs = {2: found}
for hosts in (1, 3):
    runs[hosts] = launcher.train("mnist_mlp", values, data=folder, hosts=hosts)
runs = dict(sorted(runs.items()))
histories = {hosts: launcher.history(one) for hosts, one in runs.items()}
for hosts, measured in histories.items():
    seen, unseen = measured["train:accuracy"][-1], measured["validation:accuracy"][-1]
    print(f"{hosts} host(s): {seen:.4f} on training pictures, {unseen:.4f} on unseen ones")

# %%
plt.figure(figsize=(5, 3))
for (hosts, measured), style in zip(histories.items(), ("-", "--", ":")):
    losses = measured["train:loss"]
    plt.plot(range(1, len(losses) + 1), losses, style, linewidth=4 - hosts + 0.5, label=f"{hosts} host(s)")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend()
plt.grid(alpha=0.3)
plt.show()

# %% [markdown]
# The lines lie on each other. How far apart are the answers? And the time, here, where the hosts share one processor:

# %%
_, test = datasets.load_images({"training": str(folder)})
pictures, labels = test.images[:1000], test.labels[:1000]
answers = {}
for hosts, one in runs.items():
    with launcher.deploy(one, f"hosts-{hosts}") as endpoint:
        answers[hosts] = endpoint.predict(pictures)
difference = max(float(np.abs(answers[1] - answers[hosts]).max()) for hosts in (2, 3))
print(f"the largest difference of any probability is {difference:.0e}")
for hosts, one in runs.items():
    print(f"{hosts} host(s): {one.status.seconds:.1f} s, with the start")

# %% [markdown]
# The difference is rounding: computers add numbers with some seven digits, and adding in another order rounds
# otherwise. (In a long training with large steps, as on all digits, such a rounding grows until single answers differ,
# as they also do when a first weight has another last digit. The accuracies stay the same but for some thousandths.)
#
# On machines of their own, more hosts would be faster as long as computing a batch takes longer than
# sending the gradients; `glaunch plan` estimates it. This network is so small that one host is best.
#
# ## The mismatched digits
#
# Which test pictures did it get wrong? Those first of which it was most certain: these are the interesting ones.

# %%
probabilities = answers[1]
guesses, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
mismatched = np.flatnonzero(guesses != labels)
mismatched = mismatched[np.argsort(-certainty[mismatched])]
figure, axes = plt.subplots(2, 10, figsize=(10, 2.8))
for place, axis in zip(mismatched, axes.ravel()):
    axis.imshow(pictures[place, 0], cmap="gray")
    axis.set_title(f"{labels[place]}, it says {guesses[place]}\n{certainty[place]:.0%}", fontsize=7)
for axis in axes.ravel():
    axis.axis("off")
plt.show()
print(f"{len(mismatched)} of {len(labels)} pictures are wrong")

# %% [markdown]
# `glaunch report` makes a page of a run with all of them, the confusion matrix and more; of several runs it makes a
# comparison.
#
# ## To SageMaker
#
# Now the job goes away for real, or nearly: to **moto**, which answers as AWS and runs nothing. It is a server here,
# since the command `glaunch` is a program of its own. The variables make AWS's tools go there, and `GLAUNCH_PROFILE`
# keeps what the lab sets apart from your own settings.

# %%
import contextlib
import io
import logging
import shlex
import subprocess

from moto.server import ThreadedMotoServer

# %%
account = os.environ.get("GLAUNCH_LABS_AWS") == "yes"
before = dict(os.environ)
os.environ.pop("FORCE_COLOR", None)  # Jupyter asks for colours, and for bars that move
if not account:
    logging.disable(logging.CRITICAL)  # moto tells of every request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    os.environ.update(AWS_ENDPOINT_URL=address, AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")
    os.environ.update(GLAUNCH_PROFILE="labs", AWS_DEFAULT_REGION="eu-west-1", AWS_EC2_METADATA_DISABLED="true")

# %% [markdown]
# This function does what you would do in a terminal. The first command makes what glaunch needs in an account: a
# bucket for data and models, and a role for the jobs. In your own account you do that once, by hand.


# %%
def glaunch(line):
    """Runs a command, and shows what it says."""
    words = ["glaunch", *shlex.split(line)]
    with contextlib.redirect_stdout(io.StringIO()):  # moto's own words
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    print(f"$ glaunch {line}\n{done.stdout}{done.stderr}")
    done.check_returncode()


if not account:
    glaunch("infra up --yes")

# %% [markdown]
# With an account of your own, set `GLAUNCH_LABS_AWS=yes`. **The job then costs money**: some cents, and `--max-cost`
# refuses one that could cost more than you say.
#
# Sending takes the same words as a job here, and `--on aws`:

# %%
job = "run mnist_mlp -p epochs=8 -p log_interval=0 --hosts 2 --name remote --on aws --max-cost 1 --max-run 600 --detach"
glaunch(job)
remote = Run.find("remote")

# %% [markdown]
# moto runs nothing. So this cell does what SageMaker would do: it runs the job somewhere (we take the run from above,
# which was the same job), and puts its lines into AWS's log service, and its model into the bucket.

# %%
import time

import boto3

from launcher.cloud import record

# %%
if not account:
    logs, now = boto3.client("logs"), int(time.time() * 1000)
    for host in found.hosts:
        stream = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": f"{remote.name}/{host}-1"}
        logs.create_log_stream(**stream)
        lines = found.log(host).read_text().splitlines()
        logs.put_log_events(**stream, logEvents=[{"timestamp": now + i, "message": m} for i, m in enumerate(lines)])
    bucket, _, prefix = record.read(remote).output.removeprefix("s3://").partition("/")
    key = f"{prefix}/{remote.name}/output/model.tar.gz"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=found.model.read_bytes())

# %% [markdown]
# From here on it is as with any job on SageMaker. The log of the second host, and the model:

# %%
glaunch(f"logs {remote.name} --host algo-2")
glaunch(f"fetch {remote.name}")

# %% [markdown]
# With its model here, the remote run is like one of this machine: it can be served, reported and resumed.

# %%
with launcher.deploy(remote, "remote") as endpoint:
    remote_answers = endpoint.predict(pictures)
remote_accuracy = float((remote_answers.argmax(axis=1) == labels).mean())
print(f"the model that was trained far away is right on {remote_accuracy:.4f}")

# %% [markdown]
# At last, what is not needed any more goes away. `glaunch sweep` lists what costs money now, and `glaunch infra down`
# removes the bucket and the role again.

# %%
glaunch("sweep --json")
if not account:
    glaunch("infra down --yes --empty")
    server.stop()
    logging.disable(logging.NOTSET)
os.environ.clear()
os.environ.update(before)

# %% [markdown]
# ## Exercises
#
# 1. Submit a job of 200 epochs, look at its log, and end it with `run.stop()`. What is its state?
# 2. Submit one with `--checkpoint-every 10` in a terminal, stop it, and go on with `glaunch run --resume`.
# 3. `--kill-after 5` kills a host on purpose. What happens to the job?
# 4. Train `mnist_cnn` on one and on two hosts. Is two hosts' disadvantage as large as for the small network?
# 5. `glaunch report` with the names of two runs compares them: which of its figures have you made by hand here?
#
# **Next:** [Lab 7](07_transfer_learning.ipynb) begins with a network that has learned something else.
