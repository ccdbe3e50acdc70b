"""Writes the bill of materials of the program: cargo metadata … | sbom.py FILE."""

import json
import sys
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]


def linked(node):
    """The dependencies of the package itself, not those of its tests and its build script."""
    return [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]


def component(package):
    name, version = package["name"], package["version"]
    license = package["license"].replace("/", " OR ")
    return Component(
        name=name,
        version=version,
        type=ComponentType.APPLICATION if package["id"] == root else ComponentType.LIBRARY,
        purl=PackageURL("cargo", name=name, version=version) if package["source"] else None,
        bom_ref=f"{name}@{version}",
        licenses=[LicenseFactory().make_from_string(license)],
    )


components = {root: component(packages[root])}
waiting = [root]
while waiting:
    for dependency in linked(nodes[waiting.pop()]):
        if dependency not in components:
            components[dependency] = component(packages[dependency])
            waiting.append(dependency)

bom = Bom()
bom.metadata.component = components[root]
bom.components.update(found for package, found in components.items() if package != root)
for package, found in components.items():
    bom.register_dependency(found, [components[dependency] for dependency in linked(nodes[package])])
text = JsonV1Dot6(bom).output_as_string(indent=2)
if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
    sys.exit(str(wrong))
Path(sys.argv[1]).write_text(text)
