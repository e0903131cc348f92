"""Draws build/loss.csv as loss.png."""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent

rows = [(int(s), float(loss)) for s, loss, *_ in csv.reader(open(HERE / "build" / "loss.csv"))]
steps, losses = zip(*rows)
smooth, mean = [], losses[0]
for value in losses:
    mean = 0.95 * mean + 0.05 * value
    smooth.append(mean)
plt.figure(figsize=(6, 3), dpi=80)
plt.semilogy(steps, losses, color="lightgray", linewidth=0.8, label="of each step")
plt.semilogy(steps, smooth, color="black", linewidth=1.2, label="moving mean")
plt.xlabel("step of 4,096 tokens")
plt.ylabel("nats per token of answers")
plt.legend(frameon=False)
plt.tight_layout()
plt.savefig(HERE / "loss.png")
