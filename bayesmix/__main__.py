"""``python -m bayesmix``: the main job on real data."""

from __future__ import annotations

import time
from pathlib import Path

import bayesmix as bx


def main() -> None:
    """Fit the High School & Beyond model by REML and by NUTS, compare, and save the posterior."""
    print("High School & Beyond: math ~ ses + (ses | school), 7,185 pupils in 160 schools,")
    print("by REML, then by NUTS from the same likelihood, then side by side.")
    print("The first time on a machine, compiling takes about half a minute; after that some seconds.\n", flush=True)
    begun = time.perf_counter()
    model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    reml = model.reml()
    print(reml, "\n", flush=True)
    post = model.sample(seed=20)
    print(post, "\n")
    print(bx.compare(reml, post), "\n")
    path = post.save(Path("hsb.nc"))
    print(
        f"Posterior saved to {path} ({path.stat().st_size / 1e6:.1f} MB). {time.perf_counter() - begun:.0f} s in all."
    )


if __name__ == "__main__":
    main()
