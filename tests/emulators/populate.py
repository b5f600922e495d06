"""Fills an emulator with one repeatable account of network resources, in several regions.

    python populate.py --endpoint http://127.0.0.1:5060 [--regions a,b] [--vpcs N ...] [--manifest FILE]

Promises: the same seed and counts make the same resources (with the same ids in a moto started anew, whose generator
is seeded); every call of the evidence table finds something where the emulator knows how to make it; the manifest says
what there is and which calls the emulator could not do. Refused: stopping at a call that an emulator lacks; guessing
ids. Certificates expire relative to the day of the run.
"""

import argparse
import json
import time
import urllib.request

import boto3
from botocore.config import Config

import populate_balancers
import populate_buckets
import populate_network

COUNTS = {"vpcs": 3, "subnets": 9, "groups": 24, "balancers": 5, "acls": 3, "buckets": 8}
BENCH = {"vpcs": 5, "subnets": 60, "groups": 200, "balancers": 10, "acls": 4, "buckets": 8}


class Population:
    """One account being filled: clients, counts, what was made, what could not be."""

    def __init__(self, endpoint, regions, counts, seed):
        self.endpoint, self.regions, self.counts, self.seed = endpoint, regions, counts, seed
        self.session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
        self.config = Config(retries={"max_attempts": 1}, read_timeout=120, s3={"addressing_style": "path"})
        self.made = {"seed": seed, "counts": counts, "regions": {region: {} for region in regions}, "buckets": []}
        self.cannot = {}

    def client(self, service, region):
        return self.session.client(service, region_name=region, endpoint_url=self.endpoint, config=self.config)

    def attempt(self, call, **parameters):
        """The call's answer, or None where the emulator cannot do it, which is remembered."""
        try:
            return call(**parameters)
        except Exception as error:  # each emulator fails in its own ways
            self.cannot.setdefault(call.__name__, (str(error).splitlines() or [type(error).__name__])[0][:200])
            return None


def seed_moto(endpoint, seed):
    """Empties moto and seeds its generator of ids."""
    for path in ("/moto-api/reset", f"/moto-api/seed?a={seed}"):
        urllib.request.urlopen(urllib.request.Request(endpoint + path, method="POST"), timeout=60).read()


def populate(endpoint, regions, counts=None, seed=42, is_moto=False):
    """Makes everything; gives the manifest."""
    if is_moto:
        seed_moto(endpoint, seed)
    population = Population(endpoint, regions, COUNTS | (counts or {}), seed)
    begun = time.monotonic()
    populate_buckets.buckets(population)  # first: flow logs need theirs
    for index, region in enumerate(regions):
        populate_network.network(population, index, region)
        populate_balancers.balancers(population, region)
    made = population.made
    made["cannot"] = population.cannot
    made["seconds"] = round(time.monotonic() - begun, 1)
    return made


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--endpoint", required=True)
    ask.add_argument("--regions", default="us-east-1,eu-central-1")
    ask.add_argument("--seed", type=int, default=42)
    ask.add_argument("--moto", action="store_true", help="the endpoint is moto: empty it and seed its ids first")
    ask.add_argument("--manifest")
    for name, count in COUNTS.items():
        ask.add_argument(f"--{name}", type=int, default=count)
    args = ask.parse_args()
    counts = {name: getattr(args, name) for name in COUNTS}
    made = populate(args.endpoint, args.regions.split(","), counts, args.seed, args.moto)
    if args.manifest:
        with open(args.manifest, "w", encoding="utf-8") as out:
            json.dump(made, out, indent=1)
    print(f"{len(made['regions'])} regions in {made['seconds']} s; not possible: {json.dumps(made['cannot'], indent=1)}")


if __name__ == "__main__":
    main()
