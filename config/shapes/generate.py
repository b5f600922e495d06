#!/usr/bin/env python3
"""Cuts the response-shape tables out of botocore's service models.

    python generate.py --out config/shapes

One `<service>.json` for each service of OPERATIONS, and `partitions.json` with the regions of each partition. They
hold names, types and bounds: data, no prose. `evidenced-core` embeds them, so a change of the pinned botocore shows
as a reviewed difference here (tests/model/test_shapes_current.py regenerates and compares byte for byte).

Refused, with a message, rather than guessed: an operation, a type, a response location or a paginator expression that
the converter does not know.
"""

import argparse
import json
import sys
from pathlib import Path

import botocore
import botocore.loaders

# The API calls of the evidence catalogue and of finding one's way to the accounts.
OPERATIONS = {
    "acm": ["DescribeCertificate", "ListCertificates"],
    "config": [
        "DescribeComplianceByConfigRule",
        "DescribeConfigRuleEvaluationStatus",
        "DescribeConfigRules",
        "DescribeConfigurationRecorderStatus",
        "DescribeConfigurationRecorders",
        "DescribeConformancePacks",
        "DescribeDeliveryChannels",
        "GetComplianceDetailsByConfigRule",
    ],
    "ec2": [
        "DescribeAddresses",
        "DescribeEgressOnlyInternetGateways",
        "DescribeFlowLogs",
        "DescribeInstances",
        "DescribeInternetGateways",
        "DescribeManagedPrefixLists",
        "DescribeNatGateways",
        "DescribeNetworkAcls",
        "DescribeNetworkInterfaces",
        "DescribeRegions",
        "DescribeRouteTables",
        "DescribeSecurityGroupRules",
        "DescribeSecurityGroups",
        "DescribeStaleSecurityGroups",
        "DescribeSubnets",
        "DescribeTransitGatewayAttachments",
        "DescribeTransitGatewayRouteTables",
        "DescribeTransitGateways",
        "DescribeVpcBlockPublicAccessExclusions",
        "DescribeVpcBlockPublicAccessOptions",
        "DescribeVpcEndpoints",
        "DescribeVpcPeeringConnections",
        "DescribeVpcs",
        "DescribeVpnConnections",
        "GetManagedPrefixListEntries",
        "SearchTransitGatewayRoutes",
    ],
    "elbv2": [
        "DescribeListenerCertificates",
        "DescribeListeners",
        "DescribeLoadBalancerAttributes",
        "DescribeLoadBalancers",
        "DescribeRules",
        "DescribeSSLPolicies",
        "DescribeTargetGroups",
    ],
    "organizations": ["ListAccounts"],
    "s3": [
        "GetBucketEncryption",
        "GetBucketLocation",
        "GetBucketLogging",
        "GetBucketPolicy",
        "GetBucketPolicyStatus",
        "GetBucketVersioning",
        "GetObjectLockConfiguration",
        "GetPublicAccessBlock",
        "ListBuckets",
    ],
    "sts": ["AssumeRole", "GetCallerIdentity"],
    "wafv2": [
        "DescribeManagedRuleGroup",
        "GetIPSet",
        "GetLoggingConfiguration",
        "GetRegexPatternSet",
        "GetRuleGroup",
        "GetWebACL",
        "ListLoggingConfigurations",
        "ListResourcesForWebACL",
        "ListWebACLs",
    ],
}

# Operations that answer in pages though botocore has no paginator for them: the CLI prints one page, we ask for all.
OWN_PAGINATORS = {
    ("ec2", "DescribeVpcBlockPublicAccessExclusions"): {
        "input_token": "NextToken",
        "output_token": "NextToken",
        "limit_key": "MaxResults",
        "result_key": "VpcBlockPublicAccessExclusions",
    },
    ("wafv2", "ListLoggingConfigurations"): {
        "input_token": "NextMarker",
        "output_token": "NextMarker",
        "limit_key": "Limit",
        "result_key": "LoggingConfigurations",
    },
    ("wafv2", "ListWebACLs"): {
        "input_token": "NextMarker",
        "output_token": "NextMarker",
        "limit_key": "Limit",
        "result_key": "WebACLs",
    },
}

