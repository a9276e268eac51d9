#!/bin/sh
# The demo API and the proxy side by side, until Ctrl-C: what `make run` runs.
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}

make_key() (
  umask 077
  mkdir -p config/.run
  test -s config/.run/seal-key && exit
  "$bin/countersign" keygen > config/.run/seal-key.new
  mv config/.run/seal-key.new config/.run/seal-key
)

stop() {
  trap - EXIT
  # shellcheck disable=SC2086 # two numbers, or fewer
  kill $processes 2>/dev/null || true
  wait
}

both_run() {
  for process in $processes; do kill -0 "$process" 2>/dev/null || return 1; done
}

is_ready() {
  "$bin/python" -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:8082/readyz", timeout=1)' 2>/dev/null
}

make_key
processes=
trap stop EXIT
trap 'exit 0' INT TERM
"$bin/countersign" demo &
processes=$!
"$bin/countersign" run --config config/quickstart.yaml &
processes="$processes $!"

until is_ready; do
  both_run || { echo 'Countersign did not start; the reason stands above.' >&2; exit 1; }
  sleep 0.1
done

cat <<'TEXT'

Countersign is ready. In another terminal, try:

  curl http://127.0.0.1:8080/demo/hello

The API behind it wants a token; you sent none. Ctrl-C stops everything.

TEXT
while both_run; do sleep 1; done
echo 'Countersign or the demo API has stopped; the reason stands above.' >&2
exit 1
