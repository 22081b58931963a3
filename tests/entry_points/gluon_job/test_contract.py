import json
import os
import textwrap

import pytest

from gluon_job.compat import mx
from gluon_job.contract import Environment, main, read_environment
from gluon_job.errors import InputError

WHOLE = {
    "hyperparameters": {"epochs": 3, "resume": False, "hidden": [128, 64]},
    "channel_input_dirs": {"training": "/data/training", "Test-Images.v2": "/data/Test-Images.v2"},
    "hosts": ["algo-1", "algo-2"],
    "current_host": "algo-2",
    "num_gpus": 2,
    "num_cpus": 8,
    "model_dir": "/model",
    "output_data_dir": "/output/data",
    "output_dir": "/output",
    "input_data_config": {"training": {"TrainingInputMode": "File"}},
    "resource_config": {"current_host": "algo-2"},
}
SINGLE = {
    "SM_HPS": json.dumps(WHOLE["hyperparameters"]),
    "SM_CHANNELS": '["Test-Images.v2", "training"]',
    "SM_CHANNEL_TRAINING": "/data/training",
    "SM_CHANNEL_TEST-IMAGES.V2": "/data/Test-Images.v2",
    "SM_HOSTS": '["algo-1", "algo-2"]',
    "SM_CURRENT_HOST": "algo-2",
    "SM_NUM_GPUS": "2",
    "SM_NUM_CPUS": "8",
    "SM_MODEL_DIR": "/model",
    "SM_OUTPUT_DATA_DIR": "/output/data",
    "SM_OUTPUT_DIR": "/output",
    "SM_INPUT_DATA_CONFIG": json.dumps(WHOLE["input_data_config"]),
    "SM_RESOURCE_CONFIG": json.dumps(WHOLE["resource_config"]),
}


@pytest.mark.parametrize("variables", [{"SM_TRAINING_ENV": json.dumps(WHOLE)}, SINGLE], ids=["whole", "single"])
def test_the_job_is_read_from_either_form_of_the_environment(variables):
    assert read_environment(variables) == Environment(**WHOLE)


@pytest.mark.parametrize(("variable", "text", "attribute", "value"), [
    ("SM_HPS", '{"epochs": 5}', "hyperparameters", {"epochs": 5}),
    ("SM_HOSTS", '["a", "b", "c"]', "hosts", ["a", "b", "c"]),
    ("SM_CURRENT_HOST", "algo-1", "current_host", "algo-1"),
    ("SM_NUM_GPUS", "0", "num_gpus", 0),
    ("SM_NUM_CPUS", "1", "num_cpus", 1),
    ("SM_MODEL_DIR", "/elsewhere", "model_dir", "/elsewhere"),
    ("SM_OUTPUT_DATA_DIR", "/elsewhere", "output_data_dir", "/elsewhere"),
    ("SM_OUTPUT_DIR", "/elsewhere", "output_dir", "/elsewhere"),
    ("SM_INPUT_DATA_CONFIG", "{}", "input_data_config", {}),
    ("SM_RESOURCE_CONFIG", "{}", "resource_config", {}),
])  # fmt: skip
def test_a_single_variable_wins_over_the_whole(variable, text, attribute, value):
    environment = read_environment({"SM_TRAINING_ENV": json.dumps(WHOLE), variable: text})
    assert environment == Environment(**{**WHOLE, attribute: value})


def test_a_single_channel_wins_over_the_whole_under_the_name_it_was_given():
    environment = read_environment({"SM_TRAINING_ENV": json.dumps(WHOLE), "SM_CHANNEL_TEST-IMAGES.V2": "/elsewhere"})
    assert environment.channel_input_dirs == {"training": "/data/training", "Test-Images.v2": "/elsewhere"}


def test_a_channel_that_nothing_names_is_in_small_letters():
    environment = read_environment({"SM_CHANNEL_MY-DATA_2": "/data"})
    assert environment.channel_input_dirs == {"my-data_2": "/data"}


def test_with_nothing_set_the_job_is_one_host_in_the_current_directory():
    assert read_environment({}) == Environment(
        hyperparameters={},
        channel_input_dirs={},
        hosts=["algo-1"],
        current_host="algo-1",
        num_gpus=0,
        num_cpus=os.cpu_count(),
        model_dir="model",
        output_data_dir=os.path.join("output", "data"),
        output_dir="output",
        input_data_config={},
        resource_config={},
    )


@pytest.mark.parametrize("name", ["SM_TRAINING_ENV", "SM_HPS", "SM_HOSTS", "SM_NUM_GPUS", "SM_CHANNELS"])
def test_a_variable_that_is_not_json_is_named_with_what_it_holds(name):
    with pytest.raises(InputError, match=name + r" is not JSON .*'\{broken'"):
        read_environment({name: "{broken"})


