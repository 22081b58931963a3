# %% [markdown]
# # 1. A first network
#
# In this lab you build a program that reads handwritten digits. Nobody tells it what a 7 looks like: it finds out by
# itself, from examples. You need no background: every step is explained, and you can change any cell and run it again
# with Shift+Enter.
#
# You will read the picture files by hand, look at what is in them, build a small *neural network*, train it, and
# measure how often it is right, on pictures that it has seen and, what matters more, on pictures that it has not.
#
# ## The data
#
# MNIST is a famous collection of 70,000 handwritten digits. This lab takes 5,000 of them, which come with a package
# and need no network. To use all of them, start Jupyter with the variable `GLAUNCH_LABS_DATA=full`.

# %%
import gzip

import matplotlib.pyplot as plt
import numpy as np

from launcher import labs

folder = labs.folder("mnist")
print(*sorted(path.name for path in folder.rglob("*ubyte*")), sep="\n")

# %% [markdown]
# Four files: pictures and their labels (which digit each one is), once for training and once for testing (`t10k`).
# Their format is called **IDX**, and is as simple as a format can be:
#
# | bytes | content |
# |---|---|
# | 2 | zeros |
# | 1 | the kind of the values; 8 means whole numbers from 0 to 255 |
# | 1 | the number of dimensions: 1 for a list of labels, 3 for a stack of pictures |
# | 4 for each dimension | its length, the highest byte first |
# | the rest | the values, one byte each |
#
# So a few lines read it. (Some copies are packed with gzip, which shows in the first two bytes.)


# %%
def read_idx(name):
    [path] = folder.rglob(f"{name}*")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


x_train, y_train = read_idx("train-images"), read_idx("train-labels")
x_test, y_test = read_idx("t10k-images"), read_idx("t10k-labels")
print("training:", x_train.shape, y_train.shape, "  test:", x_test.shape, y_test.shape)

# %% [markdown]
# A *shape* says how many values there are in each direction. `x_train` is a stack of pictures, each of 28 rows with
# 28 values: the brightness of each pixel, from 0 (black) to 255 (white). A picture is nothing but numbers.
#
# In the whole of MNIST the picture `x_train[5]` is a 2. The sample has other pictures in another order; there we take
# the first 2 that it has.

# %%
chosen = 5 if labs.is_full() else int(np.flatnonzero(y_train == 2)[0])
print(f"x_train[{chosen}] is a {y_train[chosen]}; some of its numbers:")
print(x_train[chosen][6:14, 8:20])
plt.figure(figsize=(2.4, 2.4))
plt.imshow(x_train[chosen], cmap="gray")
plt.title(f"x_train[{chosen}]: a {y_train[chosen]}")
plt.show()

# %% [markdown]
# People write differently. Here are ten examples of each digit:

# %%
figure, axes = plt.subplots(10, 10, figsize=(5, 5))
for digit, row in enumerate(axes):
    for picture, axis in zip(x_train[y_train == digit], row):
        axis.imshow(picture, cmap="gray")
        axis.axis("off")
plt.show()

# %% [markdown]
# ## Preparing the data
#
# Our first network takes a picture as one long row of numbers. So we **flatten** each picture: 28 rows of 28 become
# one row of 784. And we **scale** the numbers from 0...255 to 0...1, because training works best with small numbers.


# %%
def prepare(pictures):
    flat = pictures.reshape(len(pictures), 28 * 28)
    return flat.astype(np.float32) / 255


inputs, test_inputs = prepare(x_train), prepare(x_test)
print("before:", x_train.shape, x_train.dtype, x_train.min(), "to", x_train.max())
print("after: ", inputs.shape, inputs.dtype, inputs.min(), "to", inputs.max())

# %% [markdown]
# ## The network
#
# A network is made of **layers**. Each layer takes a row of numbers and makes another one of it. A **dense** layer
# has *units*; each unit multiplies every number that comes in with a **weight** of its own, and adds all of it up.
# The weights are what is learned.
#
# Between the layers stands an **activation**: `relu` turns negative numbers into 0. That is not much, but without it
# several layers could do no more than one.
#
# Ours is 784-16-16-10: 784 numbers come in, two layers of 16 units follow, and the last one has 10 units, one for
# each digit. The unit with the highest number is the answer.
#
# We use MXNet and its interface Gluon. MXNet 1.9 is older than today's numpy, and asks it for `np.bool`, a name that
# numpy has dropped since. So we put the name back before the import.

# %%
np.bool = np.bool_
import mxnet as mx
from mxnet import autograd, gluon

mx.random.seed(1)
net = gluon.nn.HybridSequential()
net.add(
    gluon.nn.Dense(16, activation="relu"),
    gluon.nn.Dense(16, activation="relu"),
    gluon.nn.Dense(10),
)
net.initialize(mx.init.Xavier())
net.hybridize()

# %%
net(mx.nd.array(inputs[:1]))  # its first picture tells it how many numbers come in
weights = sum(parameter.data().size for parameter in net.collect_params().values())
print(f"{weights} weights: (784 + 1) x 16 + (16 + 1) x 16 + (16 + 1) x 10")

# %% [markdown]
# The `+ 1` is the *bias*, a number that each unit adds to its sum.
#
# The weights are random so far, so the network can only guess, and one guess in ten is right:


