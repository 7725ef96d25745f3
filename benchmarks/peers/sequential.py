"""The network-width study as a plain loop: one trial after the other, each on all cores.

python benchmarks/peers/sequential.py --data data
"""

from mnist import WIDTHS, arguments, show, train, work

if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    show(
        [
            {"width": width, "seed": seed, **train(width, seed, **work(given))}
            for width in WIDTHS
            for seed in range(given.seeds)
        ]
    )
