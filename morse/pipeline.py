"""Morse inside a pipeline of diffusers: its own call and scheduler, fewer calls of its network.

For the time of a call the network's ``forward`` answers as the plan says: by the network itself,
Dash, or by Dot. The pipeline does everything else, and is left as it was.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from morse.dash.conditioning import ADDED, EMBEDDED, Condition
from morse.dash.guidance import combine
from morse.dot.hub import About, push_dot, read_dot, save_dot
from morse.dot.network import BRANCHES, Dot
from morse.experiments.cards import default_settings, merged
from morse.methods import MORSE
from morse.methods.morse import Morse
from morse.methods.plans import DASH, Plan, baseline_plan, policy_plan, with_ratio
from morse.pipeline_schedulers import check_scheduler, fresh_noise, schedule_of

STEPS = "num_inference_steps"


class MorsePipeline:
    """A pipeline of diffusers with a UNet2DModel or UNet2DConditionModel, with Morse inside.

    It is called as the pipeline is, and gives what the pipeline gives::

        pipe = StableDiffusionPipeline.from_pretrained("CompVis/stable-diffusion-v1-4")
        fast = MorsePipeline.from_pretrained(pipe, FOLDER)
        images = fast("a cat", num_inference_steps=10, dot_share=0.25).images

    All else, such as ``fast.scheduler``, is the pipeline's.

    Args:
        pipe: the pipeline.
        dot: a Dot of its network.

    Attributes:
        plan: of the latest call.

    Raises:
        ValueError: one line, for a pipeline or a Dot that does not fit.
    """

    def __init__(self, pipe: Any, dot: Dot):
        network = getattr(pipe, "unet", None)
        if not isinstance(network, nn.Module) or "block_out_channels" not in getattr(network, "config", {}):
            raise ValueError(f"{type(pipe).__name__} has no U-Net of diffusers, around which a Dot is built")
        if dot.conv_in.in_channels != 3 * network.config.in_channels:
            raise ValueError(
                f"the Dot is for samples of {dot.conv_in.in_channels // 3} channels, and the pipeline's network has "
                f"{network.config.in_channels}"
            )
        self.pipe, self.dot, self.plan = pipe, dot, None

    @classmethod
    def from_pretrained(cls, pipe: Any, source: Path | str, merge: bool = True) -> MorsePipeline:
        """A pipeline with a shared Dot. Arguments and errors are those of
        :func:`morse.dot.hub.read_dot`."""
        return cls(pipe, read_dot(source, pipe.unet, merge))

    def save_pretrained(self, folder: Path | str, about: About) -> None:
        """Writes the Dot alone (:func:`morse.dot.hub.save_dot`)."""
        save_dot(self.dot, self.pipe.unet, about, Path(folder))

    def push_to_hub(self, repository: str, about: About, private: bool = False) -> str:
        """Puts the Dot alone on the hub (:func:`morse.dot.hub.push_dot`)."""
        return push_dot(self.dot, self.pipe.unet, about, repository, private)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["pipe"], name)

    def to(self, *args: Any, **kwargs: Any) -> MorsePipeline:
        """Moves both to a device. Returns itself."""
        self.pipe.to(*args, **kwargs)
        self.dot.to(self.pipe.device)
        return self

    def __call__(
        self, *args: Any, dot_share: float | None = None, plan: Plan | str | None = None, **kwargs: Any
    ) -> Any:
        """As the pipeline's own call. ``num_inference_steps`` is the time budget in LSD: that of as
        many steps of the pipeline alone.

        Args:
            dot_share: the fraction of the budget for Dot; 0 for none. Left out, it is that of
                config/config.yaml.
            plan: which network answers each call, instead of a budget: letters such as ``D..D..``,
                D for Dash and a point for Dot. The pipeline makes as many steps as it has letters.

        Raises:
            ValueError: one line, for a budget or plan that cannot be, or a scheduler that does not
                fit (:func:`morse.pipeline_schedulers.check_scheduler`).
        """
        bound = inspect.signature(self.pipe.__call__).bind(*args, **kwargs)
        stated = bound.arguments.get(STEPS)
        bound.apply_defaults()
        self.plan = self._plan(bound.arguments[STEPS], stated, dot_share, plan)
        bound.arguments[STEPS] = self.plan.nfe
        if {*self.plan.letters} == {DASH}:
            return self.pipe(*bound.args, **bound.kwargs)
        self._check(bound.arguments)
        calls = _Calls(self.pipe, self.dot, self.plan, float(bound.arguments.get("eta") or 0.0))
        with _answered(self.pipe.unet, calls):
            return self.pipe(*bound.args, **bound.kwargs)

    def _check(self, options: Mapping[str, Any]) -> None:
        """Refuses options with which Dot's estimates would be wrong."""
        if options.get("guidance_rescale"):
            raise ValueError("guidance_rescale: Dot corrects the estimate before it is rescaled; leave it out")
        times = options.get("timesteps")
        if options.get("sigmas") or (times and len(times) != self.plan.nfe):
            raise ValueError(f"timesteps: the plan has {self.plan.nfe} calls; give as many timesteps, and no sigmas")
        check_scheduler(self.pipe.scheduler, self.plan.nfe, times and list(times))

    def _plan(self, budget: int, stated: int | None, dot_share: float | None, plan: Plan | str | None) -> Plan:
        if plan is not None:
            made = with_ratio(plan, self.dot.ratio) if isinstance(plan, str) else plan
            if dot_share is not None or stated not in (None, made.nfe):
                raise ValueError(f"the plan says all, with its {made.nfe} calls; leave out {STEPS} and dot_share")
            return made
        if dot_share == 0:
            return baseline_plan(budget)
        settings = default_settings(MORSE)
        if dot_share is not None:
            settings = merged(settings, {settings["policy"]: {"dot_share": dot_share}})
        return policy_plan(budget, self.dot.ratio, settings)


