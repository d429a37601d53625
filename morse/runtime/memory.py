"""The memory that a computation needs: the largest sum of bytes of all tensors that live at once.

It is counted on tensors of any device, the device "meta" too, where nothing is computed. So what a
GPU would need is known without one. Workspaces of kernels and the allocator's gaps come on top.

On "meta", attention is the kernel that GPUs have for float32, which keeps no table of scores.
PyTorch itself would count such a table there: 21 GB for 20 guided images of Stable Diffusion.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Tracker(TorchDispatchMode):
    """Counts each storage once, from its first tensor until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def add(self, tensors: Iterable[Any]) -> None:
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if (key := storage._cdata) not in self._known:
                self._known.add(key)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, key, storage.nbytes())
        self.peak = max(self.peak, self.now)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.add(tree_leaves(result))
        return result


class _FusedAttention(TorchFunctionMode):
    """Attention without a mask by the GPU's memory-efficient kernel, on the device "meta"."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention and args[0].is_meta and kwargs.get("attn_mask") is None:
            kept = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in args[:3])
            return torch.ops.aten._scaled_dot_product_efficient_attention(*args[:3], None, kept)[0]
        return func(*args, **kwargs)


def peak_bytes(compute: Callable[[], Any], held: Iterable[Tensor] = ()) -> int:
    """The largest number of bytes of tensors that live at once while ``compute`` runs.

    Args:
        held: tensors that live before, such as weights and inputs.
    """
    tracker = _Tracker()
    tracker.add(held)
    with _FusedAttention(), tracker:
        result = compute()
    del result
    return tracker.peak
