"""Shards and statistics of a node -> its record, as the tables read it."""

from dataclasses import replace

import numpy as np
import pytest

from morse.data.parts import bounds
from morse.provenance import provenance
from morse.quality.frechet import frechet_with_error
from morse.quality.statistics import Statistics
from morse.results.records import make_record
from morse.results.runs import RUN_COLUMNS, runs_table
from morse.sampling.shards import Shard

NODE = {"model": "twin", "task": "shapes", "sampler": "ddim", "method": "morse", "budget": 6, "seed": 0}
PLAN = "D.....D.....D....."
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 1, 4, 4), dtype=np.uint8)
EXTRACTOR = "fashion-classifier/abc/rule"


def statistics(images, first=0, data="run", extractor=EXTRACTOR):
    found = Statistics.empty(extractor, data, (1, 4, 4), 3, groups=5)
    found.add(images[:, 0, 0, :3] / 255 + images[:, 0, 1:2, 0] / 500, first)
    return found


REFERENCE = statistics(np.random.default_rng(1).integers(0, 200, (80, 1, 4, 4), dtype=np.uint8), data="shapes/test")


def parts(shards=3):
    places = [bounds(50, shards, k) for k in range(shards)]
    made = [Shard(IMAGES[first : first + count], first, 2.0, PLAN, 1000 + first, provenance()) for first, count in places]
    return made, [statistics(shard.images, shard.first) for shard in made]


def record(shards, of_shards, images=50, node=NODE, ratio=5.0):
    return make_record(node, "mini", images, ratio, shards, of_shards, REFERENCE)


def test_record_says_what_was_run_and_what_it_cost():
    made = record(*parts())
    assert made["node"] == NODE and made["node"] is not NODE
    assert (made["scale"], made["images"], made["ratio"], made["seconds"]) == ("mini", 50, 5.0, 6.0)
    assert made["memory"] == 1033  # the most that a shard took
    assert made["provenance"] == provenance()  # of the shards, whoever records them
    assert made["plan"] == PLAN and made["calls"] == {"dash": 3, "dot": 15}


def test_quality_is_the_distance_over_all_images():
    quality = record(*parts())["quality"]
    expected = frechet_with_error(statistics(IMAGES), REFERENCE)
    assert (quality["value"], quality["standard_error"]) == (pytest.approx(expected.value), pytest.approx(expected.standard_error))
    assert (quality["extractor"], quality["reference"]) == (EXTRACTOR, "shapes/test")
    assert quality["label"] == "Fréchet distance (small classifier)"


def test_record_depends_neither_on_the_cut_into_shards_nor_on_their_order():
    whole, cut = record(*parts(1)), record(*parts(4))
    backwards = record(*(part[::-1] for part in parts(4)))
    assert whole["images_sha256"] == cut["images_sha256"] == backwards["images_sha256"]
    assert whole["quality"]["value"] == pytest.approx(cut["quality"]["value"], rel=1e-10)
    changed = [replace(shard, images=shard.images ^ np.uint8(shard.first == 0)) for shard in parts(4)[0]]
    assert record(changed, parts(4)[1])["images_sha256"] != cut["images_sha256"]


def test_the_table_of_runs_reads_every_record():
    def sampled(shards, plan, **executions):
        return [replace(shard, plan=plan, provenance=provenance() | {"execution": executions}) for shard in shards]

    shards, of_shards = parts()
    morse = record(sampled(shards, PLAN, dash="eager", dot="compiled"), of_shards)
    base = record(sampled(shards, "DDDDDD", dash="eager"), of_shards, node=NODE | {"method": "baseline"}, ratio=None)
    table = runs_table([morse, base], {"twin": {"ratio": 6.0}})
    assert list(table.columns) == RUN_COLUMNS
    assert table["lsd"].tolist() == [6.0, 3 + 15 / 6.0] and table["lsd_nominal"].tolist() == [6.0, 6.0]
    assert table["seconds_per_image"].tolist() == [6.0 / 50] * 2
    assert table["dash_execution"].tolist() == ["eager", "eager"] and table["dot_execution"].fillna("").tolist() == ["", "compiled"]
    assert table["metric"].unique() == ["Fréchet distance (small classifier)"]


def refused(message, shards, of_shards, images=50):
    with pytest.raises(ValueError, match=message) as error:
        record(shards, of_shards, images)
    assert "\n" not in str(error.value)


def test_missing_images_are_refused():
    shards, of_shards = parts()
    refused("image 16 of the run is missing or stands twice", [shards[0], shards[2]], [of_shards[0], of_shards[2]])
    refused("image 0 of the run is missing", shards[1:], of_shards[1:])
    refused("33 images and statistics of 33, not 50", shards[:2], of_shards[:2])
    refused("the run has 50 images and statistics of 50, not 60", shards, of_shards, images=60)


def test_doubled_images_are_refused():
    shards, of_shards = parts()
    refused("image 16 of the run is missing or stands twice", [shards[0], *shards], [of_shards[0], *of_shards])
    overlapping = [shards[0], replace(shards[1], first=15), shards[2]]
    refused("image 16 of the run is missing or stands twice", overlapping, of_shards)


def test_statistics_of_other_images_are_refused():
    shards, of_shards = parts()
    refused("50 images and statistics of 33, not 50", shards, of_shards[:2])
    refused("50 images and statistics of 67, not 50", shards, [*of_shards, of_shards[2]])


@pytest.mark.parametrize(
    "change",
    [
        {"plan": "DD" + 16 * "."},
        {"plan": "DDD" + 14 * "."},
        {"provenance": provenance() | {"device": "another"}},
        {"provenance": provenance() | {"code": "another"}},
        {"provenance": provenance() | {"execution": {"dash": "compiled", "dot": "eager"}}},
    ],
)
def test_shards_made_unlike_are_refused(change):
    shards, of_shards = parts()
    refused("unlike calls, devices, executions or versions of the library", [*shards[:2], replace(shards[2], **change)], of_shards)


def test_statistics_of_another_extractor_are_refused():
    shards, _ = parts(1)
    refused("differ in extractor", shards, [statistics(IMAGES, extractor="inception/abc/rule")])
