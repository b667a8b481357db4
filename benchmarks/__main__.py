"""``python -m benchmarks``: measure, print, and write RESULTS.md."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks import bootstrap, likelihood, machine, nuts, reml, startup

RESULTS = Path(__file__).parent / "RESULTS.md"
TOPICS = {
    "reml": reml.report,
    "nuts": nuts.report,
    "import": startup.report_imports,
    "cold": startup.report_cold,
    "likelihood": likelihood.report,
    "bootstrap": bootstrap.report,
}


def main() -> None:
    """Run the topics asked for; only a full run replaces RESULTS.md by itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed of bayesmix beside its peers.")
    parser.add_argument("--only", metavar="TOPIC,...", help=f"some of {','.join(TOPICS)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it runs")
    parser.add_argument("--output", type=Path, help=f"file for the tables; a full run writes {RESULTS.name}")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else list(TOPICS)
    unknown = sorted(set(chosen) - set(TOPICS))
    if unknown:
        parser.error(f"no topic {', '.join(unknown)}; expected some of {', '.join(TOPICS)}")
    output = options.output or (None if options.only or options.quick else RESULTS)

    head = "All numbers of a section were measured in one run of `python -m benchmarks`, the contestants in turns."
    if options.quick:
        head += " **A quick run: few repetitions, do not quote.**"
    parts = ["# Benchmarks", head, machine.facts()]
    print("\n\n".join(parts), flush=True)
    for topic in TOPICS:
        if topic in chosen:
            parts.append(TOPICS[topic](options.quick))
            print(f"\n{parts[-1]}", flush=True)
    parts.append("Load average at the end: " + ", ".join(f"{value:.2f}" for value in os.getloadavg()) + ".")
    print(f"\n{parts[-1]}")
    if output:
        output.write_text("\n\n".join(parts) + "\n")
        print(f"\nWritten to {output}.")


if __name__ == "__main__":
    main()
