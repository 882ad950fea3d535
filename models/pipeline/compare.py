"""`python -m pipeline.compare`: heads, prompts and whole networks under equal conditions.

Heads are trained on the frozen encoder of a bundle, from embeddings that are computed once. Whole
networks, the bundle's own shape among them, start from nothing. All see the same stream, for an equal
number of steps, and are scored on the same validation patients. What was measured lies in the
scratch folder, one file a candidate; a candidate that is there is not trained again. `--report`
times them in ONNX Runtime on one thread and writes the tables.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from . import evaluate, heads, losses, prompts
from .baselines import Promptless, UNet, VNet
from .data import BACKGROUND, LIVER_OR_TUMOUR, SIZE, TUMOUR, Slice, load_split, windows
from .export import export_head, write_graph
from .network import HEADS, Model, Widths, answer
from .runner import Runner
from .scores import dice, score_slices
from .sources import MM_PER_PIXEL, Mixture, Stream
from .tumours import natural_labels, paint

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "SAM architecture, convolutional head": lambda: Promptless(Model(Widths(), "conv")),
    "U-Net": UNet,
    "V-Net": VNet,
}
HEAD_WORDS = {"linear": "linear head", "conv": "convolutional head", "attention": "attention head"}
PROMPT = "prompt head"
CANDIDATES = [*HEAD_WORDS.values(), PROMPT, *NETWORKS]
PHANTOMS = 60
KEPT = 400
"""Samples of the stream whose embeddings the heads are trained on."""
JITTERS = (0, 10, 20)
"""How far a box's sides are moved at most, in pixels of the 256."""


