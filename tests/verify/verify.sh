#!/bin/sh
# The commands of docs/VERIFY.md, word for word; made by make_script.py, do not edit.
#
#     zip=... key=... fingerprint=... origin=... log_key=... tsa_root=... folder=... verify.sh STEP...
#
# Runs the steps in the order given and stops at the first that fails: 0 only if all passed. Each step is one chain of
# commands with &&: "set -e" would be switched off inside a function that somebody asks for its status.
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT || exit 2

step_fingerprint() {
test "$(openssl pkey -pubin -in "$key" -outform DER | sha256sum | cut -c1-64)" = "$fingerprint"
}

step_signers() {
printf '%s namespaces="evidenced" ssh-ed25519 %s\n' "$origin" "$(
  { printf '\000\000\000\013ssh-ed25519\000\000\000\040'; openssl pkey -pubin -in "$key" -outform DER | tail -c 32; } |
    openssl base64 -A)" > "$work/allowed_signers"
}

step_authorship() {
ssh-keygen -Y verify -f "$work/allowed_signers" -I "$origin" -n evidenced -s "$zip.sshsig" < "$zip"
}

step_date() {
openssl ts -verify -data "$zip" -in "$zip.tsr" -CAfile "$tsa_root"
}

step_unpack() {
id=$(basename "$zip" .zip) &&
test -z "$(unzip -Z1 "$zip" | grep -vE "^$id(/[A-Za-z0-9][A-Za-z0-9._-]*)+$")" &&
test -z "$(unzip -Z1 "$zip" | sort | uniq -d)" &&
unzip -q "$zip" -d "$work"
}

step_bag_signature() {
openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/$id/tagmanifest-sha256.txt" -sigfile "$work/$id/tagmanifest-sha256.txt.sig"
}

step_bag_files() {
(cd "$work/$id" && sha256sum -c --strict --quiet tagmanifest-sha256.txt && sha256sum -c --strict --quiet manifest-sha256.txt)
}

step_bag_set() {
(cd "$work/$id" && test "$(find data -type f | wc -l)" -eq "$(wc -l < manifest-sha256.txt)" && test -z "$(find . -type l)" &&
  test "$(find . -type f ! -path './data/*' | wc -l)" -eq 6)
}

step_bagit() {
python3 -m bagit --validate --quiet "$work/$id"
}

step_statement() {
sed -n 's/.*"payload":"\([^"]*\)".*/\1/p' "$zip.sigstore.json" | openssl base64 -d -A > "$work/statement" &&
sed -n 's/.*"sig":"\([^"]*\)".*/\1/p' "$zip.sigstore.json" | openssl base64 -d -A > "$work/statement.sig" &&
{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < "$work/statement")"; cat "$work/statement"; } > "$work/pae" &&
openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/pae" -sigfile "$work/statement.sig"
}

step_statement_zip() {
grep -qF "{\"digest\":{\"sha256\":\"$(sha256sum < "$zip" | cut -c1-64)\"},\"name\":\"$(basename "$zip")\"}" "$work/statement" &&
grep -qF "{\"digest\":{\"sha256\":\"$(sha256sum < "$work/$id/tagmanifest-sha256.txt" | cut -c1-64)\"},\"name\":\"$id/tagmanifest-sha256.txt\"}" "$work/statement"
}

step_checkpoint() {
sed '1,/^$/d' "$zip.tlog-proof" > "$work/checkpoint" &&
sed '/^$/,$d' "$work/checkpoint" > "$work/note" &&
sed -n '/^$/,$p' "$work/checkpoint" | grep -F " $origin " | cut -d' ' -f3 | openssl base64 -d -A | tail -c 64 > "$work/note.sig" &&
openssl pkeyutl -verify -pubin -inkey "$log_key" -rawin -in "$work/note" -sigfile "$work/note.sig" &&
test "$(sed -n 1p "$work/note")" = "$origin"
}

step_position() {
index=$(sed -n '2s/^index //p' "$zip.tlog-proof") && size=$(sed -n 2p "$work/note") &&
test "$size" -eq "$((index + 1))" &&
grep -qF "\"log\":{\"index\":$index,\"origin\":\"$origin\"}" "$work/statement"
}

