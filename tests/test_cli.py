"""The command `morse` as a user types it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from networks import tiny_images
from PIL import Image
from safetensors.torch import load_file, save_file

from morse.experiments.cards import merged, names, read_card, resource
from morse.experiments.dot_options import changes_of
from morse.files import sha256
from morse.methods import METHODS

MODEL = "cifar10-ddpm-mini"
FEW = {
    "dot": {"training": {"own": {"images": 10, "calls": 2}, "chain": {"chains": 2, "points": 2, "steps": 1}}},
}
QUICK = ("--budget", "2", "--images", "3")


def morse(*arguments, **environment):
    """The command, run by this environment's Python."""
    code = "import sys; sys.argv[0] = 'morse'; from morse.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment or None, timeout=300)


def test_the_package_installs_the_command():
    found = subprocess.run([sys.prefix + "/bin/morse", "--help"], capture_output=True, encoding="utf-8")
    assert found.returncode == 0 and all(name in found.stdout for name in ("list", "info", "sample"))


def test_without_arguments_it_helps():
    assert morse().stdout == morse("--help").stdout


@pytest.mark.parametrize("kind", ["models", "tasks", "samplers", "extractors"])
def test_list_has_every_card_with_what_it_is(kind):
    lines = morse("list", kind).stdout.splitlines()
    assert [line.split()[0] for line in lines] == names(kind.removesuffix("s"))
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines), "a card without a comment on top"


def test_list_has_every_method_and_all_kinds():
    assert [line.split()[0] for line in morse("list", "methods").stdout.splitlines()] == list(METHODS)
    everything = morse("list").stdout
    assert all(f"{kind}:" in everything for kind in ("models", "tasks", "samplers", "methods", "extractors"))


@pytest.mark.parametrize("arguments", [["--help"], ["list"]])
def test_it_answers_without_loading_torch(arguments):
    code = f"import sys; sys.argv = ['morse', *{arguments!r}]\nfrom morse.cli import main\n"
    code += (
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint({'torch', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8").stdout.endswith(
        "set()\n"
    )


def test_info_tells_sizes_and_n():
    found = morse("info", MODEL).stdout
    assert "2,586,337 parameters" in found and "1,150,785 parameters of its own" in found
    assert "7.38" in found and "Apache-2.0" in found and "config/recipes/mini.yaml" in found


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["info", "cifar10-dpm-mini"], "unknown model 'cifar10-dpm-mini'; did you mean 'cifar10-ddpm-mini'?"),
        (["sample", "cifar10-dpm-mini"], "unknown model 'cifar10-dpm-mini'; did you mean 'cifar10-ddpm-mini'?"),
        (["sample", MODEL, "--sampler", "dim"], "unknown sampler 'dim'; did you mean 'ddim'?"),
        (["sample", MODEL, "--method", "morce"], "unknown method 'morce'; did you mean 'morse'?"),
        (["list", "modles"], "unknown kind 'modles'; did you mean 'models'?"),
        (["sample", MODEL, "--budget", "1"], "a budget of 1 LSD is too small for Morse"),
        (["sample", MODEL, "--budget", "few"], "Invalid value for '--budget'"),
        (["sample", MODEL, "--images", "0"], "Invalid value for '--images'"),
        (["sample", MODEL, "--bugdet", "3"], "No such option: --bugdet"),
        (["sample", MODEL, "--out", "images.gif"], "images.gif: images are written as .png, .npz or into a folder"),
        (["sample", "cifar10-vp-mini", "--sampler", "ddim"], "use the grid 'time-uniform'"),
        (["smaple"], "No such command 'smaple'"),
        (["train-dot", "cifar10-dpm-mini"], "unknown model 'cifar10-dpm-mini'; did you mean 'cifar10-ddpm-mini'?"),
        (["train-dot"], "name either a card of `morse list models`, or a diffusers folder by --model"),
        (["train-dot", "--model", "absent", "--data", "none"], "absent is no folder; name a diffusers folder"),
        (["train-dot", "--model", "absent"], "give --data FOLDER, a folder of images, or --data none"),
        (["train-dot", MODEL, "--batch", "7", "--steps", "0"], "Invalid value for '--steps'"),
        (["train-dot", MODEL, "--batch", "1"], "45 pairs of a draw cannot be dealt out evenly to 30 steps"),
        (["train-dot", MODEL, "--data", "absent", "--out", "absent"], "absent: no images there"),
    ],
)
def test_an_error_of_input_is_one_line_and_exit_code_2(arguments, line, tmp_path):
    found = morse(*arguments)
    assert found.returncode == 2 and line in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1 and "Traceback" not in found.stderr


def test_a_folder_with_files_is_not_overwritten(tmp_path):
    (tmp_path / "photo.png").touch()
    found = morse("sample", MODEL, *QUICK, "--out", tmp_path)
    assert found.returncode == 2 and "is not an empty folder" in found.stderr


