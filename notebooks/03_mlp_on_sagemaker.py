# %% [markdown]
# # 3. A network on SageMaker
#
# Amazon SageMaker rents machines by the second: you send a script and data, it starts a machine (or a hundred), runs
# the script, keeps the model, and stops the machine. It can also *serve* the model: an **endpoint** answers requests
# over the internet.
#
# Before anything runs there, some minutes pass, and each costs. So in this lab you do it three times: first **here**,
# where SageMaker's own Python library is made to work with this machine; then against **moto**, which answers as AWS
# does but runs nothing, to see what would be sent; and, if you have an account and want to pay for it, on **AWS**.

# %%
import logging
import os
import sys

import launcher
from launcher import labs, library
from launcher.run import Run

logging.disable(logging.WARNING)  # the SDK tells much that is of no use here, such as that there is a version 3
os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
folder = labs.folder("mnist")

# %% [markdown]
# ## The script
#
# A script for SageMaker is an ordinary Python file that keeps to a **contract**: it has a function `train`, which is
# given everything that differs from job to job, and a function `save`, which writes the model. Let us read one that
# comes with glaunch, `mnist_mlp.py`. It begins with the values that it accepts, the *hyperparameters*:

# %%
script = library.directory() / "mnist_mlp.py"
text = script.read_text()


def show(first, end):
    """Prints the script from one mark to the next."""
    print(text[text.index(first) : text.index(end)].rstrip())


show("HYPERPARAMETERS = {", "LEARNING_RATES")

# %% [markdown]
# Each has its default, a sentence of help, and limits. A value out of them ends the job in its first second, and not
# after an hour.
#
# Next, the network, as in lab 1, but for any number of layers:

# %%
show("def build", "def train")

# %% [markdown]
# And `train`:

# %%
show("def train", "if __name__")

# %% [markdown]
# Line by line:
#
# | line | what it does |
# |---|---|
# | `def train(channel_input_dirs, ...` | the contract. SageMaker copies the data to each machine and says where it is: `channel_input_dirs["training"]` is a directory. `hyperparameters` are yours; `hosts` are the names of the machines, `algo-1`, `algo-2`, ...; `num_gpus` is how many GPUs each has; `kwargs` has what is left, such as `current_host`, the name of this machine |
# | `values = parse(...)` | checks the hyperparameters, and fills in the defaults |
# | `if values["learning_rate"] is None` | each optimizer has a usual rate |
# | `datasets.load_images` | reads the IDX files of lab 1, and checks them |
# | `net = build(values)` | the network, with nothing learned |
# | `cluster.Cluster(hosts, ...)` | joins the machines together: see below |
# | `datasets.is_sharded` | whether each machine has its own part of the files, or all have all |
# | `cluster.contexts`, `checkpoint.of_this_job` | the GPUs, or the processor; where to keep what a restarted job goes on from |
# | `augment.task` | whether the pictures are varied while training: lab 4 |
# | `fit(...)` | the loop of lab 1: batches, gradients, steps |
# | `net.input_shape, ...`, `return net` | what `save` needs to write the model so that it can be served |
#
# The last lines, `contract.main(train, save)`, start it all when SageMaker runs the file.
#
# ## Several machines: the kvstore
#
# When several machines train one network, each computes the gradient of its part of a batch, and the parts must be
# added up before the weights move. MXNet calls the thing that does so a **kvstore**, and there are four, of which the
# script chooses one:

# %%
cluster = (library.directory() / "gluon_job" / "cluster.py").read_text()
print(cluster[cluster.index("def kvstore_type") : cluster.index("def contexts")].rstrip())

# %% [markdown]
# `local` adds on one processor, `device` on the GPUs of one machine. `dist_sync` sends the parts over the network,
# and all machines wait until the sum is there: the result is what one machine would get. (`dist_device_sync` does the
# same for GPUs.)
#
# ## First here
#
# `local_mode` makes SageMaker's library, the *SDK*, work with this machine: what it would start on AWS is started
# here as a process. The rest of the program does not know.

# %%
mode = launcher.local_mode()
mode.start()

import sagemaker
from sagemaker.mxnet import MXNet

session = sagemaker.Session()
uri = session.upload_data(str(folder), key_prefix="labs/mnist")
print("uploaded to", uri)

