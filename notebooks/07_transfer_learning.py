# %% [markdown]
# # 7. Transfer learning
#
# A child who can read digits learns letters faster than one who has never held a pen. Networks are the same: one that
# has learned *something* about pictures needs few examples to learn the next thing. That is **transfer learning**,
# and it is how most image classifiers are made today.
#
# The networks come from **GluonCV**, MXNet's collection of them. Many can be downloaded with weights that were
# learned from a million photographs. This lab needs no network: it first teaches a network the digits 0 to 4, and
# then lets it learn 5 to 9, of which it gets only 20 pictures each.

# %%
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

# %%
import launcher
from launcher import labs, library

sys.path.insert(0, str(library.directory()))
from gluon_job import datasets

training, test = datasets.load_images({"training": str(labs.folder("mnist"))})

# %% [markdown]
# ## Pictures in folders
#
# The entry point `image_classifier` reads what most people have: picture files, in one folder for each class. So we
# write some digits as PNG files, those to train on in `train/`, others in `val/`.

# %%
place = Path(tempfile.mkdtemp())


def write(name, digits, each, each_for_scoring):
    """Writes so many pictures of each digit as PNG files."""
    for part, images, count in (("train", training, each), ("val", test, each_for_scoring)):
        for digit in digits:
            folder = place / name / part / str(digit)
            folder.mkdir(parents=True)
            for number in np.flatnonzero(images.labels == digit)[:count]:
                Image.fromarray(images.images[number, 0]).save(folder / f"{number}.png")
    return place / name


# %%
many = write("many-0-to-4", range(5), 4000 if labs.is_full() else 300, 40)
few = write("few-5-to-9", range(5, 10), 20, 60)
for folder in (many, few):
    print(folder.name, len(list((folder / "train").rglob("*.png"))), "pictures to learn from")

# %%
figure, axes = plt.subplots(1, 10, figsize=(8, 1.1))
for axis, path in zip(axes, sorted((few / "train").rglob("*.png"))[::10]):
    axis.imshow(Image.open(path), cmap="gray")
    axis.set_title(path.parent.name, fontsize=8)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## The first task
#
# The network is `cifar_resnet20_v1`, a *residual network* of 20 layers for small pictures: each pair of layers adds
# to what came in, so that deep networks can be trained at all. (`flip` would show digits mirrored, which is right for
# cats, and wrong for digits.)

# %%
network = {"network": "cifar_resnet20_v1", "image_size": 28, "flip": False, "batch_size": 32}
first = launcher.train(
    "image_classifier", {**network, "epochs": 3, "learning_rate": 0.05}, data=many, name="first-task"
)
first_accuracy = first.status.metrics["validation:accuracy"]
print(f"0 to 4: accuracy on unseen pictures {first_accuracy:.3f}")

# %% [markdown]
# Its weights are in the model:

# %%
known = place / "known"
known.mkdir()
with tarfile.open(first.model) as archive:
    (known / "digits.params").write_bytes(archive.extractfile("model-0000.params").read())
print(f"{(known / 'digits.params').stat().st_size / 1e6:.1f} MB of weights")

# %% [markdown]
# ## The second task, three ways
#
# With 20 pictures of each of 5, 6, 7, 8 and 9:
#
# - **from nothing**: the weights are random at first, as in all labs before;
# - **fine-tuned**: it begins with the weights of the first task. Only the last layer, which names the classes, is new. Everything is trained on;
# - **frozen**: the same, but only the last layer is trained. What the network sees in a picture stays what it learned from 0 to 4.

# %%
ways = {
    "from nothing": {},
    "fine-tuned": {"pretrained": "digits.params"},
    "frozen": {"pretrained": "digits.params", "freeze": True},
}
curves = {}
for name, values in ways.items():
    wanted = {**network, "batch_size": 20, "epochs": 10, "learning_rate": 0.02, **values}
    channels = {"pretrained": known} if values else {}
    run = launcher.train("image_classifier", wanted, data=few, channels=channels, name=name.replace(" ", "-"))
    curves[name] = launcher.history(run)
    print(f"{name:14}{curves[name]['validation:accuracy'][-1]:.3f}")

# %%
plt.figure(figsize=(5, 3.4))
for name, measured in curves.items():
    plt.plot(range(1, 11), measured["validation:accuracy"], marker="o", label=name)
plt.xlabel("epoch")
plt.ylabel("accuracy on unseen pictures")
plt.ylim(0, 1)
plt.legend()
plt.grid(alpha=0.3)
plt.show()

# %% [markdown]
# The networks that have seen other digits are far ahead in the first epochs, though they have never seen a 5: the
# lower layers have learned strokes, bows and corners, and those are the same in all digits. The frozen one shows how
# much of the work was done before: it learns nothing but which of the things it sees make a 7. In the end fine-tuning
# is better, as it may also learn to see what only the new digits have.
#
# The network from nothing says the same to nearly everything for some epochs. Beside its weights it has to find out
# how large its numbers usually are (the averages of *batch normalization*), which takes a hundred steps or so; the
# others know it already.
#
# ## Networks from GluonCV
#
# With a network connection, `"pretrained": True` downloads the weights that GluonCV's authors have learned: for
# `cifar_resnet20_v1` from 50,000 small photographs, for `resnet18_v1` and a hundred others from ImageNet. The cell
# does so with the full data alone.

# %%
if os.environ.get("GLAUNCH_LABS_DATA") == "full":
    wanted = {**network, "batch_size": 20, "epochs": 10, "learning_rate": 0.02, "pretrained": True}
    run = launcher.train("image_classifier", wanted, data=few, name="from-photographs")
    print(f"begun with photographs: {run.status.metrics['validation:accuracy']:.3f}")
else:
    print("not run: it downloads weights; set GLAUNCH_LABS_DATA=full")

# %% [markdown]
# ## Asking it
#
# An endpoint of this classifier takes picture files as they are. The last run was the frozen one, so it knows 5 to 9:

# %%
with launcher.deploy(run) as endpoint, endpoint.client as client:
    for path in sorted((few / "val").rglob("*.png"))[::60]:
        [answer] = client.invoke(path.read_bytes(), "image/png").decoded()["predictions"]
        print(f"{path.parent.name}: it says {answer['label']} ({answer['probability']:.0%})")

# %% [markdown]
# ## Exercises
#
# 1. Give the second task 5 pictures of each digit, then 100 (`write`). Where does *from nothing* catch up?
# 2. Turn it around: learn 5 to 9 first, then 0 to 4. Is it as good?
# 3. Take pictures of your own: two folders, a few photographs in each, `"pretrained": True`, `resnet18_v1` and an `image_size` of 224.
# 4. Fine-tune with a learning rate of 0.5. Why must it be small?
# 5. `mixup` and `label_smoothing` are for large data. Do they help here?
#
# **Back to the start:** [Lab 1](01_first_network.ipynb), or [what else there is](README.md).
