# %% [markdown]
# # 4. Off-centre digits
#
# The networks of the last labs are right on 92 to 98 of 100 test pictures. Then somebody draws a 3 into a corner, and
# they say 5. In this lab you measure how bad it is, compare the convolutional network *LeNet* with the dense one, and
# teach both by **augmentation**: by showing each picture a little differently every time.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import launcher
from launcher import labs, library

sys.path.insert(0, str(library.directory()))
from gluon_job import datasets, distortion

folder = labs.folder("mnist")

# %% [markdown]
# ## Two networks
#
# The dense one is called *multilayer perceptron*, MLP for short. LeNet has two convolutions with pooling, 20 and 50
# filters of 5 x 5, and then a dense layer of 512 units; Yann LeCun built the first of its kind around 1990, to read
# cheques.

# %%
runs = {
    "MLP": launcher.train("mnist_mlp", {"epochs": 10}, data=folder, name="mlp"),
    "LeNet": launcher.train("mnist_cnn", {"architecture": "lenet", "epochs": 6}, data=folder, name="lenet"),
}
for name, run in runs.items():
    print(f"{name:8}{run.status.metrics['validation:accuracy']:.4f}")

# %% [markdown]
# ## Shifted and rotated
#
# All digits of MNIST were put into the middle of their pictures, and most stand upright. We take the test pictures
# and move them, by 0 to 8 pixels (to the right, down, left and up in turn), or turn them, by 0 to 45 degrees, and ask
# again.

# %%
_, test = datasets.load_images({"training": str(folder)})
images, labels = test.images[:500], test.labels[:500]
shifts, degrees = (0, 1, 2, 3, 4, 6, 8), (0, 15, 30, 45)
figure, axes = plt.subplots(2, 7, figsize=(7.5, 2.4))
for axis, pixels in zip(axes[0], shifts):
    axis.imshow(distortion.shifted(images[:1], pixels)[0, 0], cmap="gray")
    axis.set_title(f"{pixels} pixels", fontsize=8)
for axis, angle in zip(axes[1], degrees):
    axis.imshow(distortion.rotated(images[:1], angle)[0, 0], cmap="gray")
    axis.set_title(f"{angle}°", fontsize=8)
for axis in axes.ravel():
    axis.axis("off")
plt.show()


# %%
def examine(run):
    """The share that is right: for each shift, and for each angle."""
    with launcher.deploy(run) as endpoint:

        def accuracy(pictures):
            return float((endpoint.predict(pictures).argmax(axis=1) == labels).mean())

        return (
            [accuracy(distortion.shifted(images, pixels)) for pixels in shifts],
            [accuracy(distortion.rotated(images, angle)) for angle in degrees],
        )


found = {name: examine(run) for name, run in runs.items()}


# %%
def draw():
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    for name, (by_shift, by_angle) in found.items():
        style = "--" if "+" in name else "-"
        left.plot(shifts, by_shift, style, marker="o", label=name)
        right.plot(degrees, by_angle, style, marker="o")
    left.set(xlabel="shifted by pixels", ylabel="share that is right", ylim=(0, 1.02))
    right.set(xlabel="turned by degrees")
    left.legend(fontsize=8)
    plt.show()


draw()

# %% [markdown]
# Four pixels, a seventh of the picture, are enough to ruin both, the MLP faster. Its weights belong to places: it has
# learned that a 3 has ink *here* and *there*. LeNet's windows find a stroke wherever it is, and pooling forgives a
# pixel or two. But the dense layer behind them has seen strokes in the middle alone.
#
# ## Draw one yourself
#
# The endpoint of a digit classifier has a page to draw on. This cell starts one and gives its address; open it in a
# browser, draw a digit in the middle, then one in a corner, and see the probabilities change.

# %%
endpoint = launcher.deploy(runs["LeNet"], "drawing")
print("open", endpoint.url)

# %% [markdown]
# ![The page: a digit drawn by hand on the left, and the probabilities of the ten digits](../docs/images/page.png)
#
# The page also asks about what you drew moved and turned, and shows where the answer changes. It can centre what you
# draw before it is sent, as the makers of MNIST did. Switch that off to see what the network sees.
#
# If you cannot open it, here is a digit that is drawn by the program: the same strokes of a 3, in the middle and in
# the lower left corner.

# %%
from PIL import Image, ImageDraw


def three(right, down):
    """A 3 as from a broad pen, uint8 (1, 28, 28)."""
    paper = Image.new("L", (280, 280))
    strokes = [(95, 70), (145, 60), (180, 85), (165, 120), (125, 135), (175, 155), (185, 195), (145, 220), (90, 210)]
    ImageDraw.Draw(paper).line([(x + 10 * right, y + 10 * down) for x, y in strokes], fill=255, width=22, joint="curve")
    return np.asarray(paper.resize((28, 28)))[None]


drawn = np.stack([three(0, 0), three(-6, 5)])

# %%
for where, row in zip(("middle", "corner"), endpoint.predict(drawn)):
    print(f"in the {where}: it says {row.argmax()} with {row.max():.1%}; it gives the 3 {row[3]:.1%}")
endpoint.remove()
figure, axes = plt.subplots(1, 2, figsize=(3.6, 1.8))
for axis, picture in zip(axes, drawn):
    axis.imshow(picture[0], cmap="gray")
    axis.axis("off")
plt.show()

# %% [markdown]
# ## Augmentation
#
# A network learns what it is shown. So we show it more: in each epoch, every picture is **shifted** by up to some
# pixels, **rotated** by up to some degrees, and **bent** as rubber would be (*elastic*), each time anew. The digit
# stays the same digit, so its label stays right, and four thousand pictures become as many as there are epochs for.
#
# The entry points do this with the hyperparameter `augment`. What comes of it:

