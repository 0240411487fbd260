"""The package for Debian, and its unit."""

import re
import tempfile
from pathlib import Path

from fleet import find_binary
from tools import DEPLOY, ROOT, Failed, refuses, run

FOLDER = DEPLOY / "debian"
# systemd's own measure, from 0 (best) to 10.
EXPOSURE_MAX = 1.6


def package():
    """Built with the debug binary, judged by lintian; what it holds; its scripts restart nothing."""
    with tempfile.TemporaryDirectory() as temporary:
        run(FOLDER / "build.sh", find_binary(ROOT), temporary)
        (deb,) = Path(temporary).glob("*.deb")
        run("lintian", "--allow-root", "--fail-on", "error,warning", deb)
        listing = run("dpkg-deb", "--contents", deb)
        for file in ("usr/bin/sluice", "usr/lib/systemd/system/sluice.service", "usr/lib/sysusers.d/sluice.conf", "etc/sluice/sluice.toml"):
            if f" ./{file}\n" not in listing:
                raise Failed(f"{file} is not in the package")
        run("dpkg-deb", "--control", deb, f"{temporary}/control")
        for script in ("preinst", "postinst", "prerm", "postrm"):
            path = Path(temporary) / "control" / script
            lines = path.read_text().splitlines() if path.exists() else []
            for line in lines:
                words = line.strip()
                if words.startswith("systemctl") and any(word in words.split() for word in ("restart", "try-restart", "start", "reload-or-restart")):
                    raise Failed(f"{script} restarts the service: {words}")
        return f"{deb.name}, {deb.stat().st_size / 1e6:.1f} MB with the debug binary"


def unit():
    """systemd-analyze: the unit is well-formed, and exposes little."""
    with tempfile.TemporaryDirectory() as temporary:
        # It looks for the program that is started; this one stands in its place.
        copy = Path(temporary) / "sluice.service"
        text = (FOLDER / "sluice.service").read_text()
        copy.write_text(text.replace("/usr/bin/sluice", str(Path(find_binary(ROOT)).resolve())))
        if said := run("systemd-analyze", "verify", copy).strip():
            raise Failed(said)
        wrong = Path(temporary) / "wrong.service"
        wrong.write_text(copy.read_text().replace("Restart=always", "Restart=evermore"))

        def judged():
            if said := run("systemd-analyze", "verify", wrong).strip():
                raise Failed(said)

        refuses("systemd-analyze", judged)
        score = run("systemd-analyze", "security", "--offline=true", f"--threshold={int(EXPOSURE_MAX * 10)}", copy)
        return score.strip().splitlines()[-1].strip("→ ")


def one_machine():
    """The page's files, as written there, beside the package's sluice.toml: taken by `sluice check`."""
    blocks = re.findall(r"```toml\n(.*?)```", (DEPLOY / "one-machine.md").read_text(), re.S)
    site = next(block for block in blocks if block.startswith("name"))
    certificate = next(block for block in blocks if "[tls]" in block)
    binary = find_binary(ROOT)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "tenants").mkdir()
        (folder / "tls").mkdir()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=shop",
            "-addext", "subjectAltName=DNS:shop.example.com,DNS:www.shop.example.com", "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", folder / "tls/shop.key", "-out", folder / "tls/shop.pem")
        (folder / "tls/shop.key").chmod(0o600)
        (folder / "master.key").write_text(run(binary, "keygen"))
        (folder / "master.key").chmod(0o600)
        head, queues = site.split("[[queue]]", 1)
        (folder / "tenants/shop.toml").write_text(f"{head}{certificate}\n[[queue]]{queues}")
        node = (FOLDER / "sluice.toml").read_text().replace("https = []", 'https = ["0.0.0.0:443"]')
        (folder / "sluice.toml").write_text(node)
        run(binary, "check", "--config", folder)
        for path, queue in (("/checkout", "shop"), ("/webhooks/paid", "free")):
            said = run(binary, "explain", "--config", folder, f"https://shop.example.com{path}")
            if f"queue    {queue} " not in said:
                raise Failed(f"{path} does not meet the queue {queue}: {said}")


CHECKS = [package, unit, one_machine]
