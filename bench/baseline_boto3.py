"""What a careful team writes by hand: boto3, a thread pool, paginators, JSON files, a zip with digests.

    python baseline_boto3.py FOLDER REGION...        (endpoint and credentials from the environment)

The measure of bench/run.py. It collects the ten lists of the evidence table and the details of web ACLs, load
balancers and certificates; it knows no gaps, no redaction, no signature.
"""

import hashlib
import json
import pathlib
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

THREADS = 16
LISTS = (
    ("ec2", "describe_vpcs", "Vpcs"), ("ec2", "describe_subnets", "Subnets"),
    ("ec2", "describe_security_groups", "SecurityGroups"), ("ec2", "describe_network_acls", "NetworkAcls"),
    ("ec2", "describe_flow_logs", "FlowLogs"), ("ec2", "describe_route_tables", "RouteTables"),
    ("config", "describe_config_rules", "ConfigRules"),
)


class Script:
    """The clients (one for each service and region) and the folder."""

    def __init__(self, folder):
        self.folder, self.session, self.lock, self.clients = folder, boto3.Session(), threading.Lock(), {}
        self.config = Config(max_pool_connections=THREADS, retries={"mode": "adaptive", "max_attempts": 5})

    def client(self, service, region):
        with self.lock:
            if (service, region) not in self.clients:
                self.clients[service, region] = self.session.client(service, region_name=region, config=self.config)
            return self.clients[service, region]

    def pages(self, service, region, operation, key, **parameters):
        client = self.client(service, region)
        if client.can_paginate(operation):
            pages = client.get_paginator(operation).paginate(**parameters)
            return [entry for page in pages for entry in page.get(key, [])]
        return getattr(client, operation)(**parameters).get(key, [])

    def save(self, region, name, value):
        path = self.folder / region / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1, default=str), encoding="utf-8")

    def simple(self, region, service, operation, key):
        self.save(region, f"{service}-{operation}", self.pages(service, region, operation, key))

    def balancers(self, region):
        found = self.pages("elbv2", region, "describe_load_balancers", "LoadBalancers")
        self.save(region, "load-balancers", found)
        return [(self.balancer, region, entry["LoadBalancerArn"]) for entry in found]

    def balancer(self, region, arn):
        name = arn.split("/")[-1]
        listeners = self.pages("elbv2", region, "describe_listeners", "Listeners", LoadBalancerArn=arn)
        self.save(region, f"listeners-{name}", listeners)
        answer = self.client("elbv2", region).describe_load_balancer_attributes(LoadBalancerArn=arn)
        self.save(region, f"attributes-{name}", answer["Attributes"])

    def web_acls(self, region):
        found = self.client("wafv2", region).list_web_acls(Scope="REGIONAL")["WebACLs"]
        self.save(region, "web-acls", found)
        return [(self.web_acl, region, entry) for entry in found]

    def web_acl(self, region, entry):
        answer = self.client("wafv2", region).get_web_acl(Name=entry["Name"], Id=entry["Id"], Scope="REGIONAL")
        self.save(region, f"web-acl-{entry['Id']}", answer["WebACL"])

    def certificates(self, region):
        found = self.pages("acm", region, "list_certificates", "CertificateSummaryList")
        self.save(region, "certificates", found)
        return [(self.certificate, region, entry["CertificateArn"]) for entry in found]

    def certificate(self, region, arn):
        answer = self.client("acm", region).describe_certificate(CertificateArn=arn)
        self.save(region, f"certificate-{arn.split('/')[-1]}", answer["Certificate"])

    def run(self, regions):
        with ThreadPoolExecutor(THREADS) as pool:
            firsts = [
                pool.submit(list_of, region)
                for region in regions for list_of in (self.balancers, self.web_acls, self.certificates)
            ]
            rest = [pool.submit(self.simple, region, *what) for region in regions for what in LISTS]
            rest += [pool.submit(detail, *of) for first in firsts for detail, *of in first.result()]
            for each in rest:
                each.result()

    def bundle(self):
        digests = {}
        with zipfile.ZipFile(self.folder.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.folder.rglob("*.json")):
                data = path.read_bytes()
                digests[str(path.relative_to(self.folder))] = hashlib.sha256(data).hexdigest()
                archive.writestr(str(path.relative_to(self.folder)), data)
            archive.writestr("manifest.json", json.dumps(digests))


def main():
    script = Script(pathlib.Path(sys.argv[1]))
    script.run(sys.argv[2:])
    script.bundle()


if __name__ == "__main__":
    main()
