#!/bin/sh
# Writes what Sluice is made of, as CycloneDX in JSON: sbom.sh FILE [ROOT]
#
# FILE names every crate that is compiled in, with its version, licence and checksum. With ROOT, what rootfs.sh has laid out,
# it names the packages of the libraries and the authorities there as well. `sbom.sh --tool` only builds the tool.
set -eu
tool=0.5.9 # of cargo-cyclonedx, by the makers of CycloneDX

# Not optimised, which takes half as long to build: it runs for a second.
cargo cyclonedx --version 2>/dev/null | grep -qx "cargo-cyclonedx-cyclonedx $tool" ||
    cargo install --quiet --locked --debug --force --version "$tool" cargo-cyclonedx
[ "$1" != --tool ] || exit 0

file=$(realpath -m "$1") root=${2:+$(realpath "$2")}
cd "$(dirname "$0")/../.."
# The tool writes beside each Cargo.toml of the workspace.
name=sluice-sbom-$$
packages=$(mktemp)
trap 'rm -f "$packages" ./*/$name.json' EXIT
# One date for one commit: the same commit gives the same file.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
target=$(rustc -vV | sed -n 's/^host: //p')
cargo cyclonedx --quiet --manifest-path proxy/Cargo.toml --format json --spec-version 1.5 --no-build-deps \
    --target "$target" --override-filename "$name"

# SOURCE PACKAGE VERSION ARCHITECTURE of each file of Debian's below ROOT.
format="\${source:Package} \${Package} \${Version} \${Architecture}\n"
if [ -n "$root" ]; then
    find "$root" -name 'lib*.so*' -o -name 'ld-*.so*' -o -name ca-certificates.crt | sed "s|^$root||" |
        while read -r path; do
            case $path in
                */ca-certificates.crt) echo ca-certificates ;; # made of its files when it is installed
                *)
                    # Where /lib is a link to /usr/lib the list of files may name either.
                    owner=$(dpkg-query --search "*${path#/usr}" | grep -v '^diversion ' | head -n 1 | sed 's/: .*//')
                    # A file of no package fails below.
                    echo "${owner:-owner-of$path}"
                    ;;
            esac
        done | sort -u | xargs -r dpkg-query --show --showformat "$format" >"$packages"
    [ -s "$packages" ] || { echo "sbom.sh: no package of a file below $root was found" >&2 && exit 1; }
fi

mkdir -p "$(dirname "$file")"
# The path of the source is removed: it differs from build to build.
jq -c --arg here "file://$PWD/" --rawfile packages "$packages" '
    (.metadata.component["bom-ref"]) as $sluice
    | ($packages | split("\n") | map(select(. != "") | split(" ") | {
        type: "library", name: .[1], version: .[2], purl: "pkg:deb/debian/\(.[1])@\(.[2] | @uri)?arch=\(.[3])",
        properties: [{ name: "debian:source", value: .[0] }]
      } | .["bom-ref"] = .purl)) as $debian
    | .components += $debian
    | .dependencies += ($debian | map({ ref: .purl }))
    | (.dependencies[] | select(.ref == $sluice) | .dependsOn) += ($debian | map(.purl))
    | walk(if type == "string" then split($here) | join("file:///") else . end)
' "proxy/$name.json" >"$file"
