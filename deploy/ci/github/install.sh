#!/usr/bin/env bash
# Downloads admit, and uses it only when its checksum is the one that was asked for.
set -euo pipefail

fail() {
  echo "::error title=admit::$1"
  exit 3
}

case "$(uname -s)" in
  Linux) os=linux ;;
  Darwin) os=darwin ;;
  *) fail "found the system $(uname -s), expected Linux or macOS" ;;
esac
case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) fail "found the processor $(uname -m), expected x86_64 or arm64" ;;
esac

[[ "$ADMIT_VERSION" =~ ^[0-9A-Za-z._+-]+$ ]] || fail "the input version may hold letters, digits and . _ + - only"
sha256="$(printf '%s' "$ADMIT_SHA256" | tr 'A-F' 'a-f')"
[[ "$sha256" =~ ^[0-9a-f]{64}$ ]] || fail "the input sha256 has to be 64 hexadecimal digits"
url="${ADMIT_URL//'{version}'/$ADMIT_VERSION}"
url="${url//'{os}'/$os}"
url="${url//'{arch}'/$arch}"
[[ "$url" == https://* ]] || fail "the input url has to begin with https://"

directory="$(mktemp -d "${RUNNER_TEMP:-/tmp}/admit.XXXXXX")"
curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --tlsv1.2 --retry 3 \
  --output "$directory/download" -- "$url" || fail "the release could not be downloaded from the input url"
if command -v sha256sum > /dev/null; then
  found="$(sha256sum "$directory/download" | cut -d ' ' -f 1)"
else
  found="$(shasum -a 256 "$directory/download" | cut -d ' ' -f 1)"
fi
[[ "$found" == "$sha256" ]] || fail "the download has the SHA-256 $found, expected $sha256"

case "$url" in
  *.tar.gz | *.tgz)
    mkdir "$directory/unpacked"
    tar -xzf "$directory/download" -C "$directory/unpacked"
    admit="$(find "$directory/unpacked" -type f -name admit | head -n 1)"
    [[ -n "$admit" ]] || fail "the archive holds no file called admit"
    ;;
  *)
    admit="$directory/admit"
    mv "$directory/download" "$admit"
    ;;
esac
chmod +x "$admit"
"$admit" --version
echo "admit=$admit" >> "$GITHUB_OUTPUT"
