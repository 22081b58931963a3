import pytest

from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter, did_you_mean, parse

ACCEPTED = {
    "epochs": Hyperparameter(10, "passes over the data", low=1),
    "seed": Hyperparameter(1, "of the first weights", low=0, high=100),
    "learning_rate": Hyperparameter(0.1, "of the optimizer", above=0),
    "momentum": Hyperparameter(0.9, "of sgd", low=0, high=1),
    "shuffle": Hyperparameter(True, "whether the order changes"),
    "optimizer": Hyperparameter("sgd", "how the weights move", choices=["sgd", "adam", "rmsprop"]),
    "activation": Hyperparameter(None, "of the hidden layers", kind=str),
    "name": Hyperparameter("net", "of the network", optional=True),
    "hidden": Hyperparameter([128, 64], "units of each layer", low=1),
    "layers": Hyperparameter(None, "a network of your own", kind=[dict]),
    "options": Hyperparameter({}, "of the optimizer"),
}


def test_what_is_not_given_has_its_default():
    assert parse({}, ACCEPTED) == {name: parameter.default for name, parameter in ACCEPTED.items()}


@pytest.mark.parametrize(("name", "given", "value"), [
    ("epochs", 3, 3),
    ("epochs", 10.0, 10),  # a tuner sends this
    ("seed", 0, 0),
    ("seed", 100, 100),
    ("learning_rate", 1, 1.0),
    ("learning_rate", 1e-300, 1e-300),
    ("momentum", 0, 0.0),
    ("momentum", 1, 1.0),
    ("shuffle", False, False),
    ("optimizer", "adam", "adam"),
    ("activation", None, None),
    ("activation", "relu", "relu"),
    ("name", None, None),
    ("hidden", [], []),
    ("hidden", [16, 16.0], [16, 16]),
    ("layers", None, None),
    ("layers", [{"type": "dense"}], [{"type": "dense"}]),
    ("options", {"wd": 0.1}, {"wd": 0.1}),
])  # fmt: skip
def test_a_value_of_the_accepted_type_and_range_is_taken(name, given, value):
    taken = parse({name: given}, ACCEPTED)[name]
    assert (taken, type(taken)) == (value, type(value))
    if isinstance(value, list):
        assert [type(item) for item in taken] == [type(item) for item in value]


@pytest.mark.parametrize(("name", "given", "message"), [
    ("epochs", 0, r"hyperparameter epochs must be at least 1, not 0"),
    ("epochs", -1, r"epochs must be at least 1, not -1"),
    ("epochs", 1.5, r"epochs is a whole number, not 1\.5"),
    ("epochs", "10", r"epochs is a whole number, not '10'"),
    ("epochs", True, r"epochs is a whole number, not True"),
    ("epochs", None, r"epochs is a whole number, not None"),
    ("epochs", [1], r"epochs is a whole number, not \[1\]"),
    ("epochs", float("inf"), r"epochs is a whole number, not inf"),
    ("seed", 101, r"seed must be at most 100, not 101"),
    ("learning_rate", 0, r"learning_rate must be greater than 0, not 0"),
    ("learning_rate", -0.1, r"learning_rate must be greater than 0, not -0\.1"),
    ("learning_rate", "0.1", r"learning_rate is a number, not '0\.1'"),
    ("learning_rate", False, r"learning_rate is a number, not False"),
    ("learning_rate", float("nan"), r"learning_rate must be a finite number, not nan"),
    ("learning_rate", float("inf"), r"learning_rate must be a finite number, not inf"),
    ("momentum", 1.01, r"momentum must be at most 1, not 1\.01"),
    ("shuffle", 1, r"shuffle is true or false, not 1"),
    ("shuffle", "False", r"shuffle is true or false, not 'False'"),
    ("optimizer", "adamm", r"optimizer is one of sgd, adam, rmsprop, not 'adamm' \(did you mean 'adam'\?\)"),
    ("optimizer", "lamb", r"optimizer is one of sgd, adam, rmsprop, not 'lamb'$"),
    ("optimizer", 1, r"optimizer is a string, not 1"),
    ("optimizer", None, r"optimizer is a string, not None"),
    ("hidden", 128, r"hidden is a list such as \[128, 64\], not 128"),
    ("hidden", "[128, 64]", r"hidden is a list such as \[128, 64\], not '\[128, 64\]'"),
    ("hidden", None, r"hidden is a list such as \[128, 64\], not None"),
    ("hidden", [128, 0], r"hidden\[1\] must be at least 1, not 0"),
    ("hidden", ["128"], r"hidden\[0\] is a whole number, not '128'"),
    ("layers", "lenet", r"layers is a list, not 'lenet'"),
    ("layers", [{}, "dense"], r"layers\[1\] is an object, not 'dense'"),
    ("options", [], r"options is an object, not \[\]"),
])  # fmt: skip
def test_a_value_that_cannot_be_used_is_named_with_what_is_accepted(name, given, message):
    with pytest.raises(InputError, match=message):
        parse({name: given}, ACCEPTED)


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    with pytest.raises(InputError) as error:
        parse({"epoch": 3}, ACCEPTED)
    assert str(error.value) == (
        "unknown hyperparameter 'epoch' (did you mean 'epochs'?); accepted: "
        "activation, epochs, hidden, layers, learning_rate, momentum, name, optimizer, options, seed, shuffle"
    )


def test_names_of_sagemaker_itself_are_passed_over():
    assert parse({"_tuning_objective_metric": "accuracy"}, ACCEPTED) == parse({}, ACCEPTED)


def test_nothing_is_suggested_when_no_name_is_near():
    assert not did_you_mean("xyz", ACCEPTED)
