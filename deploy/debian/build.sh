#!/bin/sh
# Builds the package from a program that is there: build.sh SLUICE FOLDER
#
#   cargo build --release --locked --package sluice && deploy/debian/build.sh target/release/sluice target
set -eu
binary=$(realpath "$1") out=$(realpath "$2")
cd "$(dirname "$0")"
version=$("$binary" --version | cut -d ' ' -f 2)
arch=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

put() { # MODE SOURCE TARGET
    install -D -m "$1" "$2" "$root/$3"
}
put 755 "$binary" usr/bin/sluice
strip --strip-all "$root/usr/bin/sluice"
put 644 sluice.service usr/lib/systemd/system/sluice.service
put 644 sysusers.conf usr/lib/sysusers.d/sluice.conf
put 644 needrestart.conf etc/needrestart/conf.d/sluice.conf
put 644 sluice.toml etc/sluice/sluice.toml
install -d "$root/etc/sluice/tenants"
put 644 ../../config/sample/sluice.toml usr/share/doc/sluice/examples/sluice.toml
put 644 ../../config/sample/tenants/shop.toml usr/share/doc/sluice/examples/shop.toml
{
    echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
    echo
    echo 'Files: *'
    echo 'Copyright: 2026 the Sluice contributors'
    echo 'License: Apache-2.0'
    echo ' On Debian systems the whole licence is in /usr/share/common-licenses/Apache-2.0.'
} >"$work/copyright"
put 644 "$work/copyright" usr/share/doc/sluice/copyright
# One date for one commit: the same commit gives the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
{
    printf 'sluice (%s) stable; urgency=medium\n\n  * See CHANGELOG.md in the repository.\n\n' "$version"
    printf ' -- Sluice maintainers <maintainers@example.com>  %s\n' "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$work/changelog.gz"
put 644 "$work/changelog.gz" usr/share/doc/sluice/changelog.gz

# Made by the program that is packed, so it must run here.
"$binary" man "$work/man"
for page in "$work"/man/*.1; do
    gzip -9n "$page"
    put 644 "$page.gz" "usr/share/man/man1/$(basename "$page").gz"
done
"$binary" completions bash >"$work/bash" && put 644 "$work/bash" usr/share/bash-completion/completions/sluice
"$binary" completions zsh >"$work/zsh" && put 644 "$work/zsh" usr/share/zsh/vendor-completions/_sluice
"$binary" completions fish >"$work/fish" && put 644 "$work/fish" usr/share/fish/vendor_completions.d/sluice.fish

put 644 lintian-overrides usr/share/lintian/overrides/sluice

install -d "$root/DEBIAN"
for script in postinst prerm postrm; do put 755 "$script" "DEBIAN/$script"; done
printf '/etc/sluice/sluice.toml\n/etc/needrestart/conf.d/sluice.conf\n' >"$root/DEBIAN/conffiles"
# What the program is linked with, in the words of this machine's Debian: build on the oldest that is to be served.
mkdir -p "$work/debian"
printf 'Source: sluice\n\nPackage: sluice\nArchitecture: any\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/sluice" 2>/dev/null | sed 's/^shlibs:Depends=//')
cat >"$root/DEBIAN/control" <<CONTROL
Package: sluice
Version: $version
Architecture: $arch
Section: httpd
Priority: optional
Maintainer: Sluice maintainers <maintainers@example.com>
Installed-Size: $(du -k -s "$root" | cut -f 1)
Depends: $libraries, systemd | systemd-standalone-sysusers
Recommends: ca-certificates
Description: virtual waiting room in front of a website
 Sluice stands in front of a website. Visitors beyond what the site can bear
 wait on a page, in one exact line, and are let in at a rate. Several nodes
 share the line through Redis or Valkey.
CONTROL
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zxz -z3 --build "$root" "$out/sluice_${version}_$arch.deb"
