//! The builtins that a policy may call.
//!
//! Each gives the same answer in OPA, regorus and rego-cpp (`tests/policies`), on every day and without a network.
//! `net.*` is not among them: rego-cpp has none, and says so by leaving the rule undefined; nor is
//! `sprintf`, which quotes some texts there: `concat` and `format_int` do. `walk`, `regex.*` and
//! `glob.match` are not, because their cost does not show in the count of instructions.

/// Sorted by name.
pub const ALLOWED: &[&str] = &[
    "__builtin_sets.intersection",
    "__builtin_sets.union",
    "abs",
    "array.concat",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "indexof",
    "intersection",
    "is_array",
    "is_boolean",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.unmarshal",
    "lower",
    "max",
    "min",
    "numbers.range",
    "object.get",
    "object.keys",
    "replace",
    "round",
    "sort",
    "split",
    "startswith",
    "substring",
    "sum",
    "to_number",
    "trim_prefix",
    "trim_suffix",
    "type_name",
    "union",
    "upper",
];

/// Whether a policy may call it.
pub(super) fn is_allowed(name: &str) -> bool {
    ALLOWED.contains(&name)
}
