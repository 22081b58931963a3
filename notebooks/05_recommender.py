# %% [markdown]
# # 5. A recommender
#
# People rate films with one to five stars. Nobody has seen all of them: of a table with a row for each person and a
# column for each film, most is empty. A **recommender** fills in the rest: what would you give to the films that you
# have not seen? The highest of these are its recommendations.
#
# The known data set for this is MovieLens 100k. Its licence allows no copies, so this lab takes ratings that were
# **generated** in the same format, and says so: no person gave them, and its films have no names but numbers. With
# `GLAUNCH_LABS_DATA=full` the real ones are downloaded from GroupLens.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np

import launcher
from launcher import labs

folder = labs.folder("movielens-100k")

# %% [markdown]
# `u.data` has a line for each rating: user, film, stars, time.

# %%
ratings = np.loadtxt(folder / "u.data", dtype=np.int64)
users, films, stars = ratings[:, 0], ratings[:, 1], ratings[:, 2]
count = len(set(users)), len(set(films))
print(f"{len(ratings):,} ratings of {count[1]:,} films by {count[0]:,} users")
print(f"{len(ratings) / (count[0] * count[1]):.1%} of the table is filled in")
print(ratings[:3])

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
left.bar(range(1, 6), np.bincount(stars, minlength=6)[1:])
left.set(xlabel="stars", ylabel="ratings", xticks=range(1, 6))
right.plot(sorted(np.bincount(films)[1:], reverse=True))
right.set(xlabel="film, the most popular first", ylabel="ratings")
plt.show()

# %% [markdown]
# A few films have most of the ratings: that is so in every shop.
#
# ## How wrong?
#
# A tenth of the ratings is held back (the jobs below hold back a tenth of their own, drawn in the same way). The
# measure is the **RMSE**, the *root of the mean of the squared errors*: about by how many stars a prediction is off.
# Two simple guesses first, which any model has to beat: the mean of all ratings, and the mean of the film.

