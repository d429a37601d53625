"""Images in, images out: data sets as files. Published sets are prepared by one file each.

A new kind of data set is a module here with a function ``prepare`` of (a task card's ``data``, the
folder of its original files, the ``dataset.json`` to write), and its entry in :data:`DATASETS`.
"""

from morse.registry import Registry

DATASETS = Registry(
    "kind of data",
    {
        "cifar10": "morse.data.cifar10:prepare",
        "folder": "morse.data.folder:prepare",
        "imagenet64": "morse.data.imagenet64:prepare",
        "celeba": "morse.data.celeba:prepare",
        "celebahq": "morse.data.celebahq:prepare",
        "coco": "morse.data.coco:prepare",
        "pairs": "morse.data.pairs:prepare",
        "lsun-church": "morse.data.lsun_church:prepare",
    },
)
"""Kind in a task's card -> the function that prepares its originals."""