# %% [markdown]
# **Upload**: jobs on AWS read their data from S3, AWS's storage. An address there begins with `s3://` and the name of
# a *bucket*. Here the bucket is a folder.
#
# **Estimator**: SageMaker's word for a job that is described and not yet started. It names the script and the files
# beside it, the *role* (the permissions that the job has), how many machines of which kind, and the hyperparameters.


# %%
def describe(role, **changes):
    """The job of this lab; `changes` are hyperparameters."""
    return MXNet(
        entry_point=script.name,
        source_dir=str(script.parent),
        role=role,
        instance_count=changes.pop("instance_count", 1),
        instance_type="ml.m5.large",
        framework_version="1.9.0",
        py_version="py38",
        hyperparameters={"epochs": 5, "log_interval": 0, **changes},
    )


# %% [markdown]
# **Fit** runs it. What you see below are the lines that the script prints.

# %%
estimator = describe("a-role-that-nobody-asks-for")
estimator.fit({"training": uri})

# %% [markdown]
# What it measured stays with the job, as on SageMaker. (And the job is a run, as those of `glaunch`, which we come
# back to.)

# %%
job = session.sagemaker_client.describe_training_job(TrainingJobName=estimator.latest_training_job.name)
measured = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
mnist_accuracy = measured["validation:accuracy"]
model = Run.find(estimator.latest_training_job.name).model
print(job["TrainingJobStatus"], {name: value for name, value in measured.items() if "accuracy" in name})

# %% [markdown]
# **Deploy** starts an endpoint, **predict** asks it, and **delete** ends it. An endpoint on AWS costs money every
# hour, whether anybody asks or not; deleting it is part of the work.

# %%
sys.path.insert(0, str(library.directory()))
from sagemaker.deserializers import NumpyDeserializer
from sagemaker.serializers import NumpySerializer

from gluon_job import datasets

training, test = datasets.load_images({"training": str(folder)})
predictor = estimator.deploy(1, "ml.t2.medium", serializer=NumpySerializer(), deserializer=NumpyDeserializer())
probabilities = predictor.predict(test.images[:1000])
predictor.delete_endpoint()
answers = probabilities.argmax(axis=1)
print("the first ten are taken for", answers[:10], "and are", test.labels[:10])
served_accuracy = (answers == test.labels[:1000]).mean()
print(f"{served_accuracy:.4f} of {len(answers)} are right")

# %% [markdown]
# The endpoint says the same as the job did at its end.
#
# ## Clothes
#
# **Fashion-MNIST** has the same form, and pictures of clothes instead of digits. It is harder: a shirt and a coat
# look much alike. Besides the data, only the learning rate changes: it is lower, and falls further along half a wave of
# a cosine. (If the clothes are not on this machine, and you do not ask for the full data, digits are taken again.)

# %%
clothes = labs.folder("fashion-mnist")
clothes_uri = session.upload_data(str(clothes), key_prefix="labs/clothes")
epochs = 10 if labs.is_full() else 2
estimator = describe("a-role-that-nobody-asks-for", epochs=epochs, learning_rate=0.05, schedule="cosine")
estimator.fit({"training": clothes_uri}, logs="None")
metrics = estimator.latest_training_job.describe()["FinalMetricDataList"]
clothes_accuracy = {metric["MetricName"]: metric["Value"] for metric in metrics}["validation:accuracy"]
print(f"{clothes.name}: accuracy on unseen pictures {clothes_accuracy:.4f}")

# %%
mode.stop()

# %% [markdown]
# `stop` ends what local mode has started, and gives the SDK back as it was.
#
# ## Then against moto
#
# **moto** is a program that answers as AWS does: it takes the requests, remembers what it was told, and runs nothing.
# With it we see what would be sent, and that AWS's library finds no fault with it. From `start` on, all that AWS's
# libraries send goes to moto, inside this process.

# %%
from moto import mock_aws

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
moto = mock_aws()
moto.start()

# %% [markdown]
# The same cells again. Only the session is another one, and it talks to moto; a role has an address on AWS too, its
# *ARN*.

# %%
ROLE = "arn:aws:iam::123456789012:role/labs"
session = sagemaker.Session()
uri = session.upload_data(str(folder), key_prefix="labs/mnist")
estimator = describe(ROLE, instance_count=2)
estimator.fit({"training": uri}, wait=False)
request = estimator.latest_training_job.describe()
print("uploaded to", uri)
print(request["ResourceConfig"])
print(request["AlgorithmSpecification"]["TrainingImage"])
print({name: value for name, value in request["HyperParameters"].items() if not name.startswith("sagemaker")})

