"""What the other tests believe about the servers they ask."""

import contextlib
import json
import subprocess
import sys
import urllib.request

import boto3
import pytest

import emulators
import populate

REGION = "eu-central-1"
SMALL = {"vpcs": 3, "subnets": 6, "groups": 16, "balancers": 2, "acls": 2, "buckets": 2}


def client(server, service):
    return boto3.client(
        service, region_name=REGION, endpoint_url=server.address, aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def listening(port):
    """Local addresses, as the kernel writes them, that a port is bound to."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as lines:
            for line in list(lines)[1:]:
                _, local, _, state, *_ = line.split()
                address, number = local.split(":")
                if state == "0A" and int(number, 16) == port:
                    found.add(address)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "moto.jsonl"
    with emulators.moto(log=log) as started:
        started.log = log
        yield started


@pytest.mark.parametrize("start", [emulators.moto, emulators.ministack])
def test_an_emulator_listens_on_loopback_only_and_is_gone_afterwards(start):
    with start() as started:
        port = int(started.address.rsplit(":", 1)[1])
        assert listening(port) == {"0100007F"}
    assert listening(port) == set()


def test_an_emulator_that_cannot_start_says_why():
    broken = [sys.executable, "-c", "import sys; sys.exit('no luck today')"]
    with pytest.raises(RuntimeError, match="no luck today"), emulators.started("moto", broken, {}) as (process, words):
        emulators.first_line("moto", process, words)


def test_the_same_seed_makes_the_same_ids_in_a_moto_started_anew():
    ids = []
    for _ in range(2):
        with emulators.moto() as started:
            made = populate.populate(started.address, [REGION], SMALL, is_moto=True)
        assert made["cannot"] == {}
        ids.append([vpc["id"] for vpc in made["regions"][REGION]["vpcs"]])
    assert ids[0] == ids[1]


def test_each_request_is_logged_with_what_it_asked(server):
    client(server, "ec2").describe_vpcs()
    client(server, "wafv2").list_web_acls(Scope="REGIONAL")
    client(server, "s3").list_buckets()
    lines = [json.loads(line) for line in server.log.read_text(encoding="utf-8").splitlines()][-3:]
    assert [(line["service"], line["action"]) for line in lines] == [
        ("ec2", "DescribeVpcs"), ("wafv2", "ListWebACLs"), ("s3", "ListBuckets"),
    ]
    assert all(line["region"] == REGION and line["status"] == "200" and line["bytes"] > 0 for line in lines)


def test_connections_stay_open(server):
    import http.client

    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=20)
    used = set()
    for _ in range(3):
        connection.request("GET", "/moto-api/data.json")
        connection.getresponse().read()
        used.add(id(connection.sock))
    assert len(used) == 1 and None not in used


def test_filled_gaps_page_to_the_end_and_count_what_is_there(server):
    populate.populate(server.address, [REGION], SMALL, is_moto=True)
    config, groups = client(server, "config"), client(server, "ec2").describe_security_groups()["SecurityGroups"]
    pages = list(config.get_paginator("get_compliance_details_by_config_rule").paginate(
        ConfigRuleName="restricted-ssh", PaginationConfig={"PageSize": 5},
    ))
    assert len(pages) > 2
    seen = [
        result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"]
        for page in pages for result in page["EvaluationResults"]
    ]
    assert sorted(seen) == sorted(group["GroupId"] for group in groups)


def test_tls_is_served_with_the_given_certificate(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True,
    )
    import ssl

    with emulators.moto(cert=cert, key=key) as started:
        context = ssl.create_default_context(cafile=cert)
        with urllib.request.urlopen(started.address + "/moto-api/data.json", context=context, timeout=20) as answer:
            assert answer.status == 200
