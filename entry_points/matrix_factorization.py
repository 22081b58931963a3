"""A recommender: matrix factorization of ratings, or of choices, with or without layers on top.

    glaunch run matrix_factorization --data movielens-100k -p split=u1
    glaunch run matrix_factorization --data movielens-1m -p feedback=implicit -p negatives=4

The channel `training` holds MovieLens 100k (`u.data`), MovieLens 1M (`ratings.dat`) or CSV files of user, item and
rating, with ids of any kind; without data, it learns from generated ratings. `model` is `linear` (the inner product of
two embeddings), `mlp` (embedding, relu, dense, product), `residual` (blocks of layers that add to the embedding) or
`dssm` (an item is no more than what describes it, so that new ones can be recommended). The endpoint answers JSON:

    {"user": 196, "k": 10}
    {"pairs": [[196, 242], [196, 302]]}
    {"similar_to": 242, "k": 5}
"""

from gluon_job import (
    checkpoint,
    cluster,
    contract,
    datasets,
    export,
    feedback,
    rating_files,
    ratings,
    recommend,
    recommender,
)
from gluon_job.fit import HYPERPARAMETERS as FIT_HYPERPARAMETERS
from gluon_job.fit import fit
from gluon_job.hyperparameters import Hyperparameter, parse

FEEDBACK = {"explicit": feedback.Explicit, "implicit": feedback.Implicit}
HYPERPARAMETERS = {
    **FIT_HYPERPARAMETERS,
    **recommender.HYPERPARAMETERS,
    **export.HYPERPARAMETERS,
    "feedback": Hyperparameter(
        "explicit", "learn the ratings, or (implicit) that there are any", choices=sorted(FEEDBACK)
    ),
    "negatives": Hyperparameter(4, "of implicit feedback: items not chosen, for each that was", low=1),
    "threshold": Hyperparameter(None, "of implicit feedback: ratings below it are no choice", kind=float),
    "k": Hyperparameter(10, "of implicit feedback: how many items NDCG and recall look at", low=1),
    "split": Hyperparameter(
        None, "MovieLens 100k's own training and test ratings", kind=str, choices=list(rating_files.SPLITS)
    ),
    "holdout": Hyperparameter(
        0.1, "share of the ratings held back where there are no others to score", low=0, high=0.9
    ),
    "optimizer": FIT_HYPERPARAMETERS["optimizer"]._replace(default="adam"),
    "batch_size": FIT_HYPERPARAMETERS["batch_size"]._replace(
        default=None, kind=int, help="samples a step, of all hosts together; by default 2000, or all if they are fewer"
    ),
    "epochs": FIT_HYPERPARAMETERS["epochs"]._replace(default=30),
    "schedule": FIT_HYPERPARAMETERS["schedule"]._replace(default="cosine"),
}
BATCH_SIZE = 2000
LEARNING_RATES = {"sgd": 0.1, "adam": 0.03, "rmsprop": 0.01}


def prepare(values, files):
    """The data, the task and the untrained net; the values that follow from others and from the data are set."""
    data = ratings.load(files, values["split"], values["holdout"], values["seed"])
    task = FEEDBACK[values["feedback"]](data, values)
    if values["learning_rate"] is None:
        values["learning_rate"] = LEARNING_RATES[values["optimizer"]]
    if values["batch_size"] is None:
        values["batch_size"] = min(BATCH_SIZE, len(task.training[1]))
    return data, task, recommender.Recommender(data, values, task.mean)


def outline(values, channel_input_dirs):
    """What would be trained, for a plan: the untrained net, the number of samples and the shape of one, a pair."""
    _, task, net = prepare(values, rating_files.read(channel_input_dirs))
    pairs = task.training[0]
    return net, len(pairs), pairs.shape[1:]


def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    """Trains on the channel `training`; scores on `validation`, a split's test ratings, or a share held back."""
    values = parse(hyperparameters, HYPERPARAMETERS)
    files = rating_files.read(channel_input_dirs)
    several = cluster.Cluster(hosts, kwargs.get("current_host", hosts[0]), num_gpus)
    if datasets.is_sharded(kwargs.get("input_data_config", {})):
        files["training"] = rating_files.gather(several, files["training"])
    data, task, net = prepare(values, files)
    if several.is_first:
        print(f"Data: {len(data.training.values)} ratings of {len(data.items)} items by {len(data.users)} users")
    devices, checkpoints = cluster.contexts(num_gpus), checkpoint.of_this_job()
    fit(net, task.training, task.validation, values, devices, several, False, checkpoints, task)
    net.task, net.data, net.require_onnx = task, data, values["require_onnx"]
    return net


def save(net, model_dir):
    """Writes the artifact: the vectors of users and items as a net, ids and titles, who rated what, and ONNX."""
    arrays = {name: parameter.list_data()[0] for name, parameter in net.collect_params().items()}
    task = net.task
    recommend.save(model_dir, task.tables(arrays), net.data, task.known, task.identity["feedback"])
    export.after_training(model_dir, task.training[0][: export.COMPARED], net.require_onnx)


def model_fn(model_dir):
    """The trained recommender, for an endpoint."""
    return recommend.Recommender(model_dir)


def transform_fn(model, data, input_content_type, output_content_type):
    """Answers one request: a user's recommendations, items similar to one, or the ratings of pairs."""
    return recommend.transform(model, data, input_content_type, output_content_type)


if __name__ == "__main__":
    contract.main(train, save)
