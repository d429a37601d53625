"""However they run, networks say the same."""

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from morse.provenance import processor, without_cores
from morse.runtime.execution import EXECUTIONS, _replayed, executable, executions, executions_of, save_execution


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 1, 3, padding=1))


def test_eager_is_the_network_itself(network):
    assert executable(network, "eager") is network


@pytest.mark.filterwarnings("ignore")  # of the compiler's own
def test_compiled_networks_say_what_eager_ones_do_at_every_batch_size(network):
    class Caller:  # Dash is no module, but a callable that holds one
        def __call__(self, x, t):
            return network(x) + t[:, None, None, None]

    torch.compiler.reset()
    counters.clear()
    compiled = executable(Caller(), "compiled")
    with torch.inference_mode():
        for size in (4, 3):
            x, t = torch.randn(size, 1, 8, 8), torch.arange(float(size))
            torch.testing.assert_close(compiled(x, t), Caller()(x, t), rtol=1e-5, atol=1e-5)
    assert counters["stats"]["unique_graphs"] == 2  # one of each size, none left to run eagerly


def test_outputs_of_a_graph_outlive_its_next_replay():
    memory = torch.zeros(3)

    def graph(x):
        return memory.copy_(x)

    run = _replayed(graph)
    first, second = run(torch.ones(3)), run(torch.full((3,), 2.0))
    assert first.tolist() == [1.0] * 3 and second.tolist() == [2.0] * 3


def test_only_a_gpu_replays_graphs():
    assert executions("cpu") == ["eager", "compiled"] and executions("cuda:0") == list(EXECUTIONS)


@pytest.mark.filterwarnings("ignore")  # of the compiler's own
def test_a_missing_compiler_is_one_line(network):
    torch.compiler.reset()
    without = torch._inductor.config.patch({"cpp.cxx": (None, "/nowhere/g++"), "force_disable_caches": True})
    message = r"needs a C\+\+ compiler, and torch finds none; install g\+\+ .* or set execution: eager"
    with without, pytest.raises(ValueError, match=message) as error:
        executable(network, "compiled")(torch.randn(2, 1, 8, 8))
    assert "\n" not in str(error.value)


def test_other_errors_of_a_compiled_network_are_its_own():
    with pytest.raises(RuntimeError, match="size"):
        executable(lambda x, y: x + y, "compiled")(torch.randn(2), torch.randn(3))


def test_unknown_or_impossible_executions_are_one_line(network):
    with pytest.raises(ValueError, match="execution: fast is none of eager, compiled, cuda-graphs"):
        executable(network, "fast")
    with pytest.raises(
        ValueError, match="cuda-graphs needs a GPU, and the networks are on cpu; set execution: compiled or eager"
    ):
        executable(network, "cuda-graphs")


def measured_on(device, path):
    save_execution("twin", "dash", {"execution": "compiled"}, {"device": device}, path)
    return path


def test_the_best_execution_is_the_measured_one_also_with_other_cores(tmp_path):
    path = measured_on(f"{without_cores(processor())}, 999 cores", tmp_path / "dash.json")
    assert executions_of("best", [path], ["dash"]) == {"dash": "compiled"}
    assert executions_of("eager", [], ["dash", "dot"]) == {"dash": "eager", "dot": "eager"}


def test_an_execution_that_another_device_measured_is_told_with_the_command(tmp_path):
    path = measured_on("NVIDIA H100", tmp_path / "my dash.json")
    with pytest.raises(
        ValueError, match=r"my dash\.json was measured on another device, NVIDIA H100, and this"
    ) as error:
        executions_of("best", [path], ["dash"])
    assert str(error.value).endswith(f"to measure again: rm '{path}', then run again")
