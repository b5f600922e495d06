"""Whether IAM would allow a request: the part of its policy language that the templates use, and an error for the rest.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: an explicit Deny wins; within
an account the identity's or the resource's Allow is enough, across accounts both are needed. A key's policy always has
its word: without it the identity's Allow counts only where the policy names the account. A negated operator holds where
the key is absent from the request, other operators do not.
"""

import dataclasses
import re

DENIED, ALLOWED, SILENT = "denied", "allowed", "silent"


@dataclasses.dataclass
class Request:
    """Who asks for what. `context` holds the keys that this request carries, and no others."""

    principal: str
    action: str
    resource: str
    context: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        defaults = {"aws:PrincipalArn": self.principal, "aws:SecureTransport": "true"}
        if self.action.startswith("s3:"):
            defaults["s3:TlsVersion"] = "1.3"
        self.context = {key.lower(): value for key, value in (defaults | self.context).items()}


def account(arn):
    return arn.split(":")[4]


def listed(it):
    return it if isinstance(it, list) else [it]


def like(pattern, text):
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _equal(wanted, found):
    return str(wanted) == str(found)


def _number(wanted, found):
    return float(found) < float(wanted)


OPERATORS = {
    "StringEquals": (_equal, False), "StringNotEquals": (_equal, True), "ArnEquals": (like, False),
    "ArnLike": (like, False), "ArnNotEquals": (like, True), "StringLike": (like, False),
    "StringLikeIfExists": (like, False), "Bool": (lambda wanted, found: str(wanted).lower() == str(found).lower(), False),
    "NumericLessThan": (_number, False),
}


def holds(conditions, context):
    return all(_holds(operator, keys, context) for operator, keys in conditions.items())


def _holds(operator, keys, context):
    for key, wanted in keys.items():
        found = context.get(key.lower())
        if operator == "Null":
            if (found is None) != (str(listed(wanted)[0]).lower() == "true"):
                return False
            continue
        compare, negated = OPERATORS[operator]  # an operator that is not here is an error, never a pass
        if found is None:
            if not negated and not operator.endswith("IfExists"):
                return False
            continue
        matched = any(compare(value, found) for value in listed(wanted))
        if matched == negated:
            return False
    return True


def applies(statement, request, resource_based):
    known = {"Sid", "Effect", "Principal", "Action", "Resource", "NotResource", "Condition"}
    assert set(statement) <= known, set(statement) - known
    if resource_based and not _principal(statement["Principal"], request.principal):
        return False
    if not any(like(action.lower(), request.action.lower()) for action in listed(statement["Action"])):
        return False
    if "NotResource" in statement:
        if any(like(pattern, request.resource) for pattern in listed(statement["NotResource"])):
            return False
    elif not any(like(pattern, request.resource) for pattern in listed(statement["Resource"])):
        return False
    return holds(statement.get("Condition", {}), request.context)


def _principal(principal, arn):
    if principal == "*":
        return True
    if not arn.startswith("arn:"):
        return arn in listed(principal.get("Service", []))
    for name in listed(principal.get("AWS", [])):
        if name in ("*", arn) or name.endswith(":root") and account(name) == account(arn):
            return True
    return False


def judged(policies, request, resource_based=False):
    """What some policies say of a request."""
    statements = [it for policy in policies for it in listed(policy["Statement"])]
    found = {it["Effect"] for it in statements if applies(it, request, resource_based)}
    return DENIED if "Deny" in found else ALLOWED if "Allow" in found else SILENT


def allowed(request, identity=(), resource=None, owner=None, last_word=False):
    """Whether a request is let through by the policies of who asks, and of what is asked for."""
    by_identity = judged(identity, request)
    by_resource = judged([resource], request, resource_based=True) if resource else SILENT
    if DENIED in (by_identity, by_resource):
        return False
    if not request.principal.startswith("arn:"):
        return by_resource == ALLOWED
    if last_word:
        return by_resource == ALLOWED and (by_identity == ALLOWED or _names(resource, request))
    same = owner is None or account(request.principal) == owner
    return ALLOWED in (by_identity, by_resource) if same else by_identity == by_resource == ALLOWED


def _names(policy, request):
    """Whether a key's policy allows the very principal, not only its account."""
    direct = [
        it for it in listed(policy["Statement"])
        if it["Effect"] == "Allow" and request.principal in listed(dict(it["Principal"]).get("AWS", []))
    ]
    return judged([{"Statement": direct}], request, resource_based=True) == ALLOWED
