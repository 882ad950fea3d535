"""The network: a SAM-shaped image encoder and promptless heads, trained from scratch.

SAM's contract is kept: an image encoder with attention makes one embedding per slice, at a quarter
of the input's resolution, and any number of light heads read it. Beside it the encoder gives a thin
map at half resolution for what is smaller than a cell of the embedding, as SAM 2's does
(arXiv:2408.00714). The layers are chosen for plain CPUs: patchify stems (stride = size), dense 3x3
convolutions at a quarter of the resolution and below, attention over 256 tokens, depth-to-space
instead of interpolation. Narrow 3x3 convolutions at half resolution and above cost tract several
times what they cost elsewhere: there are two, of 16 channels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from .data import REGIONS, SIZE

CLASSES = 3


@dataclass(frozen=True)
class Widths:
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution, of the embedding, and the attention depth."""

    half: int = 16
    quarter: int = 48
    eighth: int = 128
    sixteenth: int = 192
    embedding: int = 64
    blocks: int = 3
    heads: int = 6

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation, which folds into it at export."""
    padding = size // 2 if stride == 1 else 0
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = conv(width, width, 3)
        self.second = conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Attention(nn.Module):
    """A pre-norm transformer block over [B, N, C] tokens, with ReLU because it survives int8.

    N is fixed at construction: every reshape is then a constant in the exported graph.
    """

    def __init__(self, count: int, width: int, heads: int, ratio: int = 3):
        super().__init__()
        self.split, self.merged = (-1, count, 3, heads, width // heads), (-1, count, width)
        self.scale = (width // heads) ** -0.5
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.wide = nn.Linear(width, ratio * width)
        self.narrow = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm1(x)).reshape(self.split).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(qkv[0] @ qkv[1].transpose(-1, -2) * self.scale, dim=-1)
        x = x + self.out((scores @ qkv[2]).transpose(1, 2).reshape(self.merged))
        return x + self.narrow(torch.relu(self.wide(self.norm2(x))))


class Rise(nn.Module):
    """Doubles the resolution by depth-to-space and adds the finer features of the way down."""

    def __init__(self, inputs: int, skip: int, outputs: int):
        super().__init__()
        self.expand = conv(inputs, 4 * outputs, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.skip = conv(skip, outputs, 1)
        self.mix = Residual(outputs)

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        return self.mix(torch.relu(self.shuffle(self.expand(x)) + self.skip(finer)))


class Encoder(nn.Module):
    """Image [B, 3, S, S] in 0..1 -> embedding [B, E, S/4, S/4], skip [B, H, S/2, S/2], gate logits."""

    def __init__(self, widths: Widths, size: int = SIZE):
        super().__init__()
        w, grid = widths, size // 16
        self.coarse_shape = (-1, w.sixteenth, grid, grid)
        self.tokens_shape = (-1, w.sixteenth, grid * grid)
        self.fine_stem = conv(3, w.half, 2, 2)
        self.fine = conv(w.half, w.half, 3)
        self.stem = conv(3, w.quarter, 4, 4)
        self.stage1 = Residual(w.quarter)
        self.down2 = conv(w.quarter, w.eighth, 2, 2)
        self.stage2 = Residual(w.eighth)
        self.down3 = conv(w.eighth, w.sixteenth, 2, 2)
        self.position = nn.Parameter(torch.randn(1, grid * grid, w.sixteenth) * 0.02)
        self.blocks = nn.ModuleList(Attention(grid * grid, w.sixteenth, w.heads) for _ in range(w.blocks))
        self.norm = nn.LayerNorm(w.sixteenth, eps=1e-6)
        self.rise2 = Rise(w.sixteenth, w.eighth, w.eighth)
        self.rise1 = Rise(w.eighth, w.quarter, w.embedding)
        self.gate = nn.Linear(w.sixteenth, len(REGIONS))

    def context(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/4 and 1/8 of the resolution and the tokens [B, N, C] at 1/16."""
        quarter = self.stage1(torch.relu(self.stem(image)))
        eighth = self.stage2(torch.relu(self.down2(quarter)))
        tokens = self.down3(eighth).reshape(self.tokens_shape).transpose(1, 2) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return quarter, eighth, self.norm(tokens)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.with_coarse(image)[:3]

    def with_coarse(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The outputs and the coarse map [B, C, S/16, S/16] that training also supervises."""
        skip = torch.relu(self.fine(torch.relu(self.fine_stem(image))))
        quarter, eighth, tokens = self.context(image)
        coarse = tokens.transpose(1, 2).reshape(self.coarse_shape)
        embedding = self.rise1(self.rise2(coarse, eighth), quarter)
        return embedding, skip, self.gate(tokens.mean(dim=1)), coarse


class ConvHead(nn.Module):
    """Embedding and skip -> logits [B, 3, S, S]: a 3x3 layer at 1/4 and one at 1/2, and depth-to-space."""

    takes = ("embedding", "skip")

    def __init__(self, embedding: int, half: int, width: int = 48):
        super().__init__()
        self.layer = conv(embedding, width, 3)
        self.expand = conv(width, 4 * half, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.mix = conv(half, half, 3)
        self.classes = nn.Conv2d(half, 4 * CLASSES, 1)

    def forward(self, embedding: Tensor, skip: Tensor) -> Tensor:
        raised = self.shuffle(self.expand(torch.relu(self.layer(embedding))))
        mixed = torch.relu(self.mix(torch.relu(raised + skip)))
        return self.shuffle(self.classes(mixed))


class LinearHead(nn.Module):
    """The least a head can be: one 1x1 layer and depth-to-space, [B, 3, S/2, S/2]."""

    takes = ("embedding",)

    def __init__(self, embedding: int, half: int = 0):
        super().__init__()
        self.classes = nn.Conv2d(embedding, 4 * CLASSES, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, embedding: Tensor) -> Tensor:
        return self.shuffle(self.classes(embedding))


class AttentionHead(nn.Module):
    """SAM's mask decoder without prompts: a learned token per class attends to the embedding. At S/2."""

    takes = ("embedding",)

    def __init__(self, embedding: int, half: int = 0, blocks: int = 2, heads: int = 4):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(1, CLASSES, embedding) * 0.02)
        self.position = nn.Parameter(torch.randn(1, (SIZE // 16) ** 2, embedding) * 0.02)
        self.pool = conv(embedding, embedding, 4, 4)
        self.blocks = nn.ModuleList(Attention(CLASSES + (SIZE // 16) ** 2, embedding, heads) for _ in range(blocks))
        self.expand = nn.Conv2d(embedding, 4 * embedding, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, embedding: Tensor) -> Tensor:
        coarse = self.pool(embedding).flatten(2).transpose(1, 2) + self.position
        tokens = torch.cat([self.tokens.expand(embedding.shape[0], -1, -1), coarse], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        fine = torch.relu(self.shuffle(self.expand(embedding)))
        masks = tokens[:, :CLASSES] @ fine.flatten(2) * embedding.shape[1] ** -0.5
        return masks.reshape(fine.shape[0], CLASSES, fine.shape[2], fine.shape[3])


def answer(head: nn.Module, embedding: Tensor, skip: Tensor) -> Tensor:
    """The head's logits, from what it takes."""
    given = {"embedding": embedding, "skip": skip}
    return head(*(given[name] for name in head.takes))


HEADS = {"conv": ConvHead, "linear": LinearHead, "attention": AttentionHead}


class Model(nn.Module):
    """Encoder and head together, with the coarse output that only training uses."""

    def __init__(self, widths: Widths, head: str = "conv"):
        super().__init__()
        self.widths, self.head_name = widths, head
        self.encoder = Encoder(widths)
        self.head = HEADS[head](widths.embedding, widths.half)
        self.coarse = nn.Conv2d(widths.sixteenth, CLASSES, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [B, 3, S, S] or at half of it, gate logits [B, regions], coarse logits [B, 3, S/16, S/16]."""
        embedding, skip, gate, coarse = self.encoder.with_coarse(image)
        return answer(self.head, embedding, skip), gate, self.coarse(coarse)
