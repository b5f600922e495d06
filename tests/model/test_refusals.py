"""Refusals of every service, read by us and by botocore: same code, message and request id."""

import json
import random

import converter
import reference
import responses

SEED = 20261124
CODES = ["UnauthorizedOperation", "AccessDenied", "NoSuchBucketPolicy", "Throttling", "WAFNonexistentItemException"]


def refusal(rnd, service):
    """(body, headers) as the service would send them."""
    sender = responses.XmlSender(rnd, {})
    code, message = rnd.choice(CODES), rnd.choice([text for text in responses.STRINGS if text])
    protocol = service.metadata["protocol"]
    if protocol == "json":
        code = rnd.choice(["", "com.amazonaws.x#"]) + code + rnd.choice(["", ":http://internal.amazon.com/"])
        body = {"__type": code, rnd.choice(["message", "Message"]): message, "Extra": [1]}
        return json.dumps(body).encode(), {"x-amzn-requestid": "e1b2"}
    parts = [sender.element("Code", code), sender.element("Message", sender.text(message))]
    if protocol == "rest-xml":
        parts += [sender.element("RequestId", "e1b2"), sender.element("HostId", "h")]
    if protocol == "query":
        parts.append(sender.element("Type", "Sender"))
    rnd.shuffle(parts)
    error = f"<Error>{sender.gap()}{sender.gap().join(parts)}</Error>"
    if protocol == "ec2":
        error = f"<Response><Errors>{error}</Errors><RequestID>e1b2</RequestID></Response>"
    if protocol == "query":
        error = f'<ErrorResponse xmlns="urn:x">{error}<RequestId>e1b2</RequestId></ErrorResponse>'
    return (sender.prologue() + error).encode(), {"x-amz-request-id": "e1b2"} if protocol == "rest-xml" else {}


def test_refusals_read_as_botocore_reads_them():
    rnd = random.Random(SEED)
    services = {service.service_name: (service, operation) for service, operation in reference.operations()}
    cases = [(*pair, *refusal(rnd, pair[0])) for pair in services.values() for _ in range(60)]
    answers = converter.convert(
        [
            converter.call(service.service_name, operation.name, [body], status=400, headers=headers)
            for service, operation, body, headers in cases
        ]
    )
    for (service, operation, body, headers), answer in zip(cases, answers):
        theirs = reference.parsed(service, operation, body, status=400, headers=headers)
        expected = {
            "code": theirs["Error"]["Code"],
            "message": theirs["Error"]["Message"],
            "request_id": theirs["ResponseMetadata"]["RequestId"],
            "region": None,
        }
        assert answer["refusal"] == expected, (SEED, body)
    print(f"seed {SEED}: {len(cases)} refusals")
