"""Two things timed in turn, on a machine whose speed drifts."""

import time
from statistics import median


def ratio_in_turn(benchmark, first, second, rounds):
    """The first's time over the second's: the median of the pairs after one to warm up.

    The benchmark itself is of a pair.
    """
    ratios = []

    def pair():
        seconds = []
        for run in (first, second):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])

    benchmark.pedantic(pair, rounds=rounds, warmup_rounds=1)
    return median(ratios[1:])