@contextmanager
def _answered(network: nn.Module, calls: _Calls) -> Iterator[None]:
    """Within the block, ``calls`` answers the network's calls."""
    held = network.__dict__.get("forward")  # set on the instance by accelerate's hooks
    network.forward = calls
    try:
        yield
    finally:
        if held is None:
            del network.forward
        else:
            network.forward = held


class _Calls:
    """Answers the calls of one run of a pipeline.

    With classifier-free guidance, a pipeline asks for both branches at once, and combines them.
    Where Dot answers, both are the guided estimate, which no combination changes.
    """

    def __init__(self, pipe: Any, dot: Dot, plan: Plan, eta: float):
        self.pipe, self.dot, self.eta, self.plan = pipe, dot, eta, plan
        self.dash, self.output, self.before = pipe.unet.forward, None, None
        self.schedule = schedule_of(pipe.scheduler)
        self.morse = Morse(self._of_dash, dot, plan)

    @torch.no_grad()
    def __call__(self, sample: Tensor, timestep: Any, *args: Any, return_dict: bool = True, **kwargs: Any) -> Any:
        guided = bool(getattr(self.pipe, "do_classifier_free_guidance", False))
        x = sample[: len(sample) // 2] if guided else sample
        t = float(torch.as_tensor(timestep).flatten()[0])
        self.asked = (sample, timestep, *args), kwargs, guided
        if self.before is not None:
            added = fresh_noise(self.pipe.scheduler, self.schedule, self.before, (x, t), self.eta)
            if added is not None:
                self.morse.renew_noise(added[0].to(x.dtype), added[1], self.schedule)
        answered_by = self.plan.letters[len(self.morse.letters) :][:1]
        estimate = self.morse(x, t, *self._condition(args, kwargs, len(x), guided))
        self.before = x, estimate[:, : x.shape[1]], t
        if answered_by == DASH:
            return self.output if return_dict else (self.output[0],)
        made = estimate[:, : self.output[0].shape[1]]
        made = torch.cat([made, made]) if guided else made
        return type(self.output)(sample=made) if return_dict else (made,)

    def _of_dash(self, x: Tensor, t: Tensor, *cond: Tensor) -> Tensor:
        """The network's estimate, guided if the pipeline will guide it. Keeps its own output."""
        args, kwargs, guided = self.asked
        self.output = self.dash(*args, **kwargs)
        estimate = self.output[0]
        if guided:
            without, prompted = estimate.chunk(2)
            estimate = combine(without, prompted, cond[0])
            difference = prompted - without
        elif self.dot.guidance == BRANCHES:
            difference = torch.zeros_like(estimate)
        return torch.cat([estimate, difference], dim=1) if self.dot.guidance == BRANCHES else estimate

    def _condition(self, args: tuple, kwargs: dict[str, Any], batch: int, guided: bool) -> Condition:
        """What Dot is conditioned on, from the arguments of the network's call."""
        if (text := kwargs.get("encoder_hidden_states", args[0] if args else None)) is None:
            classes = kwargs.get("class_labels")
            return () if classes is None else (classes,)
        added = kwargs.get("added_cond_kwargs") or {}
        prompt = (text, *(added[name] for name in ADDED if name in added))
        scale = self.pipe.guidance_scale if guided or self.dot.guidance == EMBEDDED else 1.0
        scales = torch.full((batch,), float(scale), device=text.device)
        if self.dot.guidance == EMBEDDED:
            return scales, *prompt
        negative = tuple(one[:batch] for one in prompt)
        return scales, *(one[-batch:] for one in prompt), *negative
