"""What holds for files of every kind."""

from tools import DEPLOY, ROOT, run


def listed(*patterns):
    """Files of the repository, new ones too."""
    return run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns).split()


def yaml_is_clean():
    files = [f for f in listed("deploy/*.yaml", ".github/*.yaml", ".github/*.yml") if "/templates/" not in f and "/manifests/" not in f]
    run("yamllint", "--strict", "-c", DEPLOY / "check/pins/.yamllint", *files, cwd=ROOT)
    return f"{len(files)} files"


def scripts_are_clean():
    files = [f for f in listed("x", ".ci/run", "deploy/*.sh", "deploy/debian/*inst", "deploy/debian/*rm")]
    run("shellcheck", *files, cwd=ROOT)
    return f"{len(files)} files"


CHECKS = [yaml_is_clean, scripts_are_clean]