# Page-size bounds that the API reference states and the model lacks.
PAGE_SIZES = {
    ("ec2", "DescribeFlowLogs"): (5, 1000),
    ("ec2", "DescribeInstances"): (5, 1000),
    ("ec2", "DescribeVpcEndpoints"): (5, 1000),  # "greater than 1,000: we return only 1,000"
}

# Root elements of S3 that the model does not have, as S3 sends them.
S3_ROOTS = {
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketVersioning": "VersioningConfiguration",
    "ListBuckets": "ListAllMyBucketsResult",
}

# The root element itself holds the one member's text (the model cannot say so).
S3_UNWRAPPED = {"GetBucketLocation": "LocationConstraint"}

# The body is a JSON text that the model calls a string.
S3_JSON_PAYLOADS = {"GetBucketPolicy"}

# Namespaces as they stand in responses, where the model's own differs or is absent.
XML_NAMESPACES = {
    "ec2": "http://ec2.amazonaws.com/doc/2016-11-15/",
    "s3": "http://s3.amazonaws.com/doc/2006-03-01/",
}

SCALARS = {
    "blob": "blob",
    "boolean": "boolean",
    "character": "string",
    "double": "float",
    "float": "float",
    "integer": "integer",
    "long": "integer",
    "string": "string",
    "timestamp": "timestamp",
}

PROTOCOLS = {"ec2", "query", "rest-xml", "json"}


def refuse(reason):
    sys.exit(f"generate.py: {reason}")


