#!/usr/bin/env bash
# Creates the virtual environment and installs the pinned packages.
# usage: setup-python.sh PYTHON VENV LOCK...
set -euo pipefail
python=$1 venv=$2
shift 2

# Of the user's settings of pip and uv only those count that say where packages come from: no other folder
# (--user, --target), no other options. Python is that of the virtual environment alone.
for name in $(compgen -e); do
  case $name in
  PIP_*INDEX* | PIP_FIND_LINKS | PIP_CERT | PIP_CLIENT_CERT | PIP_TRUSTED_HOST | PIP_PROXY | PIP_*TIMEOUT | PIP_RETRIES | \
    PIP_CACHE_DIR | PIP_CONFIG_FILE | PIP_KEYRING_PROVIDER | \
    UV_*INDEX* | UV_FIND_LINKS | UV_CACHE_DIR | UV_*TIMEOUT | UV_*RETRIES | UV_*TLS | UV_INSECURE_HOST | UV_CONFIG_FILE | \
    UV_OFFLINE | UV_LINK_MODE | UV_KEYRING_PROVIDER) ;;
  PIP_* | UV_* | PYTHONHOME | PYTHONPATH | PYTHONSAFEPATH | PYTHONOPTIMIZE) unset "$name" ;;
  esac
done

stop() {
  echo "error: $1" >&2
  exit 1
}

command -v "$python" >/dev/null || stop "$python was not found: install Python 3.11 or later, or name it: make PYTHON=python3.12 ..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$python" --version) is too old: install Python 3.11 or later and name it: make PYTHON=python3.11 ..."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" ||
  stop "no virtual environment could be made: install Python's venv module (Debian: apt-get install python3-venv)"
echo "installing the pinned packages of $* into $venv (some minutes the first time)"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-user)
# The locks are complete, so nothing is resolved; every file must have the hash written there. uv fetches several
# at a time. It does not read pip's configuration: where that names an index of its own, pip goes on.
# Packages are compiled once, here: where Python may not write what it compiles (PYTHONDONTWRITEBYTECODE, as many
# containers have it) every step of the workflow would compile them anew.
{ "${pip[@]}" --require-hashes -r "$(dirname "$0")/setup.lock" &&
  "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --no-deps --require-hashes "${@/#/-r}"; } ||
  "${pip[@]}" --require-hashes "${@/#/-r}" ||
  stop "the pinned packages could not be installed: see the message above; a full disk and a missing network are the usual causes"
# The command `joules`, from the sources where they are.
"${pip[@]}" --no-build-isolation --editable . ||
  stop "the package of this clone could not be installed into $venv: see the message above"