# %%
sys.path.insert(0, str(library.directory()))
from gluon_job import augment

amounts = {"augment_shift": 6.0, "augment_rotate": 25.0, "augment_elastic": 1.2}
figure, axes = plt.subplots(3, 10, figsize=(8, 3.2))
for row, kind in zip(axes, ("shift", "rotate", "elastic")):
    task = augment.AugmentedImages((images[:1], labels[:1]), {**amounts, "augment": [kind], "seed": 1})
    for epoch, axis in enumerate(row):
        axis.imshow(task.samples(epoch)[0][0, 0], cmap="gray")
        axis.axis("off")
    row[0].set_title(kind, fontsize=9, loc="left")
plt.show()

# %%
varied = {"augment": ["shift", "rotate", "elastic"], **amounts}
runs["MLP + augment"] = launcher.train("mnist_mlp", {"epochs": 20, **varied}, data=folder, name="mlp-augment")
runs["LeNet + augment"] = launcher.train(
    "mnist_cnn",
    {"architecture": "lenet", "epochs": 8, "learning_rate": 0.02, **varied},
    data=folder,
    name="lenet-augment",
)
for name in ("MLP + augment", "LeNet + augment"):
    found[name] = examine(runs[name])
draw()

# %% [markdown]
# LeNet learns it. The MLP learns it too, but pays: for it a 3 in a corner has nothing to do with a 3 in the middle,
# so its units are now divided among all places.
#
# ## What it costs
#
# The pictures have to be made, and the task is harder, so it takes more epochs. And on pictures that *are* in the
# middle, a network without much room does worse than before (the MLP); LeNet does not.

# %%
print(f"{'':16}{'as they are':>12}{'4 pixels':>10}{'8 pixels':>10}{'30 degrees':>12}{'epochs':>8}")
for name, (by_shift, by_angle) in found.items():
    epochs = len(launcher.history(runs[name])["train:accuracy"])
    print(f"{name:16}{by_shift[0]:12.3f}{by_shift[4]:10.3f}{by_shift[-1]:10.3f}{by_angle[2]:12.3f}{epochs:8}")

# %% [markdown]
# How long did each take? That depends on your machine, and on what else it does:

# %%
for name, run in runs.items():
    speed = np.median(launcher.history(run)["train:samples_per_second"])
    print(f"{name:16}{run.status.seconds:6.0f} s; {speed:8,.0f} pictures a second while training")

# %% [markdown]
# And the 3 in the corner?

# %%
with launcher.deploy(runs["LeNet + augment"]) as endpoint:
    taught = endpoint.predict(drawn)
for where, row in zip(("middle", "corner"), taught):
    print(f"in the {where}: it says {row.argmax()} with {row.max():.1%}")

# %% [markdown]
# ## Adam against SGD
#
# The last question of this lab has nothing to do with places. **SGD** moves all weights by the same rate times their
# gradients; **Adam** keeps for each weight an average of its gradients and of their squares, and takes steps of about
# the same length everywhere. Which is better? We let LeNet learn clothes (Fashion-MNIST; of it 4,000 pictures, unless
# you take the full data), once with each.

# %%
import tempfile
from pathlib import Path

from launcher import idx

clothes = labs.folder("fashion-mnist")
parts = datasets.load_images({"training": str(clothes)})
sample = Path(tempfile.mkdtemp())
counts = (60000, 10000) if labs.is_full() else (4000, 1000)
for prefix, part, count in zip(("train", "t10k"), parts, counts):
    idx.write(sample / f"{prefix}-images-idx3-ubyte", part.images[:count, 0])
    idx.write(sample / f"{prefix}-labels-idx1-ubyte", part.labels[:count].astype(np.uint8))
print(clothes.name, [len(part.images[:count]) for part, count in zip(parts, counts)])

# %%
optimizers = {"adam": {"learning_rate": 0.001}, "sgd": {"learning_rate": 0.02}}
curves = {}
for name, values in optimizers.items():
    run = launcher.train("mnist_cnn", {"optimizer": name, "epochs": 6, **values}, data=sample, name=f"lenet-{name}")
    curves[name] = launcher.history(run)
    print(
        f"{name:6}{curves[name]['train:accuracy'][-1]:.4f} on training pictures, "
        f"{curves[name]['validation:accuracy'][-1]:.4f} on unseen ones"
    )

# %%
plt.figure(figsize=(5, 3))
for name, measured in curves.items():
    plt.plot(range(1, 7), measured["validation:accuracy"], marker="o", label=name)
plt.xlabel("epoch")
plt.ylabel("accuracy on unseen pictures")
plt.legend()
plt.grid(alpha=0.3)
plt.show()

# %% [markdown]
# Adam needs less care with its rate and is fast in the first epochs; SGD with a rate that suits the network often
# ends as high or higher. A fair comparison tries several rates for each.
#
# ## Exercises
#
# 1. Which of the three kinds of augmentation helps most against rotation, and which against shifts? Train LeNet with one kind at a time.
# 2. Train the augmented MLP with `hidden` of `[512, 256]`. Does it catch up?
# 3. Shifting by more than six pixels cuts digits off. What does `augment_shift` of 12 do to the accuracy in the middle?
# 4. Compare Adam and SGD at three rates each.
# 5. Draw ten digits as you write them. Which network would you take?
#
# **Next:** pictures are not all there is. [Lab 5](05_recommender.ipynb) recommends films.
