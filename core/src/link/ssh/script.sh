say() { printf "\nFRAMEWRIGHT-BOOT %s\n" "$*"; };
no() { say "no|$1|$(printf "%s" "$2" | tr "\n" " ")"; exit 9; };
go() { say go; exec "$1" "$errand"; };
sum() {
  if s=$(sha256sum <"$1" 2>/dev/null); then :;
  elif s=$(shasum -a 256 <"$1" 2>/dev/null); then :;
  elif s=$(openssl dgst -sha256 -r <"$1" 2>/dev/null); then :;
  else [ "$(cksum <"$1" 2>/dev/null)" = "$cksum" ]; return; fi;
  [ "${s%% *}" = "$sha256" ];
};
if [ -n "$installed" ]; then
  [ -x "$installed" ] || no installed "$installed";
  go "$installed";
fi;
home=${HOME:-};
[ -n "$home" ] || home=$(eval echo "~$(id -un)");
case ${XDG_CACHE_HOME:-} in
  /*) cache=$XDG_CACHE_HOME;;
  *) case $home in /*) cache=$home/.cache;; *) no home "";; esac;;
esac;
all=$cache/framewright/worker;
mine=$all/$sha256;
app=$mine/framewright;
if [ -f "$app" ] && [ -r "$app" ] && sum "$app"; then
  [ -x "$app" ] || no exec "$app";
  touch -c "$mine" 2>/dev/null;
  go "$app";
fi;
(
  LC_ALL=C; export LC_ALL; umask 077;
  dd bs=1 count="$first" >/dev/null 2>&1 || no write "dd fails";
  m=$(mkdir -p "$mine" 2>&1) || no folder "$m";
  find "$mine" -name ".new.*" -mmin +60 -exec rm -f {} + 2>/dev/null;
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=$(ldd --version 2>&1 | head -n 1);
  free=$(df -Pk "$mine" 2>/dev/null | tail -n 1);
  gzip=; command -v gzip >/dev/null 2>&1 && gzip=gzip;
  say "need|$(uname -s)|$(uname -m)|$libc|$gzip|$free|$all";
  read -r how size || exit 9;
  temp=$mine/.new.$(uname -n).$$;
  trap "rm -f \"\$temp\"" EXIT;
  trap "exit 9" HUP INT TERM PIPE;
  case $how in
    gzip) m=$( { head -c "$size" | gzip -dc >"$temp"; } 2>&1 ) || no write "$m";;
    plain) m=$( { head -c "$size" >"$temp"; } 2>&1 ) || no write "$m";;
    *) exit 9;;
  esac;
  sum "$temp" || no damaged "$m";
  m=$(chmod 700 "$temp" 2>&1) || no write "$m";
  m=$("$temp" --version 2>&1 </dev/null) || no run "$? $m";
  ln "$temp" "$app" 2>/dev/null || { [ -f "$app" ] && sum "$app"; } || m=$(mv -f "$temp" "$app" 2>&1) || no write "$m";
  cd "$all" && ls -1t | tail -n +5 | while read -r old; do
    case $old in *[!0-9a-f]*) ;; *) rm -rf "./$old";; esac;
  done;
  :
) || exit 0;
go "$app"
