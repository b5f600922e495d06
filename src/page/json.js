// JSON with one reading: a member twice, a number that is no number, text behind the end are refused.
//
// JSON.parse keeps the last of two equal members and says nothing. Objects here are maps without a prototype.

const JSON_DEPTH = 128;
const JSON_STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const JSON_NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const JSON_SPACE = /[ \t\n\r]*/y;

/** The value of a JSON text; throws an Error that says what is wrong. */
function parseJson(text) {
  let at = 0;
  const fail = (what) => {
    throw new Error(`${what} at character ${at}`);
  };
  const match = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const take = (letter) => {
    match(JSON_SPACE);
    if (text[at] !== letter) return false;
    at += 1;
    return true;
  };
  const string = () => {
    match(JSON_SPACE);
    const found = match(JSON_STRING);
    if (!found) fail("expected a string");
    return JSON.parse(found[0]);
  };
  const value = (depth) => {
    if (depth > JSON_DEPTH) fail("too deep");
    if (take("{")) {
      const object = Object.create(null);
      if (take("}")) return object;
      do {
        const name = string();
        if (name in object) fail(`member ${JSON.stringify(name)} twice`);
        if (!take(":")) fail("expected a colon");
        object[name] = value(depth + 1);
      } while (take(","));
      if (!take("}")) fail("expected , or }");
      return object;
    }
    if (take("[")) {
      const list = [];
      if (take("]")) return list;
      do list.push(value(depth + 1));
      while (take(","));
      if (!take("]")) fail("expected , or ]");
      return list;
    }
    if (text[at] === '"') return string();
    for (const [word, meaning] of [["true", true], ["false", false], ["null", null]]) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = match(JSON_NUMBER);
    if (!number) fail("expected a value");
    // A boxed number is no safe integer: 1.0 and 1e3 are not how counts are written.
    return number[1] || number[2] ? Object(Number(number[0])) : Number(number[0]);
  };
  const result = value(0);
  match(JSON_SPACE);
  if (at !== text.length) fail("something follows the value");
  return result;
}

const isObject = (value) => typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;
const isText = (value) => typeof value === "string";
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
