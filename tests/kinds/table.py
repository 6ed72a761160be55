"""Makes src/workbench/lint/kinds/table.txt out of the OpenAPI document of a kube-apiserver.

Start one with `--runtime-config=api/all=true`, then:

    curl -sk -H "Authorization: Bearer $TOKEN" https://127.0.0.1:6443/openapi/v2 > openapi.json
    python3 tests/kinds/table.py openapi.json > src/workbench/lint/kinds/table.txt

Only names are kept: groups, versions, kinds, resources, scopes, and the fields of each type.
"""

import json
import sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
definitions = document["definitions"]
numbers = {}
lines = []


def reference(schema):
    """What is below a field: nothing, a type's number, `[` or `{` and the same of elements, or `*` for anything."""
    if "$ref" in schema:
        return of_definition(schema["$ref"].rsplit("/", 1)[1])
    if schema.get("type") == "array":
        return "[" + reference(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        return "{" + reference(schema["additionalProperties"])
    if schema.get("type") in ("object", None):
        return "*"
    return ""


def of_definition(name):
    schema = definitions[name]
    if not schema.get("properties"):
        return reference({key: value for key, value in schema.items() if key != "$ref"})
    if name not in numbers:
        numbers[name] = len(lines)
        lines.append(None)
        fields = []
        for field, below in sorted(schema["properties"].items()):
            to = reference(below)
            fields.append(f"{field}:{to}" if to else field)
        lines[numbers[name]] = " ".join(fields)
    return str(numbers[name])


resources = {}
for path, operations in sorted(document["paths"].items()):
    for operation in operations.values():
        gvk = isinstance(operation, dict) and operation.get("x-kubernetes-group-version-kind")
        action = isinstance(operation, dict) and operation.get("x-kubernetes-action")
        steps = path.strip("/").split("/")
        is_whole = steps[-1].startswith("{") is False and "{name}" not in path and "watch" not in steps
        if gvk and action in ("post", "list") and is_whole:
            key = (gvk["group"], gvk["version"], gvk["kind"])
            scope = "N" if "{namespace}" in path else resources.get(key, ("", "C"))[1]
            resources[key] = (steps[-1], scope)

kinds = []
for name, schema in sorted(definitions.items()):
    for gvk in schema.get("x-kubernetes-group-version-kind", []):
        key = (gvk["group"], gvk["version"], gvk["kind"])
        # Bookkeeping of API servers, whose spec may have any field.
        is_open = reference(schema.get("properties", {}).get("spec", {"type": "string"})) == "*"
        if key in resources and not is_open:
            plural, scope = resources[key]
            kinds.append(f"{key[0] or '-'} {key[1]} {key[2]} {plural} {scope} {of_definition(name)}")

print(f"# Kubernetes {document['info']['version']}: made by tests/kinds/table.py")
print("\n".join(sorted(set(kinds))))
print("#")
print("\n".join(lines))
