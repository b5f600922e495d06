"""Random responses of AWS, made from botocore's models.

Every response is well-formed and says what the model lets it say; how it says it is random: white space, comments,
processing instructions, CDATA, character references, prefixes, the order of the members, the form of times and
numbers, members that no model has (yet). What no model has is written down in `sent`: name -> the JSON it becomes.
"""

import base64
import json
from xml.sax.saxutils import escape

STRINGS = [
    "",
    "x",
    "vpc-0abc1234",
    "a & b <c> \"d\" 'e'",
    "Zürich 日本 🚀 \U0001f9ff",
    "  leading and trailing  ",
    "line1\nline2\ttab",
    "carriage\rreturn\r\nboth",
    "true",
    "123",
    "0.0.0.0/0",
    "]]>",
    '{"Version":"2012-10-17","Statement":[]}',
    "\u0085\u2028\ufeff\u200b",
    "~1/~0*",
    "null",
]
TIMES = [
    "2024-02-29T23:59:59Z",
    "2024-01-01T00:00:00.000Z",
    "2023-12-31T12:34:56.789Z",
    "2024-06-30T01:02:03.123456Z",
    "2024-06-30T01:02:03.123456789Z",
    "2024-01-01T00:00:00+02:00",
    "2024-01-01T00:00:00-0330",
    "2024-01-01T00:00:00+0000",
    "1999-12-31T23:59:59.5Z",
    "2024-01-01T05:06Z",
    "2024-01-01T05:06:07",
    "2024-01-01 05:06:07Z",
    "20240101T050607Z",
    "2024-01-01",
    "Sun, 22 Nov 2026 02:00:03 GMT",
    "1700000000",
    "1700000000.123",
]
EPOCHS = """1700000000 1700000000.0 1700000000.123 1.70000000012E9 1523580432.527 1e9 0 -1.5 1719999999.999999
    1719999999.9999999 1719999999.0000005 1719999999.5000015 253402300799 951782400""".split()
INTEGERS = [0, -1, 1, 7, 65535, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 10**30]
FLOATS = ["0.05", "1.0", "3", "1e-3", "12345.678", "-0.5", "1E3"]


class Sender:
    """Writes responses; `random` decides everything."""

    def __init__(self, random, fixed):
        self.random = random
        self.fixed = fixed
        self.sent = {}
        self.count = 0

    def one_in(self, n):
        return self.random.randrange(n) == 0

    def scalar(self, kind):
        if kind in ("string", "character"):
            return self.random.choice(STRINGS)
        if kind == "boolean":
            return self.random.choice(["true", "false"])
        if kind in ("integer", "long"):
            return str(self.random.choice(INTEGERS))
        if kind in ("float", "double"):
            return self.random.choice(FLOATS)
        if kind == "timestamp":
            return self.random.choice(TIMES)
        if kind == "blob":
            return base64.b64encode(self.random.randbytes(5)).decode()
        raise ValueError(kind)

    def length(self, depth):
        return self.random.choice([0, 1, 1, 2, 3] if depth < 4 else [0, 1])

    def future_name(self):
        self.count += 1
        return f"zzFuture{self.count}"


