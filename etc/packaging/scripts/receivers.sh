# Receivers that run: each keeps the old program in memory until it is started again. The server keeps WAL for them in their slots.
stop_receivers() {
	for server in $(pgcellar list-servers --minimal 2>/dev/null || true); do
		if pgcellar list-processes "$server" 2>/dev/null | grep -q receive-wal; then
			echo "pgcellar: stopping the WAL receiver of $server"
			pgcellar -q terminate-process "$server" receive-wal >/dev/null 2>&1 || true
			stopped="${stopped:-} $server"
		fi
	done
}
