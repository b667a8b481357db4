"""``python -m bayesmix``: the main job on real data."""

from __future__ import annotations

import bayesmix as bx


def main() -> None:
    """Fit the High School & Beyond model by REML and print it."""
    print("High School & Beyond: math ~ ses + (ses | school), 7,185 pupils in 160 schools.")
    print("First by REML; compiling the likelihood takes about 20 s the first time on a machine.\n", flush=True)
    model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    print(model.reml())


if __name__ == "__main__":
    main()
