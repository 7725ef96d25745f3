"""What the searches of all tools are given."""

import argparse


def arguments(said: str | None) -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--folder", required=True)
    words.add_argument("--sampler", default="tpe")
    words.add_argument("--budget", type=int, default=64)
    words.add_argument("--repeat", type=int, default=0, help="chooses the noise, and the sampler's seed")
    words.add_argument("--seconds", type=float, default=0.0, help="of a trial")
    words.add_argument("--at-once", type=int, default=1)
    return words