@pytest.fixture
def run(run_job, tmp_path):
    """Runs the body of a script, which begins with `contract` imported; the job has one channel."""

    def run(body, hyperparameters=None, variables=None):
        script = tmp_path / "script.py"
        script.write_text("import json, sys\nfrom gluon_job import contract\n" + textwrap.dedent(body))
        channels = {"training": tmp_path}
        return run_job(tmp_path / "job", script, hyperparameters or {}, channels, variables=variables or {})

    return run


def printed(job):
    """What the script's first line said, in JSON; the job must have succeeded."""
    assert job.status == 0, job.err
    return json.loads(job.out.splitlines()[0])


def test_train_gets_the_arguments_it_declares(run, tmp_path):
    job = run("""
        def train(channel_input_dirs, current_host, num_gpus, unknown="default"):
            print(json.dumps([channel_input_dirs, current_host, num_gpus, unknown]))
        contract.main(train, lambda net, model_dir: None)
    """)
    assert printed(job) == [{"training": str(tmp_path)}, "algo-1", 0, "default"]


def test_train_with_keyword_arguments_gets_all_that_sagemaker_says(run, tmp_path):
    job = run("""
        def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
            print(json.dumps(kwargs))
        contract.main(train, lambda net, model_dir: None)
    """)
    expected = Environment(**WHOLE).arguments().keys()
    kwargs = printed(job)
    assert kwargs["current_host"] == "algo-1"
    assert kwargs["num_cpus"] == os.cpu_count()
    assert kwargs["model_dir"] == str(tmp_path / "job" / "model")
    assert kwargs["output_data_dir"] == str(tmp_path / "job" / "output" / "data")
    assert kwargs["channel_training"] == str(tmp_path)
    assert {"output_dir", "input_data_config", "resource_config"} <= kwargs.keys() <= expected


def test_hyperparameters_keep_their_types(run):
    typed = {"a": False, "b": None, "c": [128, 64], "d": {"x": [1.5, {"y": "1"}]}, "e": 10, "f": 1e-05, "g": "False"}
    job = run(
        """
        def train(hyperparameters):
            print(json.dumps(hyperparameters))
        contract.main(train, lambda net, model_dir: None)
        """,
        typed,
    )
    assert json.dumps(printed(job), sort_keys=True) == json.dumps(typed, sort_keys=True)


SAVING = """
    def train(hosts):
        return "the net"
    def save(net, model_dir):
        with open(model_dir + "/saved", "w") as file:
            file.write(net)
    contract.main(train, save)
"""


def test_the_net_is_saved_into_a_directory_that_is_made(run):
    job = run(SAVING)
    assert job.status == 0
    assert (job.model_dir / "saved").read_text() == "the net"
    assert not job.failure


def test_only_the_first_host_saves(run):
    job = run(SAVING, variables={"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-2"})
    assert job.status == 0
    assert not job.model_dir.exists()


@pytest.mark.parametrize("where", ["train", "save"])
def test_an_exception_is_in_the_failure_file_with_its_last_line_first(run, where):
    job = run(f"""
        def deep():
            raise KeyError("learning_rat\\u00e9")
        def train(hosts):
            {"deep()" if where == "train" else "return None"}
        def save(net, model_dir):
            deep()
        contract.main(train, save)
    """)
    assert job.status == 1
    first, blank, *trace = job.failure.splitlines()
    assert (first, blank) == ("KeyError: 'learning_raté'", "")
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == first
    assert 'script.py", line 5, in deep' in job.failure
    assert job.err == job.failure.split("\n\n", 1)[1]


def test_what_utf8_cannot_express_does_not_hide_the_failure(run):
    job = run("""
        def train(hosts):
            raise OSError("no file named caf\\udce9")
        contract.main(train)
    """)
    assert job.status == 1
    assert job.failure.splitlines()[0] == r"OSError: no file named caf\udce9"


def test_an_input_error_is_one_line_without_a_traceback(run):
    job = run("""
        from gluon_job.errors import InputError
        def train(hosts):
            raise InputError("epochs must be at least 1, not 0")
        contract.main(train)
    """)
    assert job.status == 1
    assert job.err == job.failure == "InputError: epochs must be at least 1, not 0\n"


def test_a_broken_environment_ends_the_job_with_one_line(run):
    job = run("contract.main(lambda hosts: None)", variables={"SM_HOSTS": "[algo-1]"})
    assert job.status == 1
    assert job.err.startswith("InputError: the environment variable SM_HOSTS is not JSON")
    assert len(job.err.splitlines()) == 1


def test_the_exit_status_a_script_chose_is_kept(run):
    job = run("""
        def train(hosts):
            sys.exit(3)
        contract.main(train)
    """)
    assert job.status == 3
    assert not job.failure


def test_without_a_save_a_gluon_net_is_exported(tmp_path, monkeypatch):
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))

    def train(hosts):
        net = mx.gluon.nn.Dense(2)
        net.initialize()
        net.hybridize()
        net(mx.nd.ones((1, 3)))
        return net

    main(train)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model-0000.params", "model-symbol.json"]