def as_list(value):
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class Tables:
    """The model of one service, read into one table."""

    def __init__(self, loader, service):
        self.service = service
        self.model = loader.load_service_model(service, "service-2")
        self.paginators = loader.load_service_model(service, "paginators-1")["pagination"]
        self.metadata = self.model["metadata"]
        self.protocol = self.metadata["protocol"]
        if self.protocol not in PROTOCOLS:
            refuse(f"{service} speaks {self.protocol}")
        self.is_xml = self.protocol != "json"
        self.shapes = {}

    def raw(self, name):
        return self.model["shapes"][name]

    def type_of(self, name):
        """The table's word for a shape; walks into what is not a scalar."""
        shape = self.raw(name)
        if shape.get("document"):
            return "document"
        if shape["type"] in SCALARS:
            return SCALARS[shape["type"]]
        self.walk(name)
        return f"#{name}"

    def walk(self, name):
        if name in self.shapes:
            return
        shape = self.raw(name)
        self.shapes[name] = None  # a shape may hold itself (a WAF statement does)
        if shape["type"] == "structure":
            table = {"members": [self.member(n, ref) for n, ref in shape["members"].items()]}
            if shape.get("union"):
                table["union"] = True
        elif shape["type"] == "list":
            table = {
                "list": self.type_of(shape["member"]["shape"]),
                "wire": shape["member"].get("locationName", "member"),
            }
        elif shape["type"] == "map":
            table = {
                "map": self.type_of(shape["value"]["shape"]),
                "key": shape["key"].get("locationName", "key"),
                "value": shape["value"].get("locationName", "value"),
            }
        else:
            refuse(f"{self.service} shape {name} is a {shape['type']}")
        self.shapes[name] = table

    def member(self, name, reference):
        shape = self.raw(reference["shape"])
        # What the reference says wins over what the shape says, as in botocore.
        traits = {**shape, **reference}
        wire = reference.get("locationName", name)
        row = {"name": name, "type": self.type_of(reference["shape"])}
        if self.is_xml and traits.get("flattened"):
            row["flattened"] = True
            if shape["type"] == "list":
                wire = shape["member"].get("locationName", wire)
        if traits.get("xmlAttribute"):
            row["attribute"] = True
            row["namespace"] = "http://www.w3.org/2001/XMLSchema-instance"
            if not wire.startswith("xsi:"):
                refuse(f"{self.service} member {name} is the attribute {wire}")
        if "location" in reference:
            if reference["location"] != "header":
                refuse(f"{self.service} response member {name} comes from {reference['location']}")
            row["location"] = reference["location"]
        if traits.get("eventstream") or traits.get("jsonvalue") or traits.get("streaming"):
            refuse(f"{self.service} response member {name} is a stream or JSON in a header")
        if traits.get("sensitive"):
            row["sensitive"] = True
        if wire != name:
            row["wire"] = wire
        return row

    def input_member(self, name, reference, required):
        """One top-level parameter: its name in the CLI and before any list index in the request."""
        shape = self.raw(reference["shape"])
        wire = reference.get("locationName", name)
        if self.protocol == "ec2":
            wire = reference.get("queryName") or wire[0].upper() + wire[1:]
        elif self.protocol == "query" and shape["type"] == "list" and not shape.get("flattened"):
            wire = f"{wire}.{shape['member'].get('locationName', 'member')}"
        row = {"name": name, "wire": wire, "type": SCALARS.get(shape["type"], shape["type"])}
        if name in required:
            row["required"] = True
        for bound in ("min", "max"):
            if bound in shape and shape["type"] in ("integer", "long"):
                row[bound] = shape[bound]
        if "enum" in shape:
            row["values"] = shape["enum"]
        return row

    def input_members(self, operation):
        if "input" not in operation:
            return []
        shape = self.raw(operation["input"]["shape"])
        required = set(shape.get("required", []))
        return [self.input_member(n, ref, required) for n, ref in shape["members"].items()]

    def output_type(self, operation_name, member):
        """The type of a top-level member of an operation's output."""
        shape = self.raw(self.model["operations"][operation_name]["output"]["shape"])
        if member not in shape["members"]:
            refuse(f"{self.service} {operation_name}: the paginator names {member!r}, which is no top-level member")
        return self.raw(shape["members"][member]["shape"])["type"]

    def paginator(self, name):
        own = OWN_PAGINATORS.get((self.service, name))
        theirs = self.paginators.get(name)
        if own and theirs:
            refuse(f"{self.service} {name}: botocore has a paginator now, remove ours")
        page = own or theirs
        operation = self.model["operations"][name]
        if not page:
            tokens = {"NextToken", "NextMarker", "Marker", "ContinuationToken"}
            if tokens & set(self.raw(operation["output"]["shape"])["members"]):
                refuse(f"{self.service} {name} answers in pages and has no paginator")
            return None
        row = {
            "input_tokens": as_list(page["input_token"]),
            "output_tokens": as_list(page["output_token"]),
            "result_keys": as_list(page["result_key"]),
            "non_aggregate_keys": as_list(page.get("non_aggregate_keys")),
            "from_botocore": own is None,
        }
        for key in row["result_keys"]:
            if self.output_type(name, key) != "list":
                refuse(f"{self.service} {name}: result key {key} is not a list")
        for key in row["output_tokens"]:
            if self.output_type(name, key) != "string":
                refuse(f"{self.service} {name}: output token {key} is not a string")
        for key in row["non_aggregate_keys"]:
            self.output_type(name, key)
        if "more_results" in page:
            if self.output_type(name, page["more_results"]) != "boolean":
                refuse(f"{self.service} {name}: {page['more_results']} is not a boolean")
            row["more_results"] = page["more_results"]
        if "limit_key" in page:
            row["limit_key"] = page["limit_key"]
            members = self.raw(operation["input"]["shape"])["members"]
            limit = self.raw(members[page["limit_key"]]["shape"])
            documented = PAGE_SIZES.get((self.service, name), (None, None))
            if "max" in limit and documented != (None, None):
                refuse(f"{self.service} {name}: the model has page-size bounds now, remove ours")
            least, most = limit.get("min", documented[0]), limit.get("max", documented[1])
            if most is None:
                refuse(f"{self.service} {name}: no maximum for {page['limit_key']}")
            row["page_size_min"], row["page_size_max"] = least, most
        return row

    def root(self, name, output):
        """The root element of the response, None where the body is not XML."""
        if self.protocol in ("ec2", "query"):
            return f"{name}Response"
        if self.protocol == "json":
            return None
        if "payload" in output:
            payload = output["members"][output["payload"]]
            if self.raw(payload["shape"])["type"] in ("string", "blob"):
                return None
            return payload.get("locationName", output["payload"])
        if name not in S3_ROOTS:
            refuse(f"{self.service} {name}: the root element is not known")
        return S3_ROOTS[name]

    def operation(self, name):
        if name not in self.model["operations"]:
            refuse(f"{self.service} has no operation {name}")
        operation = self.model["operations"][name]
        row = {"method": operation["http"]["method"], "uri": operation["http"]["requestUri"]}
        row["input"] = self.input_members(operation)
        if "output" in operation:
            output = self.raw(operation["output"]["shape"])
            row["output"] = operation["output"]["shape"]
            self.walk(row["output"])
            for key, value in (
                ("root", self.root(name, output)),
                ("result_wrapper", operation["output"].get("resultWrapper")),
                ("payload", output.get("payload")),
                ("payload_is_json", name in S3_JSON_PAYLOADS or None),
                ("unwrapped", S3_UNWRAPPED.get(name)),
                ("paginator", self.paginator(name)),
            ):
                if value is not None:
                    row[key] = value
        return row

    def table(self):
        operations = {name: self.operation(name) for name in OPERATIONS[self.service]}
        head = {
            "service": self.service,
            "service_id": self.metadata["serviceId"],
            "protocol": self.protocol,
            "api_version": self.metadata["apiVersion"],
            "endpoint_prefix": self.metadata["endpointPrefix"],
            "signing_name": self.metadata.get("signingName", self.metadata["endpointPrefix"]),
            "xml_namespace": XML_NAMESPACES.get(self.service, self.metadata.get("xmlNamespace")),
            "target_prefix": self.metadata.get("targetPrefix"),
            "json_version": self.metadata.get("jsonVersion"),
            "botocore": botocore.__version__,
        }
        head = {key: value for key, value in head.items() if value is not None}
        return {**head, "operations": operations, "shapes": self.shapes}