def test_sample_writes_arrays_a_grid_and_a_folder_of_the_same_images(tmp_path):
    arguments = ("sample", MODEL, *QUICK, "--compare", "--out")
    for out in ("images.npz", "grid.png", "folder"):
        found = morse(*arguments, tmp_path / out)
        assert found.returncode == 0, found.stderr
        assert "3 images by baseline and by morse" in found.stdout and "100%" in found.stderr
    with np.load(tmp_path / "images.npz") as arrays:
        images = {name: arrays[name] for name in ("baseline", "morse")}
    assert all(array.shape == (3, 1, 32, 32) and array.dtype == np.uint8 for array in images.values())
    assert not np.array_equal(images["baseline"], images["morse"])
    for name, array in images.items():
        for index, image in enumerate(array):
            with Image.open(tmp_path / "folder" / name / f"{index:05}.png") as picture:
                assert np.array_equal(np.asarray(picture), image[0])
    assert (tmp_path / "grid.png").stat().st_size > 5_000
    assert not list(tmp_path.rglob("*.partial"))


def test_convert_writes_weights_and_prints_their_hash(tmp_path):
    """From a folder as diffusers lays it out, with the names that it had before 2023."""
    shipped = load_file(resource(read_card("model", MODEL)["dash"]["file"]))
    old = {name.replace("to_q", "query").replace("to_out.0", "proj_attn"): value for name, value in shipped.items()}
    save_file(old, tmp_path / "diffusion_pytorch_model.safetensors")
    done = morse("convert", MODEL, tmp_path, "--out", tmp_path / "made.safetensors")
    assert done.returncode == 0, done.stderr
    assert sha256(tmp_path / "made.safetensors") in done.stdout
    made = load_file(tmp_path / "made.safetensors")
    assert set(made) == set(shipped) and all(torch.equal(made[name], shipped[name]) for name in made)
    wrong = morse("convert", "cifar10-vp-mini", tmp_path, "--out", tmp_path / "other.safetensors")
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1 and "belong to another network" in wrong.stderr
    assert not (tmp_path / "other.safetensors").exists()


def small(tmp_path):
    """A diffusers folder and a folder of images."""
    network = UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    network.save_pretrained(tmp_path / "mine" / "unet")
    DDPMScheduler().save_pretrained(tmp_path / "mine" / "scheduler")
    (tmp_path / "photos").mkdir()
    for index, image in enumerate(tiny_images(4, 3)):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "photos" / f"{index}.png")
    where = ("--model", tmp_path / "mine", "--data", tmp_path / "photos", "--out", tmp_path / "out")
    return ("train-dot", *where, "--steps", 2, "--batch", 2, "--channels", 8, "--channels", 16, "--device", "cpu")


def test_train_dot_takes_a_folder_of_diffusers_and_one_of_images(tmp_path):
    done = morse(*small(tmp_path))
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in ("parameters of its own", "N by FLOPs", "pairs per step      3"))
    assert sha256(tmp_path / "out" / "dot.safetensors") in done.stdout and "2/2" in done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"card.yaml", "dash.safetensors", "dot.safetensors", "training.json"} <= names


@pytest.mark.slow
def test_train_dot_by_two_processes_tells_an_error_once(tmp_path):
    arguments = (*small(tmp_path), "--processes", 2)
    done = morse(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dot.safetensors: loss") == 1 and "by 2 processes" in done.stdout
    (tmp_path / "photos" / "bad.png").write_bytes(b"nothing")
    done = morse(*arguments)
    assert done.returncode == 1 and done.stderr.count("bad.png is no whole image") == 1
    assert "Traceback" not in done.stderr


def test_train_dot_trains_the_dot_of_a_card_on_images_that_dash_makes(tmp_path, monkeypatch):
    """In this process, with a recipe of few images."""
    from morse import cli_scale

    monkeypatch.setattr(cli_scale, "changes_of", lambda options: merged(changes_of(options), FEW))
    cli_scale.train_dot(MODEL, data="none", out=tmp_path / "out", steps=1, device=cli_scale.Device.cpu)
    found = {path.name.split("-")[0] for path in (tmp_path / "out").iterdir()}
    assert found == {"dot.safetensors", "training.json", "own"}


def test_shell_completion_knows_models_and_samplers():
    cases = [("info cifar10-ddpm-", 2, MODEL), ("sample x --sampler unip", 4, "unipc"), ("list mod", 2, "models")]
    for words, count, expected in cases:
        found = morse(_MORSE_COMPLETE="complete_bash", COMP_WORDS=f"morse {words}", COMP_CWORD=str(count))
        assert found.stdout.split() == [expected], found.stderr


@pytest.mark.parametrize(
    ("encoding", "shown", "command"),
    [("ascii", "utf-8", ["--help"]), ("ascii", "utf-8", ["list"]), ("ascii", "utf-8", ["info", MODEL]),
     ("ascii", "utf-8", ["info", "é"]), ("latin-1", "latin-1", ["list"]), ("latin-1", "latin-1", ["info", "é"])],
)  # fmt: skip
def test_every_terminal_can_show_it(encoding, shown, command):
    """Under a locale without UTF-8. One of Latin-1 is not on every machine, so its streams are.

    typer takes a terminal of ASCII for one of UTF-8.
    """
    code = (
        "import sys\nfrom dataclasses import replace\nfrom morse.cli import main\nfrom morse.methods import METHODS\n"
    )
    code += "METHODS['morse'] = replace(METHODS['morse'], caption='Fr\\xe9chet \\u2265')\nmain()"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, env=os.environ | locale)
    output = (done.stdout + done.stderr).decode(shown)
    assert "Traceback" not in output and done.returncode == (2 if "é" in command else 0)
    if command == ["list"]:
        assert {"ascii": "Fréchet ≥", "latin-1": r"Fréchet \u2265"}[encoding] in output
