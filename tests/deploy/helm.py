"""Renders or lints a chart with Helm's own library: helm.py template|lint CHART [VALUES]."""

import sys

import helm_python as helm

command, path, *files = sys.argv[1:]
values = helm.values_from_yaml(open(files[0]).read()) if files else {}
if command == "lint":
    report = helm.lint(path, values)
    # 1 is information, 2 a warning.
    wrong = report["errors"] + [message for message in report["messages"] if message["severity"] != 1]
    sys.exit("\n".join(map(str, wrong)) if wrong else 0)
chart = helm.Chart.load(path)
try:
    chart.validate_schema(values)
except helm.HelmValuesError as error:
    sys.exit(str(error))
for name, text in sorted(chart.render(values, name="pulls", namespace="observability").items()):
    if name.endswith(".yaml"):
        print(f"---\n{text}")