def partitions(loader):
    """Partition -> regions, and where each service is offered as far as botocore's endpoints say."""
    endpoints = {p["partition"]: p for p in loader.load_data("endpoints")["partitions"]}
    prefixes = {
        service: loader.load_service_model(service, "service-2")["metadata"]["endpointPrefix"]
        for service in sorted(OPERATIONS)
    }
    rows = []
    for partition in loader.load_data("partitions")["partitions"]:
        described = endpoints[partition["id"]]
        names = {name for name in partition["regions"] if not name.endswith("-global")}
        services, single = {}, {}
        for service, prefix in prefixes.items():
            if prefix not in described["services"]:
                continue  # not described is not the same as not offered
            entry = described["services"][prefix]
            where = entry.get("endpoints", {})
            if entry.get("isRegionalized", True):
                services[service] = sorted(name for name in where if name in described["regions"])
            else:
                single[service] = where[entry["partitionEndpoint"]]["credentialScope"]["region"]
        rows.append(
            {
                "id": partition["id"],
                "dns_suffix": partition["outputs"]["dnsSuffix"],
                "regions": sorted(names | set(described["regions"])),
                # Regions of which botocore does not say what they offer.
                "undescribed": sorted(names - set(described["regions"])),
                "services": services,
                "single_region_services": single,
            }
        )
    return {"botocore": botocore.__version__, "partitions": rows}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def block(items):
    """An object with one line for each member: a model update reads as a list of changed shapes."""
    return "{\n" + ",\n".join(f"{json.dumps(key)}:{compact(items[key])}" for key in sorted(items)) + "\n}"


def service_text(table):
    lines = [f"{json.dumps(key)}:{compact(value)}" for key, value in table.items() if key not in ("operations", "shapes")]
    lines.append('"operations":' + block(table["operations"]))
    lines.append('"shapes":' + block(table["shapes"]))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def partitions_text(table):
    rows = ",\n".join(compact(row) for row in table["partitions"])
    return f'{{\n"botocore":{json.dumps(table["botocore"])},\n"partitions":[\n{rows}\n]\n}}\n'


def files():
    """Every generated file: name -> text."""
    loader = botocore.loaders.create_loader()
    texts = {f"{service}.json": service_text(Tables(loader, service).table()) for service in OPERATIONS}
    texts["partitions.json"] = partitions_text(partitions(loader))
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        json.loads(text)
        (out / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