# %% [markdown]
# That is what AWS would do: start two machines, load the image with MXNet 1.9 onto each, copy the data there, and run
# the script with these hyperparameters.
#
# moto has trained nothing, so there is no model. We put one where the job would have left it, and deploy that: the
# requests are made for a model, a configuration and an endpoint. Then we delete them, and look whether anything is
# left that would cost money.

# %%
bucket, _, key = estimator.model_data.removeprefix("s3://").partition("/")
session.boto_session.client("s3").put_object(Bucket=bucket, Key=key, Body=model.read_bytes())
predictor = estimator.deploy(1, "ml.t2.medium", wait=False)
client = session.sagemaker_client
print([one["EndpointName"].rpartition("-20")[0] for one in client.list_endpoints()["Endpoints"]], "is there")
predictor.delete_model()
predictor.delete_endpoint()
left = client.list_endpoints()["Endpoints"] + client.list_models()["Models"]
print("left:", left)

# %%
moto.stop()

# %% [markdown]
# ## And on AWS
#
# These cells do nothing unless you say so: **they cost money**, some cents. Set the variable `GLAUNCH_LABS_ROLE` to
# the ARN of a role that SageMaker may use (`glaunch infra up` makes one, and a bucket), have credentials where AWS's
# tools find them, and run the notebook again.

# %%
role = os.environ.get("GLAUNCH_LABS_ROLE")
if role:
    session = sagemaker.Session()
    uri = session.upload_data(str(folder), key_prefix="labs/mnist")
    estimator = describe(role)
    estimator.fit({"training": uri})
else:
    print("not run: GLAUNCH_LABS_ROLE is not set")

# %%
if role:
    predictor = estimator.deploy(1, "ml.t2.medium", serializer=NumpySerializer(), deserializer=NumpyDeserializer())
    try:
        print((predictor.predict(test.images[:100]).argmax(axis=1) == test.labels[:100]).mean())
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()

# %% [markdown]
# The same without the SDK is one command, and one word makes the difference: `glaunch run mnist_mlp` here, `glaunch
# run mnist_mlp --on aws` there. It tells beforehand what it may cost.
#
# ## The challenges
#
# Three questions that the original of this lab asks, tried here. First: more layers, wider ones, other
# **activations**?

# %%
tried = {
    "128, 64, relu": {},
    "16, 16, relu": {"hidden": [16, 16]},
    "128, 64, tanh": {"activation": "tanh"},
    "128, 64, sigmoid": {"activation": "sigmoid"},
}
for name, values in tried.items():
    run = launcher.train("mnist_mlp", {"epochs": 5, **values}, data=folder)
    tried[name] = run.status.metrics["validation:accuracy"]
    print(f"{name:20}{tried[name]:.4f}")

# %% [markdown]
# `sigmoid` learns slowly, as its slope is small everywhere, and smaller still through several layers.
#
# Second: **how many machines?** The batch is divided among them, so the result is the same but for rounding. Whether
# it is faster depends on how long computing takes beside sending the gradients. Here the "machines" are processes
# that share one processor, so more of them cannot be faster; what you see is that they agree.

# %%
accuracies = {}
for hosts in (1, 2):
    run = launcher.train("mnist_mlp", {"epochs": 5}, data=folder, hosts=hosts)
    accuracies[hosts] = run.status.metrics["validation:accuracy"]
print(accuracies)

# %% [markdown]
# `glaunch plan mnist_mlp --hosts 4` estimates how a job would scale on SageMaker's machines.
#
# ## Exercises
#
# 1. Find hyperparameters that reach 0.95 on the sample (or 0.98 on all digits). `describe` takes any of them.
# 2. Give a hyperparameter a wrong name. Who notices, when, and what would it have cost on AWS?
# 3. Which kvstore would a job on four machines with a GPU each take?
# 4. Run the fashion job for ten epochs. Which clothes does it mix up? Lab 2 has the confusion matrix.
# 5. Set `instance_count=2` in the first job, and read the lines of both hosts.
#
# **Next:** a network that is right on the test pictures can be helpless with your own handwriting. [Lab 4](04_cnn_and_off_centre_digits.ipynb) finds out why, and what helps.
