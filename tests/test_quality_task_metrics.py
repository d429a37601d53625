"""Which metrics a task has by which extractor, with prompts and without."""

from morse.experiments.cards import read_cards, resource
from morse.quality.task_metrics import metrics_of_task, needs_prompts, prompts_file, prompts_view, text_extractors

CONFIG = {"quality": {"metrics": ["kid", "clip_score"], "groups": 20}, "images": 100}
CARDS = read_cards({})
NAMES = ["inception", "clip-vit-l14", "clip-vit-g14"]
DATA = {"file": "data/coco/dataset.json", "size": 256}


def cards(**task):
    return CARDS | {"task": {"captioned": {"data": DATA, "extractors": NAMES} | task}}


def test_only_extractors_that_read_text_score_prompts_and_only_of_tasks_that_have_them():
    found = metrics_of_task(CONFIG, cards(prompts={"split": "prompts"}), "captioned")
    both = ["frechet", "kid", "clip_score"]
    assert found == {"inception": ["kid"], "clip-vit-l14": both, "clip-vit-g14": both}
    assert {name: needs_prompts(names) for name, names in found.items()} == {
        "inception": False, "clip-vit-l14": True, "clip-vit-g14": True
    }  # fmt: skip
    found = metrics_of_task(CONFIG, cards(), "captioned")
    assert found == {"inception": ["kid"], "clip-vit-l14": both[:2], "clip-vit-g14": both[:2]}
    assert text_extractors(cards(), "captioned") == []


def test_prompts_are_read_from_the_data_or_from_a_list_of_one_s_own():
    assert prompts_file({"data": DATA, "prompts": {"split": "prompts"}}) == str(resource(DATA["file"]))
    assert prompts_file({"data": DATA, "prompts": {"file": "mine.txt"}}) == str(resource("mine.txt"))


def test_jobs_of_tasks_without_prompts_depend_on_no_more_than_before():
    card = {"data": DATA, "extractors": NAMES, "reference": {"split": "all"}}
    assert prompts_view(card) == {}
    assert prompts_view(card | {"prompts": {"split": "prompts"}}) == {"data": DATA, "prompts": {"split": "prompts"}}
