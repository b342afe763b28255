#!/usr/bin/env bash
# Makes sure that LaTeX, or a browser or Slurm for tests, is there, installing Debian packages where this user may.
# usage: setup-debian.sh latex|browser|slurm
set -euo pipefail
what=$1
mapfile -t packages < <(grep -v '^#' "$(dirname "$0")/$what-packages.txt")

case $what in
latex)
  name=LaTeX
  elsewhere="TeX Live with siunitx, booktabs, microtype, natbib and lmodern"
  ready() {
    command -v bibtex >/dev/null && command -v pdflatex >/dev/null &&
      kpsewhich siunitx.sty booktabs.sty microtype.sty natbib.sty lmodern.sty >/dev/null
  }
  ;;
browser)
  name=Chromium
  elsewhere="Chromium or Google Chrome"
  ready() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }
  ;;
slurm)
  name=Slurm
  elsewhere="munge and Slurm with slurmctld and slurmd"
  ready() { PATH=$PATH:/usr/sbin command -v munged slurmctld slurmd sbatch | wc -l | grep -qx 4; }
  ;;
esac

ready && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if command -v apt-get >/dev/null && { [ "${#as_root[@]}" -eq 0 ] || sudo -n true 2>/dev/null; }; then
  echo "installing $name: ${packages[*]}"
  log=$(mktemp)
  # Another installation, such as the system's own updates, may hold the lock of dpkg for some minutes.
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600)
  # Lists that cannot be fetched now may have been fetched before.
  "${apt[@]}" update >"$log" 2>&1 || true
  if "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
    ready && exit 0
  fi
  tail -n 5 "$log" >&2
fi
echo "error: $name is missing and could not be installed here: install it and run again (Debian, Ubuntu: sudo apt-get install ${packages[*]}; elsewhere: $elsewhere)" >&2
exit 1