# %%
def predict(rows):
    """The digit that the network takes each row for."""
    return net(mx.nd.array(rows)).asnumpy().argmax(axis=1)


def accuracy(rows, labels):
    """The share of rows that it takes for what they are."""
    return float((predict(rows) == labels).mean())


untrained_accuracy = accuracy(test_inputs, y_test)
print(f"before training {untrained_accuracy:.3f} of the test pictures are right")

# %% [markdown]
# ## Training
#
# To learn, the network looks at a **batch** of 32 pictures. The **loss** is a number that says how wrong its answers
# are: 0 would be perfect. MXNet then computes for each weight whether a little more or a little less of it would make
# the loss smaller (that is the *gradient*; `backward` computes it), and the **optimizer**, here *Adam*, moves every
# weight a little in that direction. Then comes the next batch.
#
# When all pictures had their turn, an **epoch** is over. We take ten epochs, in another order each time.

# %%
loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
learning_rate = 0.001 if labs.is_full() else 0.003  # how far a weight moves; fewer pictures need larger steps
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": learning_rate})
order = np.random.RandomState(1)


def train_one_epoch(batch_size=32):
    places = order.permutation(len(inputs))
    for begin in range(0, len(places), batch_size):
        batch = places[begin : begin + batch_size]
        with autograd.record():
            loss = loss_of(net(mx.nd.array(inputs[batch])), mx.nd.array(y_train[batch]))
        loss.backward()
        trainer.step(len(batch))


# %%
history = []
for epoch in range(1, 11):
    train_one_epoch()
    history.append((accuracy(inputs, y_train), accuracy(test_inputs, y_test)))
    print(f"epoch {epoch:2}: right on training pictures {history[-1][0]:.3f}, on unseen ones {history[-1][1]:.3f}")

# %%
plt.figure(figsize=(5, 3))
plt.plot(range(1, 11), [seen for seen, _ in history], marker="o", label="training pictures")
plt.plot(range(1, 11), [unseen for _, unseen in history], marker="o", label="unseen pictures")
plt.xlabel("epoch")
plt.ylabel("share that is right")
plt.legend()
plt.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## How good is it?
#
# The training pictures are like the exercises before an exam, and the test pictures are the exam: the network has
# never seen them. A network that does much better on the exercises than in the exam has learned them by heart instead
# of understanding them. This is called **overfitting**, and the gap between the two lines shows it.

# %%
training_accuracy, test_accuracy = history[-1]
print(f"accuracy on the training pictures: {training_accuracy:.4f}")
print(f"accuracy on unseen pictures:       {test_accuracy:.4f}")
print(f"the gap:                           {training_accuracy - test_accuracy:.4f}")

# %% [markdown]
# ## One prediction
#
# What does it say to test picture 99? `softmax` turns the ten numbers of the last layer into probabilities, which add
# up to 1.

# %%
probabilities = mx.nd.softmax(net(mx.nd.array(test_inputs[99:100]))).asnumpy()[0]
answer = int(probabilities.argmax())
figure, (left, right) = plt.subplots(1, 2, figsize=(6, 2.4))
left.imshow(x_test[99], cmap="gray")
left.axis("off")
right.bar(range(10), probabilities)
right.set(xticks=range(10), ylim=(0, 1), xlabel="digit", ylabel="probability")
plt.show()
print(f"test picture 99: it says {answer} ({probabilities[answer]:.1%}), and it is a {y_test[99]}")

# %% [markdown]
# And some that it gets wrong. Would you have known?

# %%
guesses = predict(test_inputs)
wrong = np.flatnonzero(guesses != y_test)
figure, axes = plt.subplots(1, 8, figsize=(8, 1.5))
for place, axis in zip(wrong, axes):
    axis.imshow(x_test[place], cmap="gray")
    axis.set_title(f"{y_test[place]}, it says {guesses[place]}", fontsize=7)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## The same with one line
#
# You have seen every step. From here on the labs leave the loop to `glaunch`, which trains the same network as a
# *job*: in a process of its own, much faster, and with a record that you can come back to.

# %%
import launcher

run = launcher.train(
    "mnist_mlp",
    {"hidden": [16, 16], "optimizer": "adam", "batch_size": 32, "epochs": 10, "learning_rate": learning_rate},
    data=folder,
)
job_accuracy = launcher.history(run)["validation:accuracy"][-1]
print(f"{run.status.state}: accuracy on unseen pictures {job_accuracy:.4f}")

# %% [markdown]
# In a terminal this is `glaunch run mnist_mlp -p hidden='[16, 16]' -p optimizer=adam`.
#
# ## Exercises
#
# 1. Train for 30 epochs. What happens to the two curves?
# 2. Give the hidden layers 4 units, then 128. How does the number of weights change, and how the accuracy?
# 3. Leave out `activation="relu"`. How much worse is it?
# 4. Leave out the division by 255 in `prepare`. Can you tell from the first epochs why scaling helps?
# 5. Which digit is taken for which other one most often? (`np.histogram2d(y_test, guesses, bins=10)` counts them.)
#
# **Next:** this network does not know that pixels have neighbours.
# [Lab 2](02_convolutional_network.ipynb) builds one that does.