# %%
order = np.random.RandomState(0).permutation(len(ratings))
held_back, rest = order[: len(order) // 10], order[len(order) // 10 :]


def rmse(predictions):
    return float(np.sqrt(np.mean((predictions - stars[held_back]) ** 2)))


mean = stars[rest].mean()
sums = np.bincount(films[rest], stars[rest] - mean, minlength=films.max() + 1)
film_means = mean + sums / (np.bincount(films[rest], minlength=films.max() + 1) + 5)
guesses = {"mean of all": rmse(mean), "mean of the film": rmse(film_means[films[held_back]])}
print(guesses)

# %% [markdown]
# ## Matrix factorization
#
# Give each user and each film a short list of numbers, an **embedding**. One number of a film may say how funny it
# is, and the same number of a user how much they like that. The prediction is the sum of the products, number by
# number, plus one number for the user (is it a friendly one?) and one for the film (is it a good one?). Nobody says
# what the numbers mean: they are learned, so that the known ratings come out.
#
# This is the **linear** model. We start without any measure against learning by heart:

# %%
bare = {"bayesian": False, "content": False, "regularization": 0.0, "epochs": 20, "schedule": "constant"}
runs = {"linear, bare": launcher.train("matrix_factorization", {"model": "linear", **bare}, data=folder)}
history = launcher.history(runs["linear, bare"])
plt.figure(figsize=(5, 3))
plt.plot(range(1, 21), history["train:rmse"], marker=".", label="training ratings")
plt.plot(range(1, 21), history["validation:rmse"], marker=".", label="ratings held back")
plt.xlabel("epoch")
plt.ylabel("RMSE, in stars")
plt.legend()
plt.grid(alpha=0.3)
plt.show()

# %% [markdown]
# That is **overfitting** as in a textbook: on the ratings that it learns from, the error falls on and on; on those
# held back it turns and rises. It has thousands of numbers to learn some tens of thousands of ratings by heart.
#
# ## Against learning by heart
#
# There are two remedies here. **Regularization** pulls every embedding towards zero, so that only what many ratings
# say stays. The **Bayesian** way, the default of this entry point, learns for each number also how far it can be
# trusted. And with `content`, the model also sees what is known of films and users: genres, words of the titles, age.

# %%
tried = {
    "linear, regularized": {**bare, "regularization": 0.1},
    "linear, bayesian": {"content": False},
    "linear, with content": {},
}
for name, values in tried.items():
    runs[name] = launcher.train("matrix_factorization", {"model": "linear", **values}, data=folder)

# %% [markdown]
# ## Neural models
#
# - **mlp** puts a layer with `relu` between the embedding and the product, so that a user's taste need not be a plain sum.
# - **residual** is deeper: blocks of layers, each of which *adds* to what came in. A block that is of no use learns to add nothing, so depth does less harm.
# - **dssm** knows a film by its title and genres alone. It is less exact, but it can recommend a film that nobody has rated yet.

# %%
tried = {
    "mlp": {"model": "mlp"},
    "residual, deeper": {"model": "residual", "hidden": [32, 32, 32]},
    "dssm": {"model": "dssm"},
}
for name, values in tried.items():
    runs[name] = launcher.train("matrix_factorization", values, data=folder)

# %%
found = {name: launcher.history(run) for name, run in runs.items()}
print(f"{'':24}{'training':>10}{'held back':>11}")
for name, guess in guesses.items():
    print(f"{name:24}{'':10}{guess:11.4f}")
for name, measured in found.items():
    print(f"{name:24}{measured['train:rmse'][-1]:10.4f}{measured['validation:rmse'][-1]:11.4f}")
best = min(found, key=lambda name: found[name]["validation:rmse"][-1])
best_rmse = found[best]["validation:rmse"][-1]
print("the best of these:", best)

# %% [markdown]
# No model gets to zero, nor could one: people do not give the same stars twice. (In the generated ratings that noise
# is known: 0.6 stars, and rounding to whole stars on top.) A small difference between two models says little. On the
# real MovieLens 100k the best published results are at 0.89 to 0.91 on its first split; `docs/results_recommender.md`
# compares.
#
# ## Asking it
#
# The endpoint of a recommender speaks JSON. What would it recommend to a user? (Films that the user has rated are
# left out.)

# %%
person = int(users[0])
with launcher.deploy(runs["linear, with content"], "films") as endpoint, endpoint.client as client:

    def ask(question):
        return json.loads(client.invoke(json.dumps(question).encode()).body)

    recommended = ask({"user": person, "k": 5})["items"]
    popular = int(np.bincount(films).argmax())
    similar = ask({"similar_to": popular, "k": 5})
    stranger = ask({"user": "somebody new", "k": 3})

# %%
print(f"for user {person}:")
for item in recommended:
    print(f"  {item['rating']:.2f} stars  {item['title']}")
print("like", similar["similar_to"]["title"])
for item in similar["items"]:
    print(f"  {item['similarity']:.2f}  {item['title']}")
print("for somebody new:", [item["title"] for item in stranger["items"]], "-", stranger["note"])

# %% [markdown]
# **Similar** films are those whose embeddings point in the same direction: people who like one like the other. Do
# they have genres in common? The files say:

# %%
rows = [line.split("|") for line in (folder / "u.item").read_text("latin-1").splitlines()]
genres = {int(row[0]): {number for number, flag in enumerate(row[5:]) if flag == "1"} for row in rows}


def shared(first, second):
    """What share of the genres of two films both have."""
    return len(genres[first] & genres[second]) / max(1, len(genres[first] | genres[second]))


near = np.mean([shared(popular, int(item["item"])) for item in similar["items"]])
any_two = np.mean([shared(popular, film) for film in genres if film != popular])
print(f"genres in common: {near:.2f} with the similar films, {any_two:.2f} with any film")

# %% [markdown]
# ## Without stars
#
# Most people give no stars. They watch, or do not: that is **implicit feedback**. There are no bad ratings to learn
# from, only what was not chosen, so for each film that was chosen, some are drawn that were not: **negative
# sampling**. The model learns to tell the chosen ones from the drawn ones.
#
# The measure is another one, too: of each user some choices are hidden. Are they among the first ten that the model
# recommends (**recall**), and how far up (**NDCG**, 1 would be all on top)?

# %%
values = {"feedback": "implicit", "negatives": 4, "epochs": 10, "k": 10}
implicit = launcher.train("matrix_factorization", values, data=folder)
measured = launcher.history(implicit)
ndcg = measured["validation:ndcg"]
print(
    f"NDCG@10 {ndcg[0]:.3f} after one epoch, {ndcg[-1]:.3f} at the end; recall@10 {measured['validation:recall'][-1]:.3f}"
)

# %% [markdown]
# ## Exercises
#
# 1. Give the bare linear model 5 factors, then 100 (`"factors"`). What happens to the two curves?
# 2. `"patience": 3` stops when the ratings held back have not become better for three epochs. Where does the bare model stop?
# 3. How does the error depend on how many ratings a user has given? `glaunch report` has a figure of it.
# 4. Draw 1 and 16 negatives instead of 4. What does it cost, and what does it bring?
# 5. Ask the `dssm` run for films similar to one that few people have rated.
#
# **Next:** in [Lab 6](06_remote_training.ipynb) training goes on without you, far away.
