"""The image encoder and its land-use head in plain PyTorch: what the Keras network is held against.

Layer for layer `encoders.image_encoder` with its defaults: learned positions, pre-norm, tanh GELU,
mean over the tokens; attention is torch's own `scaled_dot_product_attention`.
"""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from spatialnet_keras.config import Config, ModelConfig, Pixels


class Block(nn.Module):
    """Pre-norm self-attention and MLP: [B, N, D] -> [B, N, D]."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width, hidden = config.width, config.width * config.mlp_ratio
        self.heads = config.heads
        self.norm_1 = nn.LayerNorm(width, eps=1e-6)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Adds both branches."""
        x = x + self.dropout(self._attention(self.norm_1(x)))
        return x + self.dropout(self.mlp(self.norm_2(x)))

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.query_key_value(x).unflatten(-1, (3, self.heads, -1))  # [B, N, 3, H, D / H]
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        x = functional.scaled_dot_product_attention(query, key, value)
        return self.out(x.transpose(1, 2).flatten(2))


class LandUseNetwork(nn.Module):
    """uint8 tiles [B, S, S, C] -> logits [B, K]."""

    def __init__(self, config: ModelConfig, pixels: Pixels, classes: int):
        super().__init__()
        self.register_buffer("mean", torch.tensor(pixels.mean))
        self.register_buffer("deviation", torch.tensor(pixels.deviation))
        self.patches = nn.Conv2d(
            pixels.bands, config.width, config.patch_size, stride=config.patch_size
        )
        self.positions = nn.Parameter(0.02 * torch.randn(config.tokens, config.width))
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Mean of the encoded patches -> linear."""
        x = (images.float() - self.mean) / self.deviation
        x = self.patches(x.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        x = self.blocks(self.dropout(x + self.positions))
        return self.head(self.norm(x).mean(dim=1))


class Trainer:
    """Trains a network on one batch over and over, as `training.compiling.compile_model` would.

    Args:
        network: What to train.
        config: Of the run: AdamW, clipping, label smoothing, dtype.
        images: uint8 [B, S, S, C].
        labels: Class ids [B].
    """

    def __init__(self, network: LandUseNetwork, config: Config, images, labels):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32, as `compile_model` sets it
        self.network = network.to(self.device).train()
        self.images = torch.as_tensor(images, device=self.device)
        self.labels = torch.as_tensor(labels, dtype=torch.long, device=self.device)
        self.settings = config.train
        parameters = list(network.parameters())
        matrices = [each for each in parameters if each.ndim > 1 and each is not network.positions]
        rest = [each for each in parameters if each.ndim == 1] + [network.positions]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.train.weight_decay},
                {"params": rest, "weight_decay": 0.0},
            ],
            lr=config.train.learning_rate,
            fused=True,  # the quickest of torch's three
        )

    def step(self) -> float:
        """One step; the loss, so that the device has finished."""
        low = self.settings.dtype == "mixed_bfloat16"
        with torch.autocast(self.device, torch.bfloat16, enabled=low):
            logits = self.network(self.images)
        loss = functional.cross_entropy(
            logits.float(), self.labels, label_smoothing=self.settings.label_smoothing
        )
        self.optimizer.zero_grad()
        loss.backward()
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return loss.item()

    def operations(self) -> int:
        """Floating-point operations of a step, forwards and backwards: those of its matrices."""
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            self.step()  # the fused kernels are not counted on every device
        return counter.get_total_flops()