class XmlSender(Sender):
    def gap(self):
        """What may stand between two elements."""
        return self.random.choice(["", "", "", "\n    ", "\r\n\t", "<!-- a <comment> & so -->", "<?pi x?>", " <!---->\n"])

    def text(self, value):
        way = self.random.random()
        if value and way < 0.15:
            return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[") + "]]>"
        out = escape(value, {'"': "&quot;", "'": "&apos;", "\r": "&#13;"})
        if way < 0.4:
            return "".join(f"&#x{ord(c):x};" if ord(c) > 127 else c for c in out)
        if way < 0.5:
            return "".join(f"&#{ord(c)};" if ord(c) > 127 or c.isalpha() and "&" not in out else c for c in out)
        if value and way < 0.6:
            middle = self.random.randrange(len(value))
            left, right = value[:middle], value[middle:]
            if "\r" not in value and "]]>" not in right:
                return escape(left) + self.random.choice(["<!-- c -->", ""]) + f"<![CDATA[{right}]]>"
        return out

    def element(self, name, inner, attributes=""):
        if inner == "" and self.one_in(2):
            return f"<{name}{attributes}/>"
        if self.one_in(40):
            return f'<p:{name} xmlns:p="urn:x"{attributes}>{inner}</p:{name}>'
        return f"<{name}{attributes}>{inner}</{name}{self.random.choice(['', ' ', chr(10)])}>"

    def future(self):
        """An element that no model has."""
        name, value = self.future_name(), self.random.choice(STRINGS)
        inner, becomes = self.random.choice(
            [
                (self.text(value), value),
                ("", ""),
                ("<item><a>1</a></item> <item><a/></item>", [{"a": "1"}, {"a": ""}]),
                ("<member>1</member>", ["1"]),
                ("<a>1</a><b/><a>2</a>", {"a": ["1", "2"], "b": ""}),
                ("<a x='1'>t</a>", {"a": {"@x": "1", "#text": "t"}}),
            ]
        )
        self.sent[name] = becomes
        return self.element(name, inner)

    def attribute(self):
        """An attribute that no model has, on a structure."""
        name, value = self.future_name(), self.random.choice(["", "v", "ü"])
        self.sent["@" + name] = value
        return f' {name}="{value}"'

    def value(self, shape, depth, share, futures):
        """What stands inside an element of this shape, and the element's attributes."""
        if shape.type_name == "structure":
            return self.members(shape, depth, share, futures)
        if shape.type_name == "list":
            name = shape.member.serialization.get("name", "member")
            inner = "".join(
                self.gap() + self.element(name, *self.value(shape.member, depth + 1, share, futures))
                for _ in range(self.length(depth))
            )
            return inner + self.gap(), ""
        if shape.type_name == "map":
            entries = (self.entry(shape, "entry", key, depth, share, futures) for key in self.keys())
            return "".join(entries) + self.gap(), ""
        return self.text(self.scalar(shape.type_name)), ""

    def keys(self):
        return self.random.sample(["a", "b c", "d&e", "ü"], self.random.choice([0, 1, 2]))

    def entry(self, shape, name, key, depth, share, futures):
        parts = [
            self.element(shape.key.serialization.get("name", "key"), self.text(key)),
            self.element(
                shape.value.serialization.get("name", "value"), *self.value(shape.value, depth + 1, share, futures)
            ),
        ]
        self.random.shuffle(parts)
        return self.gap() + self.element(name, self.gap().join(parts))

    def members(self, shape, depth, share, futures):
        parts, attributes = [], ""
        for name, member in shape.members.items():
            how = member.serialization
            if depth == 0 and name in self.fixed:
                if self.fixed[name] is not None:
                    parts.append(self.element(how.get("name") or name, self.text(self.fixed[name])))
                continue
            if how.get("location") or self.random.random() > share or depth > 8:
                continue
            if how.get("xmlAttribute"):
                prefix, local = how["name"].split(":")
                space = "http://www.w3.org/2001/XMLSchema-instance"
                attributes += f' xmlns:{prefix}="{space}" {prefix}:{local}="CanonicalUser"'
            elif member.type_name == "list" and how.get("flattened"):
                wire = member.member.serialization.get("name") or how.get("name") or name
                for _ in range(self.random.choice([1, 2, 3])):
                    parts.append(self.element(wire, *self.value(member.member, depth + 1, share, futures)))
            elif member.type_name == "map" and how.get("flattened"):
                for key in self.keys():
                    parts.append(self.entry(member, how.get("name") or name, key, depth, share, futures))
            else:
                parts.append(self.element(how.get("name") or name, *self.value(member, depth + 1, share, futures)))
        if futures and self.one_in(3):
            parts.append(self.future())
        if futures and self.one_in(10):
            attributes += self.attribute()
        self.random.shuffle(parts)
        return "".join(self.gap() + part for part in parts) + self.gap(), attributes

    def prologue(self):
        return self.random.choice(
            ["", "\ufeff", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>\n<!-- generated -->\n']
        )

    def root(self, name, inner, attributes=""):
        space = self.random.choice(["", ' xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"', " xmlns='urn:other'"])
        return self.prologue() + f"<{name}{space}{attributes}>{inner}</{name}>" + self.random.choice(["", "\n"])


class JsonSender(Sender):
    RAW = "raw number "

    def value(self, shape, depth, share, futures):
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, depth, share, futures)
        if kind == "list":
            out = [self.value(shape.member, depth + 1, share, futures) for _ in range(self.length(depth))]
            return out + [None] if self.one_in(60) and shape.member.type_name == "string" else out
        if kind == "map":
            keys = self.random.sample(["a", "b/c", "ü", "*"], self.random.choice([0, 1, 2]))
            return {key: self.value(shape.value, depth + 1, share, futures) for key in keys}
        if kind == "boolean":
            return self.one_in(2)
        if kind in ("integer", "long"):
            return self.random.choice(INTEGERS)
        if kind in ("float", "double"):
            return self.RAW + self.random.choice(FLOATS)
        if kind == "timestamp" and not self.one_in(4):
            return self.RAW + self.random.choice(EPOCHS)
        return self.scalar(kind)

    def structure(self, shape, depth, share, futures):
        members = list(shape.members.items())
        if getattr(shape, "is_tagged_union", False):
            members, share = [self.random.choice(members)], 1
        out = {}
        for name, member in members:
            if depth == 0 and name in self.fixed:
                if self.fixed[name] is not None:
                    out[member.serialization.get("name", name)] = self.fixed[name]
            elif self.random.random() <= share and depth <= 12:
                value = None if self.one_in(30) else self.value(member, depth + 1, share, futures)
                out[member.serialization.get("name", name)] = value
        if futures and self.one_in(3):
            name = self.future_name()
            self.sent[name] = out[name] = self.random.choice(["v", {"a": [1, 2], "b/c": None}, 1.5, None, [], 2**70])
        pairs = list(out.items())
        self.random.shuffle(pairs)
        return dict(pairs)

    def body(self, value):
        separators = self.random.choice([(",", ":"), (", ", ": "), (" ,\r\n", "\t:")])
        text = json.dumps(value, ensure_ascii=self.one_in(2), separators=separators, indent=self.random.choice([None, 1]))
        # A number whose digits are chosen goes through as a string and loses its quotes here.
        pieces = text.split(f'"{self.RAW}')
        return pieces[0] + "".join("".join(piece.split('"', 1)) for piece in pieces[1:])