def train(network: nn.Module, slices: list[Slice], steps: int, batch: int, seed: int) -> None:
    """Trains a whole network with one cycle of the learning rate."""
    torch.manual_seed(seed)
    network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    batches = iter(DataLoader(Stream(slices, Mixture(), seed), batch, num_workers=1))
    for _ in range(steps):
        image, label, _ = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))
        loss = losses.segmentation(logits, label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    network.eval()


def score(labels: evaluate.Labeller, slices: list[Slice]) -> dict[str, dict]:
    """Liver on annotated slices; tumours painted into them, and livers of phantoms."""
    real = score_slices([labels(one.hu) for one in slices], slices)
    drawn = evaluate.phantom_slices(PHANTOMS)
    livers = [dice(labels(np.clip(one.hu, 0, 255)) != BACKGROUND, one.label != BACKGROUND) for one in drawn]
    tally = evaluate.painted_with(labels, slices).summary()
    return {"real": real, "phantom_liver": round(float(np.mean(livers)), 4), "painted": tally}


@torch.no_grad()
def score_prompts(head: prompts.PromptHead, runner: Runner, slices: list[Slice]) -> dict[str, dict]:
    """Dice by what is asked with: of real livers, and of painted lesions."""
    rng = np.random.default_rng(evaluate.SEED)
    livers: dict[str, list[np.ndarray]] = {}
    lesions: dict[str, list[float]] = {}
    truths = [one.label != BACKGROUND for one in slices]
    for number, one in enumerate(slices):
        for way, mask in _answers(head, runner, one.hu, truths[number], rng):
            livers.setdefault(way, []).append(mask.astype(np.uint8))
        hu, label = one.hu.copy(), natural_labels(one.hu, one.label != BACKGROUND)
        paint(np.random.default_rng(evaluate.SEED + number), hu, label, MM_PER_PIXEL, 2)
        for target in prompts.structures(label)[1:]:
            for way, mask in _answers(head, runner, np.clip(hu, 0, 255), target, rng):
                mask = mask & (label != LIVER_OR_TUMOUR)
                lesions.setdefault(way, []).append(dice(mask, target & (label == TUMOUR)))
    real = {way: score_slices(masks, slices) for way, masks in livers.items()}
    painted = {way: {"dice": round(float(np.mean(found)), 4), "lesions": len(found)} for way, found in lesions.items()}
    return {"real": real, "painted": painted}


def _answers(
    head: prompts.PromptHead, runner: Runner, hu: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> list[tuple[str, np.ndarray]]:
    """The mask for a point and for boxes of every jitter; one embedding serves them all."""
    ways = [("point at the centre", prompts.point(target))]
    ways += [(_box_words(jitter), prompts.box(target, jitter, rng)) for jitter in JITTERS]
    embedding = torch.from_numpy(runner.encode(windows(hu)[None])["embedding"])
    at = torch.from_numpy(np.stack([places for _, (places, _) in ways])).float()
    kinds = torch.tensor([kinds for _, (_, kinds) in ways])
    logits = head(embedding.expand(len(ways), -1, -1, -1), at, kinds)
    full = F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)[:, 0]
    return [(way, mask) for (way, _), mask in zip(ways, (full > 0).numpy(), strict=True)]


def _box_words(jitter: int) -> str:
    return f"box, sides off by up to {jitter} pixels" if jitter else "tight box"


def head_candidate(name: str, runner: Runner, kept: list[heads.Kept], validation: list[Slice], folder: Path, plan: dict) -> dict:
    """Trains, exports and scores one head."""
    embedding, skip = (torch.zeros(1, *one.shape) for one in (kept[0].embedding, kept[0].skip))
    if name == PROMPT:
        head: nn.Module = prompts.PromptHead(embedding.shape[1])
    else:
        head = HEADS[next(key for key, words in HEAD_WORDS.items() if words == name)](embedding.shape[1], skip.shape[1])
    heads.train(head, kept, plan["steps"], plan["batch"], plan["seed"])
    if isinstance(head, prompts.PromptHead):
        examples = (embedding, torch.full((1, 2, 2), 0.5), torch.zeros(1, 2, dtype=torch.int64))
        write_graph(head, examples, folder / "head.onnx", ["embedding", "places", "kinds"], ["logits"])
        return score_prompts(head, runner, validation)
    export_head(head, {"embedding": embedding, "skip": skip}, folder / "head.onnx")

    def labels(hu: np.ndarray) -> np.ndarray:
        encoded = runner.encode(windows(hu)[None])
        with torch.no_grad():
            return _labels(answer(head, *(torch.from_numpy(encoded[name]) for name in ("embedding", "skip"))))

    return score(labels, validation)


def network_candidate(name: str, train_slices: list[Slice], validation: list[Slice], folder: Path, plan: dict) -> dict:
    """Trains, exports and scores one network from nothing."""
    network = NETWORKS[name]()
    train(network, train_slices, plan["steps"], plan["batch"], plan["seed"])
    network = network.to(memory_format=torch.contiguous_format)
    write_graph(network, (torch.zeros(1, 3, SIZE, SIZE),), folder / "network.onnx", ["image"], ["logits"])

    def labels(hu: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return _labels(network(torch.from_numpy(windows(hu))[None]))

    return score(labels, validation)


def _labels(logits: torch.Tensor) -> np.ndarray:
    full = F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return full[0].argmax(0).byte().numpy()


def milliseconds(graph: onnxruntime.InferenceSession, repeats: int = 30) -> float:
    """The median processor time of one run on one thread, after one to warm up: what others take of the
    processor meanwhile is not counted."""
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    feeds = {one.name: np.zeros(one.shape, dtype=kinds[one.type]) for one in graph.get_inputs()}
    times = []
    for _ in range(repeats + 1):
        began = time.thread_time()
        graph.run(None, feeds)
        times.append(1000 * (time.thread_time() - began))
    return sorted(times[1:])[repeats // 2]


def main() -> None:
    """Trains and scores what is not in the scratch folder yet; with --report, times it and writes the tables."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="models/train compare", description=main.__doc__)
    parser.add_argument("--data", type=Path, help="annotated slices with split.json; needed to train")
    parser.add_argument("--bundle", type=Path, required=True, help="whose encoder the heads are for")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch/compare"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--only", choices=CANDIDATES, action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write the tables here instead of training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.report:
        from .comparison import report

        arguments.report.write_text(report(arguments.bundle, arguments.scratch))
        return
    plan = {"steps": arguments.steps, "batch": arguments.batch, "seed": arguments.seed}
    train_slices, validation = load_split(arguments.data)
    runner, kept = Runner(arguments.bundle), []
    for name in arguments.only or CANDIDATES:
        folder = arguments.scratch / name.replace(" ", "-").replace(",", "").lower()
        if (folder / "result.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        if name in NETWORKS:
            found = network_candidate(name, train_slices, validation, folder, plan)
        else:
            kept = kept or heads.keep(runner, Stream(train_slices, Mixture(), arguments.seed), KEPT, arguments.seed)
            found = head_candidate(name, runner, kept, validation, folder, plan)
        (folder / "result.json").write_text(json.dumps({"name": name, "plan": plan, **found}))
        logging.info("%s: %s", name, json.dumps(found["real"]))


if __name__ == "__main__":
    main()
