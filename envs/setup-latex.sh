#!/usr/bin/env bash
# Makes sure that LaTeX can typeset the paper, installing Debian packages where this user may.
set -euo pipefail
here=$(dirname "$0")
mapfile -t packages < <(grep -v '^#' "$here/latex-packages.txt")

ready() {
  command -v latexmk >/dev/null && command -v pdflatex >/dev/null &&
    kpsewhich siunitx.sty booktabs.sty microtype.sty natbib.sty lmodern.sty >/dev/null
}

ready && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if command -v apt-get >/dev/null && { [ "${#as_root[@]}" -eq 0 ] || sudo -n true 2>/dev/null; }; then
  echo "installing LaTeX: ${packages[*]}"
  log=$(mktemp)
  if "${as_root[@]}" apt-get update -qq >"$log" 2>&1 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
    ready && exit 0
  fi
  tail -n 5 "$log" >&2
fi
echo "error: LaTeX is missing and could not be installed here: install it and run again (Debian, Ubuntu: sudo apt-get install ${packages[*]}; elsewhere: TeX Live with latexmk, siunitx, booktabs, microtype, natbib and lmodern)" >&2
exit 1