def xml_body(sender, service, operation, share, futures):
    """A response of an XML service, as text."""
    shape = operation.output_shape
    payload = shape.serialization.get("payload")
    if operation.name == "GetBucketLocation":
        region = sender.random.choice(["", "eu-west-1", "EU", "us-gov-west-1"])
        return sender.root("LocationConstraint", sender.text(region))
    if payload and shape.members[payload].type_name in ("string", "blob"):
        policy = {"Version": "2012-10-17", "Id": sender.random.choice(STRINGS)}
        return json.dumps(policy, ensure_ascii=sender.one_in(2), indent=sender.random.choice([None, 2]))
    if payload:
        member = shape.members[payload]
        return sender.root(member.serialization.get("name") or payload, *sender.members(member, 0, share, futures))
    inner, attributes = sender.members(shape, 0, share, futures)
    if service.metadata["protocol"] == "ec2":
        request_id = sender.element("requestId", "e1b2")
        inner = request_id + inner if sender.one_in(2) else inner + request_id
        return sender.root(f"{operation.name}Response", inner, attributes)
    if service.metadata["protocol"] == "query":
        result = sender.element(shape.serialization["resultWrapper"], inner, attributes)
        metadata = "<ResponseMetadata><RequestId>e1b2</RequestId></ResponseMetadata>"
        parts = [result, metadata] + ([sender.future()] if futures and sender.one_in(4) else [])
        sender.random.shuffle(parts)
        return sender.root(f"{operation.name}Response", sender.gap().join(parts))
    roots = {
        "GetBucketLogging": "BucketLoggingStatus",
        "GetBucketVersioning": "VersioningConfiguration",
        "ListBuckets": "ListAllMyBucketsResult",
    }
    return sender.root(roots[operation.name], inner, attributes)


def response(random, service, operation, share, futures=False, fixed=None):
    """(body, what it has that no model has). `fixed`: top-level member -> its text, None to leave it out."""
    is_json = service.metadata["protocol"] == "json"
    sender = (JsonSender if is_json else XmlSender)(random, fixed or {})
    if is_json:
        body = sender.body(sender.value(operation.output_shape, 0, share, futures))
    else:
        body = xml_body(sender, service, operation, share, futures)
    return body.encode(), sender.sent
