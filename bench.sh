for form in prefix json; do
export SERVICE_LOGS=$form
./relay web /bin/sh sh -c 'echo hello; echo "err\"x" >&2; printf "\\377\\000\\001caf\\303\\251 last"' 2>&1 | cat -A; sleep 0.1
done
