stopped=
stop_receivers
if [ -n "$stopped" ]; then
	echo "pgcellar: starting the WAL receivers of$stopped again"
	pgcellar -q cron >/dev/null 2>&1 || true
fi