step_inclusion() {
sed -e '1,2d' -e '/^$/,$d' "$zip.tlog-proof" > "$work/siblings" &&
{ printf '\000'; cat "$work/statement"; } | openssl dgst -sha256 -binary > "$work/hash" &&
node=$index && last=$((size - 1)) &&
while read -r sibling; do
  printf '%s' "$sibling" | openssl base64 -d -A > "$work/sibling"
  if [ $((node % 2)) -eq 1 ] || [ "$node" -eq "$last" ]; then
    cat "$work/sibling" "$work/hash" > "$work/pair"
    while [ $((node % 2)) -eq 0 ] && [ "$node" -ne 0 ]; do node=$((node / 2)) last=$((last / 2)); done
  else
    cat "$work/hash" "$work/sibling" > "$work/pair"
  fi
  node=$((node / 2)) last=$((last / 2))
  { printf '\001'; cat "$work/pair"; } | openssl dgst -sha256 -binary > "$work/hash"
done < "$work/siblings" &&
test "$last" -eq 0 && test "$(openssl base64 -A < "$work/hash")" = "$(sed -n 3p "$work/note")"
}

step_chain() {
expected= && last= &&
for each in "$folder"/evidence-*.zip.sigstore.json; do
  sed -n 's/.*"payload":"\([^"]*\)".*/\1/p' "$each" | openssl base64 -d -A > "$work/each" &&
  number=$(sed -n 's/.*"log":{"index":\([0-9]*\),.*/\1/p' "$work/each") &&
  test -n "$number" && test "$number" = "${expected:-$number}" &&
  { test -z "$last" || grep -qF "\"previous\":{\"sha256\":\"$last\"}" "$work/each"; } &&
  test "$(basename "$each" .sigstore.json)" = "$(sed -n 's/.*"name":"\([^"]*\.zip\)".*/\1/p' "$work/each")" &&
  grep -qF "$(sha256sum < "${each%.sigstore.json}" | cut -c1-64)" "$work/each" || { expected=broken; break; }
  expected=$((number + 1)) last=$(sha256sum < "$work/each" | cut -c1-64)
done &&
test -n "$last" && test "$expected" != broken
}

step_log_root() {
for each in "$folder"/evidence-*.zip.sigstore.json; do
  sed -n 's/.*"payload":"\([^"]*\)".*/\1/p' "$each" | openssl base64 -d -A > "$work/each" &&
  printf '%s %s\n' "$(sed -n 's/.*"log":{"index":\([0-9]*\),.*/\1/p' "$work/each")" \
    "$({ printf '\000'; cat "$work/each"; } | openssl dgst -sha256 -binary | openssl base64 -A)" || echo broken
done | sort -n | head -n "$(sed -n 2p "$work/note")" > "$work/leaves" &&
test "$(cut -d' ' -f1 "$work/leaves")" = "$(seq 0 $(($(sed -n 2p "$work/note") - 1)))" &&
cut -d' ' -f2 "$work/leaves" > "$work/level" &&
while [ "$(wc -l < "$work/level")" -gt 1 ]; do
  while read -r left; do
    if read -r right; then
      { printf '\001'; printf '%s' "$left" | openssl base64 -d -A; printf '%s' "$right" | openssl base64 -d -A; } |
        openssl dgst -sha256 -binary | openssl base64 -A && echo
    else
      echo "$left"
    fi
  done < "$work/level" > "$work/above" && mv "$work/above" "$work/level"
done &&
test "$(cat "$work/level")" = "$(sed -n 3p "$work/note")"
}

[ $# -gt 0 ] || { echo "usage: verify.sh STEP..." >&2; exit 2; }
for step in "$@"; do
  case $step in
  fingerprint | signers | authorship | date | unpack | bag-signature | bag-files | bag-set | bagit | statement | statement-zip | checkpoint | position | inclusion | chain | log-root) ;;
  *) echo "no step: $step" >&2; exit 2 ;;
  esac
  if "step_$(printf %s "$step" | tr - _)"; then echo "ok      $step"; else echo "FAILED  $step"; exit 1; fi
done
